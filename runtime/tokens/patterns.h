// Room: tokens. The pretokenizers of other projects' vocabularies: where a regular expression over classes of
// characters cuts a text into words (schemas/TOKENIZER.md). Reads the text only.
#ifndef CLLM_TOKENS_PATTERNS_H_
#define CLLM_TOKENS_PATTERNS_H_

#include <cstdint>

#include "base/features.h"
#include "model/model.h"
#include "tokens/split.h"

namespace cllm {

// Whether PatternWordBytes knows it.
constexpr bool IsPattern(Pretokenizer pretokenizer) { return pretokenizer > Pretokenizer::kWords; }

// Length of the first word of text[bytes] by a pretokenizer that is a pattern; bytes > 0. A word by itself is
// one word.
uint64_t PatternWordBytes(Pretokenizer pretokenizer, const char* text, uint64_t bytes);

// Length of the first word of text[bytes] by the tokenizer's pretokenizer; bytes > 0.
inline uint64_t NextWordBytes(const TokenizerView& tokenizer, const char* text, uint64_t bytes) {
  if (kHasAllTokenizers && IsPattern(tokenizer.pretokenizer)) {
    return PatternWordBytes(tokenizer.pretokenizer, text, bytes);
  }
  return tokenizer.pretokenizer == Pretokenizer::kWords ? WordBytes(text, bytes) : bytes;
}

}  // namespace cllm

#endif  // CLLM_TOKENS_PATTERNS_H_
