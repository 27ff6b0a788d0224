#include "converter/import/hugging_face_unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "converter/import/hugging_face_json.h"
#include "converter/import/hugging_face_steps.h"
#include "converter/import/wrong.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/sentencepiece.h"
#include "tokens/index.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

constexpr char kContinues[] = "##";

// [[piece, log-probability], ...] as {piece: id} and the numbers.
absl::Status TakeLogProbabilities(const Json& list, uint32_t vocabulary_size, Json* ids,
                                  TokenizerTables* tables) {
  if (!list.is_array()) return Wrong("model.vocab is no list");
  tables->log_probabilities.assign(vocabulary_size, kNeverFound);
  double least = std::numeric_limits<double>::max();
  for (uint32_t id = 0; id < list.size(); ++id) {
    const Json& entry = list[id];
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number())
      return Wrong("model.vocab: entry ", id, " is no piece with its log-probability");
    const auto piece = entry[0].get<std::string>();
    if (ids->contains(piece)) return Wrong("model.vocab has '", piece, "' twice");
    (*ids)[piece] = id;
    const double score = entry[1].get<double>();
    if (!std::isfinite(score) || score <= kNeverFound)
      return Wrong("model.vocab: the log-probability of '", piece, "' is out of range");
    if (id < vocabulary_size) tables->log_probabilities[id] = score;
    least = std::min(least, score);
  }
  tables->log_probabilities.push_back(list.empty() ? 0 : least + kUnknownPenalty);
  return absl::OkStatus();
}

// "ing" for "##ing", and " go" for "go": a piece that begins a word is spelled with the space before it.
std::string WithWordStart(const std::string& piece) {
  absl::string_view rest = piece;
  return absl::ConsumePrefix(&rest, kContinues) ? std::string(rest) : " " + piece;
}

absl::Status CheckWordPiece(const Json& tokenizer) {
  const Json& model = JsonAt(tokenizer, "model");
  const Json& mark = JsonAt(model, "continuing_subword_prefix");
  if (!mark.is_null() && mark != kContinues)
    return OtherTokenizer("its continuing_subword_prefix is ", JsonText(mark), ", not \"##\"");
  const Json& longest = JsonAt(model, "max_input_chars_per_word");
  if (!longest.is_null() && longest != kLongestBertWord)
    return OtherTokenizer("its max_input_chars_per_word is ", JsonText(longest), ", not ", kLongestBertWord);
  const std::vector<Json> steps = HuggingFaceSteps(tokenizer, "pre_tokenizer");
  if (steps.size() != 1 || JsonAt(steps[0], "type") != "BertPreTokenizer")
    return OtherTokenizer("its pre-tokenizer is not BertPreTokenizer: ",
                          JsonText(JsonAt(tokenizer, "pre_tokenizer")));
  return absl::OkStatus();
}

}  // namespace

absl::Status TakeBytePieces(const HuggingFaceVocabulary& vocabulary, TokenizerTables* tables) {
  tables->byte_token_base = vocabulary.Find(BytePiece(0));
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const uint32_t token = vocabulary.Find(BytePiece(byte));
    if (token == CLLM_NO_TOKEN || token != tables->byte_token_base + byte)
      return OtherTokenizer("its vocabulary has no bytes <0x00> to <0xFF> in a row");
  }
  return absl::OkStatus();
}

absl::Status TakeUnigram(const Json& tokenizer, uint32_t vocabulary_size, HuggingFaceVocabulary* vocabulary,
                         TokenizerTables* tables) {
  const Json& model = JsonAt(tokenizer, "model");
  tables->kind = TokenizerKind::kUnigram;
  Json ids = Json::object();
  absl::Status status = TakeHuggingFaceSpaces(tokenizer, tables);
  if (status.ok()) status = TakeLogProbabilities(JsonAt(model, "vocab"), vocabulary_size, &ids, tables);
  if (status.ok()) status = vocabulary->Read(ids, vocabulary_size, WithSpaces, tables);
  if (status.ok() && IsJsonTrue(model, "byte_fallback")) status = TakeBytePieces(*vocabulary, tables);
  if (status.ok()) status = vocabulary->ReadAdded(JsonAt(tokenizer, "added_tokens"), WithSpaces, tables);
  if (!status.ok()) return status;
  const Json& unknown = JsonAt(model, "unk_id");
  if (!unknown.is_null()) {
    if (!unknown.is_number_unsigned() || unknown.get<uint64_t>() >= tables->pieces.size())
      return Wrong("model.unk_id is ", JsonText(unknown), ", beyond the vocabulary");
    tables->unknown_token = unknown.get<uint32_t>();
    tables->log_probabilities[tables->unknown_token] = kNeverFound;  // its spelling is text like any other
  }
  for (uint32_t byte = 0; byte < 256 && tables->byte_token_base != CLLM_NO_TOKEN; ++byte)
    tables->log_probabilities[tables->byte_token_base + byte] = kNeverFound;
  return absl::OkStatus();
}

absl::Status TakeWordPiece(const Json& tokenizer, uint32_t vocabulary_size, HuggingFaceVocabulary* vocabulary,
                           TokenizerTables* tables) {
  if (absl::Status status = CheckWordPiece(tokenizer); !status.ok()) return status;
  tables->kind = TokenizerKind::kWordPiece;
  tables->pretokenizer = Pretokenizer::kBert;
  tables->prefix_space = true;  // so that decoding leaves out the space of the first word
  absl::Status status = TakeHuggingFaceNormalizer(tokenizer, tables);
  if (!status.ok()) return status;
  // Added tokens are in the vocabulary, too, and stand there as they are spelled.
  std::set<std::string> added;
  for (const Json& token : JsonAt(tokenizer, "added_tokens")) {
    if (token.is_object() && JsonAt(token, "content").is_string())
      added.insert(token["content"].get<std::string>());
  }
  const auto bytes_of = [&added](const std::string& piece) {
    return added.count(piece) > 0 ? piece : WithWordStart(piece);
  };
  status = vocabulary->Read(JsonAt(JsonAt(tokenizer, "model"), "vocab"), vocabulary_size, bytes_of, tables);
  if (!status.ok()) return status;
  for (const std::string& piece : tables->pieces) {
    if (piece.size() > kLongestWordPiece)
      return OtherTokenizer("its piece '", piece, "' has more than ", kLongestWordPiece, " bytes");
  }
  const auto as_it_is = [](const std::string& piece) { return piece; };
  return vocabulary->ReadAdded(JsonAt(tokenizer, "added_tokens"), as_it_is, tables);
}

}  // namespace cllm
