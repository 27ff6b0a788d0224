// Room: tokens. How text falls into words and characters before it is encoded; the converter trains on the
// same pieces. Numbers and byte classes only.
#ifndef CLLM_TOKENS_SPLIT_H_
#define CLLM_TOKENS_SPLIT_H_

#include <cstdint>

namespace cllm {

// Length of the first word of text[bytes] by the `words` pretokenizer (schemas/TOKENIZER.md); bytes > 0.
uint64_t WordBytes(const char* text, uint64_t bytes);

// Length of the first character of text[bytes], 1 to 4: a UTF-8 lead byte with all of its continuation bytes,
// otherwise one byte. bytes > 0.
uint32_t CharacterBytes(const char* text, uint64_t bytes);

// Length of the first group of text[bytes] as llama2.c's encoder forms it, 1 to 4: any byte and the
// continuation bytes (10xxxxxx) after it, at most 4 in all. bytes > 0.
uint32_t ContinuationGroupBytes(const char* text, uint64_t bytes);

}  // namespace cllm

#endif  // CLLM_TOKENS_SPLIT_H_
