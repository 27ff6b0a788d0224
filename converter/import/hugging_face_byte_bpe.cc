#include "converter/import/hugging_face_byte_bpe.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "converter/import/hugging_face_json.h"
#include "converter/import/hugging_face_steps.h"
#include "converter/import/wrong.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/byte_alphabet.h"
#include "converter/tokenizer/segments.h"
#include "converter/tokenizer/text_encoder.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

// A piece that is not written in the alphabet of bytes stands for itself: no text leads to it.
std::string BytesOf(const std::string& piece) { return Gpt2Bytes(piece).value_or(piece); }

absl::Status TakeMerges(const Json& merges, const HuggingFaceVocabulary& vocabulary,
                        TokenizerTables* tables) {
  if (!merges.is_array()) return Wrong("model.merges is no list");
  tables->merges.reserve(merges.size());
  for (const Json& merge : merges) {
    const size_t rank = tables->merges.size();
    std::pair<std::string, std::string> halves;
    if (!SplitHuggingFaceMerge(merge, &halves)) return Wrong("merge ", rank, " is not two pieces");
    const std::string result = halves.first + halves.second;
    const uint32_t left = vocabulary.Find(halves.first), right = vocabulary.Find(halves.second),
                   joined = vocabulary.Find(result);
    if (left == CLLM_NO_TOKEN || right == CLLM_NO_TOKEN || joined == CLLM_NO_TOKEN)
      return Wrong("merge ", rank, " makes '", result, "' of '", halves.first,
                   "', and one of them is no piece");
    tables->merges.push_back({left, right, joined});
  }
  return absl::OkStatus();
}

}  // namespace

void SetByteTokens(TokenizerTables* tables) {
  tables->byte_tokens.assign(256, CLLM_NO_TOKEN);
  for (uint32_t token = 0; token < tables->pieces.size(); ++token) {
    const std::string& piece = tables->pieces[token];
    if (piece.size() != 1) continue;
    uint32_t& place = tables->byte_tokens[static_cast<uint8_t>(piece[0])];
    if (place == CLLM_NO_TOKEN) place = token;
  }
}

absl::StatusOr<std::vector<uint32_t>> WordsBeyondMerges(const TokenizerTables& tables) {
  TokenizerTables whole = tables;
  whole.pretokenizer = Pretokenizer::kWhole;
  whole.added.clear();
  whole.normalizer.clear();
  const absl::StatusOr<TokenizerSegments> segments = PackTokenizer(whole);
  if (!segments.ok()) return segments.status();
  TextEncoder encoder(ViewOfSegments(whole, *segments));
  std::vector<uint32_t> words, tokens;
  for (uint32_t token = 0; token < whole.pieces.size(); ++token) {
    tokens.clear();
    if (whole.pieces[token].empty() || tables.added.contains(token)) continue;
    const Status status = encoder.Append(whole.pieces[token], &tokens);
    if (status != CLLM_OK || tokens != std::vector<uint32_t>{token}) words.push_back(token);
  }
  return words;
}

absl::Status TakeByteBpe(const Json& tokenizer, uint32_t vocabulary_size, HuggingFaceVocabulary* vocabulary,
                         TokenizerTables* tables) {
  const Json& model = JsonAt(tokenizer, "model");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json& value = JsonAt(model, affix);
    if (!value.is_null() && value != "") return OtherTokenizer("its pieces have a ", affix);
  }
  if (absl::Status status = TakeHuggingFaceNormalizer(tokenizer, tables); !status.ok()) return status;
  const absl::StatusOr<Pretokenizer> pretokenizer = HuggingFacePretokenizer(tokenizer);
  if (!pretokenizer.ok()) return pretokenizer.status();
  tables->kind = TokenizerKind::kByteBpe;
  tables->pretokenizer = *pretokenizer;
  absl::Status status = vocabulary->Read(JsonAt(model, "vocab"), vocabulary_size, BytesOf, tables);
  if (status.ok()) status = TakeMerges(JsonAt(model, "merges"), *vocabulary, tables);
  if (!status.ok()) return status;
  SetByteTokens(tables);
  const auto as_it_is = [](const std::string& piece) { return piece; };
  if (status = vocabulary->ReadAdded(JsonAt(tokenizer, "added_tokens"), as_it_is, tables); !status.ok())
    return status;
  if (!IsJsonTrue(model, "ignore_merges")) return absl::OkStatus();
  absl::StatusOr<std::vector<uint32_t>> words = WordsBeyondMerges(*tables);
  if (!words.ok()) return words.status();
  tables->words = *std::move(words);
  return absl::OkStatus();
}

}  // namespace cllm
