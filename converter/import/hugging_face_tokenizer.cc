#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "converter/import/hugging_face.h"
#include "converter/import/hugging_face_byte_bpe.h"
#include "converter/import/hugging_face_json.h"
#include "converter/import/hugging_face_steps.h"
#include "converter/import/hugging_face_unigram.h"
#include "converter/import/hugging_face_vocabulary.h"
#include "converter/import/wrong.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/normalizer.h"
#include "converter/tokenizer/sentencepiece.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

// The earlier a merge, the higher its result's score. That is the same order only if all the merges that
// make one piece stand together, as they do in vocabularies that come from SentencePiece.
absl::Status TakeScores(const Json& merges, const HuggingFaceVocabulary& vocabulary,
                        TokenizerTables* tables) {
  tables->scores.assign(tables->pieces.size(), kNeverMerged);
  if (!merges.is_array()) return Wrong("model.merges is no list");
  uint32_t rank = 0;
  std::string previous;
  for (const Json& merge : merges) {
    std::pair<std::string, std::string> halves;
    if (!SplitHuggingFaceMerge(merge, &halves)) return Wrong("merge ", rank, " is not two pieces");
    const std::string result = halves.first + halves.second;
    const uint32_t token = vocabulary.Find(result);
    if (token == CLLM_NO_TOKEN) return Wrong("merge ", rank, " makes '", result, "', which is no piece");
    float& score = tables->scores[token];
    if (result != previous) {
      if (score != kNeverMerged)
        return OtherTokenizer("its merges that make '", result, "' do not stand together");
      score = -static_cast<float>(rank);
    }
    previous = result;
    ++rank;
  }
  return absl::OkStatus();
}

absl::Status TakeScoredMerges(const Json& tokenizer, uint32_t vocabulary_size,
                              HuggingFaceVocabulary* vocabulary, TokenizerTables* tables) {
  const Json& model = JsonAt(tokenizer, "model");
  tables->kind = TokenizerKind::kScoredMerges;
  absl::Status status = TakeHuggingFaceSpaces(tokenizer, tables);
  if (status.ok()) status = vocabulary->Read(JsonAt(model, "vocab"), vocabulary_size, WithSpaces, tables);
  if (status.ok()) status = TakeScores(JsonAt(model, "merges"), *vocabulary, tables);
  if (status.ok()) status = TakeBytePieces(*vocabulary, tables);
  if (status.ok()) status = vocabulary->ReadAdded(JsonAt(tokenizer, "added_tokens"), WithSpaces, tables);
  tables->scores.resize(tables->pieces.size(), kNeverMerged);
  return status;
}

// Those that are found in what the normalizer gives must be so spelled, or no text would lead to them.
absl::Status CheckLateTokens(const TokenizerTables& tables) {
  const absl::StatusOr<Normalizer> normalizer = Normalizer::FromText(tables.normalizer);
  if (!normalizer.ok()) return normalizer.status();
  for (const auto& [token, flags] : tables.added) {
    const std::string& piece = tables.pieces[token];
    if ((flags & AddedToken::kLate) == 0) continue;
    const absl::StatusOr<std::string> normal = normalizer->Apply(piece);
    if (!normal.ok() || *normal != piece)
      return OtherTokenizer("its added token '", piece, "' is not as its normalizer has texts");
  }
  return absl::OkStatus();
}

// The begin token is what the template puts before a text; where there is no template, tokenizer_config.json
// tells, as Llama's tokenizer has it.
absl::Status TakeSpecials(const Json& tokenizer, const Json& config, const HuggingFaceVocabulary& vocabulary,
                          TokenizerTables* tables) {
  absl::Status status =
      vocabulary.TakeSpecial(JsonAt(JsonAt(tokenizer, "model"), "unk_token"), &tables->unknown_token);
  if (!status.ok()) return status;
  const std::string begin = HuggingFaceTemplateBegin(tokenizer);
  if (!begin.empty()) status = vocabulary.TakeSpecial(Json(begin), &tables->begin_token);
  if (!status.ok() || !config.is_object()) return status;
  const Json& adds = JsonAt(config, "add_bos_token");
  if (adds == false) tables->begin_token = CLLM_NO_TOKEN;
  const bool by_config = adds == true || (adds.is_null() && tables->kind == TokenizerKind::kScoredMerges);
  if (begin.empty() && by_config) {
    status = vocabulary.TakeSpecial(JsonAt(config, "bos_token"), &tables->begin_token);
    if (!status.ok()) return status;
  }
  return vocabulary.TakeSpecial(JsonAt(config, "eos_token"), &tables->end_token);
}

}  // namespace

absl::StatusOr<TokenizerTables> ImportHuggingFaceTokenizer(const Json& tokenizer,
                                                           const Json& tokenizer_config,
                                                           uint32_t vocabulary_size) {
  TokenizerTables tables;
  HuggingFaceVocabulary vocabulary;
  const Json& model = JsonAt(tokenizer, "model");
  if (!model.is_object()) return Wrong("model is no object");
  const Json& type = JsonAt(model, "type");
  const bool bpe = type.is_null() || type == "BPE";
  if (!bpe && type != "Unigram" && type != "WordPiece")
    return OtherTokenizer("it is of the kind ", JsonText(type), ", not BPE, Unigram or WordPiece");
  const auto take = type == "Unigram"                    ? TakeUnigram
                    : type == "WordPiece"                ? TakeWordPiece
                    : IsJsonTrue(model, "byte_fallback") ? TakeScoredMerges
                                                         : TakeByteBpe;
  absl::Status status = take(tokenizer, vocabulary_size, &vocabulary, &tables);
  if (status.ok()) status = CheckLateTokens(tables);
  if (status.ok()) status = TakeSpecials(tokenizer, tokenizer_config, vocabulary, &tables);
  if (!status.ok()) return status;
  return tables;
}

}  // namespace cllm
