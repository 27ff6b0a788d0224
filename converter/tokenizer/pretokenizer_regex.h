// Room: converter/tokenizer. The runtime's pretokenizers as the regular expressions that tokenizer.json has.
#ifndef CLLM_CONVERTER_TOKENIZER_PRETOKENIZER_REGEX_H_
#define CLLM_CONVERTER_TOKENIZER_PRETOKENIZER_REGEX_H_

#include "model/model.h"

namespace cllm {

struct PretokenizerRegex {
  Pretokenizer pretokenizer;
  const char* regex;
};

inline constexpr PretokenizerRegex kPretokenizerRegexes[] = {
    {Pretokenizer::kWords,
     " ?[^\\x00-@\\[-`{-\\x7F]+| ?[0-9]+| ?[\\x00-\\x08\\x0E-\\x1F!-/:-@\\[-`{-\\x7F]+|"
     "[\\t-\\r ]+(?= [^\\t-\\r ])|[\\t-\\r ]+"},
    {Pretokenizer::kGpt2, R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {Pretokenizer::kLlama3,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
     R"(\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {Pretokenizer::kQwen2,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
     R"(\s*[\r\n]+|\s+(?!\S)|\s+)"},
};

// nullptr for one that is no single expression.
constexpr const char* RegexOf(Pretokenizer pretokenizer) {
  for (const PretokenizerRegex& each : kPretokenizerRegexes) {
    if (each.pretokenizer == pretokenizer) return each.regex;
  }
  return nullptr;
}

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_PRETOKENIZER_REGEX_H_
