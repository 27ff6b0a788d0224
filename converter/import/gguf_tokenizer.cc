#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "converter/import/gguf.h"
#include "converter/tokenizer/sentencepiece.h"

namespace cllm {
namespace {

constexpr double kByteKind = 6;

absl::Status Wrong(std::string_view key, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.", std::string(key), std::string(what)));
}

// The id under a key, or CLLM_NO_TOKEN where there is none.
absl::Status TakeId(const GgufContents& contents, std::string_view key, uint32_t count, uint32_t* id) {
  const auto* stored = FindGguf<uint64_t>(contents, absl::StrCat("tokenizer.ggml.", std::string(key)));
  *id = CLLM_NO_TOKEN;
  if (stored == nullptr) return absl::OkStatus();
  if (*stored >= count)
    return Wrong(key, absl::StrCat(" is ", *stored, ", beyond the vocabulary of ", count));
  *id = static_cast<uint32_t>(*stored);
  return absl::OkStatus();
}

// The id of <0x00> if 256 tokens in a row are the bytes.
uint32_t ByteBase(const std::vector<std::string_view>& tokens, const std::vector<double>& kinds) {
  uint32_t base = 0;
  while (base < tokens.size() && tokens[base] != "<0x00>") ++base;
  if (base + 256 > tokens.size()) return CLLM_NO_TOKEN;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    if (kinds[base + byte] != kByteKind || tokens[base + byte] != BytePiece(byte)) return CLLM_NO_TOKEN;
  }
  return base;
}

}  // namespace

absl::StatusOr<TokenizerTables> ImportGgufTokenizer(const GgufContents& contents) {
  const auto* tokens = FindGguf<std::vector<std::string_view>>(contents, "tokenizer.ggml.tokens");
  const auto* scores = FindGguf<std::vector<double>>(contents, "tokenizer.ggml.scores");
  const auto* kinds = FindGguf<std::vector<double>>(contents, "tokenizer.ggml.token_type");
  if (tokens == nullptr || scores == nullptr || kinds == nullptr)
    return Wrong("tokens", ", scores and token_type are needed, and one of them is missing");
  if (scores->size() != tokens->size() || kinds->size() != tokens->size())
    return Wrong("scores", " and token_type do not have one value for each token");
  TokenizerTables tables;
  tables.kind = TokenizerKind::kScoredMerges;
  for (const std::string_view token : *tokens)
    tables.pieces.push_back(absl::StrReplaceAll(std::string(token), {{kSpacePiece, " "}}));
  for (const double score : *scores) tables.scores.push_back(static_cast<float>(score));
  const bool* prefix = FindGguf<bool>(contents, "tokenizer.ggml.add_space_prefix");
  tables.prefix_space = prefix == nullptr || *prefix;
  tables.byte_token_base = ByteBase(*tokens, *kinds);
  if (tables.byte_token_base == CLLM_NO_TOKEN)
    return Wrong("tokens", " has no bytes <0x00> to <0xFF> in a row");
  const auto count = static_cast<uint32_t>(tokens->size());
  const std::pair<const char*, uint32_t*> ids[] = {{"bos_token_id", &tables.begin_token},
                                                   {"eos_token_id", &tables.end_token},
                                                   {"unknown_token_id", &tables.unknown_token}};
  for (const auto& [key, id] : ids) {
    if (absl::Status status = TakeId(contents, key, count, id); !status.ok()) return status;
  }
  const bool* begin = FindGguf<bool>(contents, "tokenizer.ggml.add_bos_token");
  if (begin != nullptr && !*begin) tables.begin_token = CLLM_NO_TOKEN;
  return tables;
}

}  // namespace cllm
