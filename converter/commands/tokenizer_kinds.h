// Room: converter/commands. The kinds of tokenizers that are trained here, by the names that users give.
#ifndef CLLM_CONVERTER_COMMANDS_TOKENIZER_KINDS_H_
#define CLLM_CONVERTER_COMMANDS_TOKENIZER_KINDS_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/model.h"

namespace cllm {

inline constexpr std::pair<std::string_view, TokenizerKind> kTokenizerKinds[] = {
    {"bytes-bpe", TokenizerKind::kByteBpe}, {"wordpiece", TokenizerKind::kWordPiece},
    {"words", TokenizerKind::kWords},       {"characters", TokenizerKind::kCharacters},
    {"bpe", TokenizerKind::kByteBpe},  // short forms
    {"char", TokenizerKind::kCharacters}};

inline std::optional<TokenizerKind> FindTokenizerKind(std::string_view name) {
  for (const auto& [known, kind] : kTokenizerKinds) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

// Characters and files bring their size; "": the configuration's kind takes one or says why not.
inline bool TakesVocabularySize(std::string_view name) {
  return name.empty() ||
         FindTokenizerKind(name).value_or(TokenizerKind::kCharacters) != TokenizerKind::kCharacters;
}

inline std::vector<std::string> TokenizerKindChoices() {
  std::vector<std::string> names;
  for (const auto& [name, kind] : kTokenizerKinds) names.emplace_back(name);
  return names;
}

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_TOKENIZER_KINDS_H_
