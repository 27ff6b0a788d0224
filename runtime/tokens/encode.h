// Room: tokens. Text to token ids, exact to each tokenizer's definition in schemas/TOKENIZER.md and
// near-linear in the length of the text, whatever the text. Writes only to the caller's scratch and output.
#ifndef CLLM_TOKENS_ENCODE_H_
#define CLLM_TOKENS_ENCODE_H_

#include <cstdint>

#include "base/status.h"
#include "model/model.h"
#include "tokens/added.h"

namespace cllm {

// Longest text of one call; a longer one is CLLM_TEXT_NOT_ENCODABLE.
inline constexpr uint64_t kMaxTextBytes = 0x7FFFFFFFu;

// Bytes of scratch, aligned to kAlignment, for a text of this many bytes: the same on every machine.
// Merging tokenizers need about 21 a byte of text, the others none.
uint64_t EncodeScratchBytes(const TokenizerView& tokenizer, uint64_t text_bytes);

// Writes at most capacity tokens, and how many there are to *count. Errors: CLLM_TEXT_NOT_ENCODABLE,
// CLLM_BUFFER_TOO_SMALL (*count is then the number needed), CLLM_UNSUPPORTED_TOKENIZER without a tokenizer,
// and with CLLM_ALL_TOKENIZERS=OFF for one whose pretokenizer is a pattern or that looks for added tokens.
Status Encode(const TokenizerView& tokenizer, const char* text, uint64_t text_bytes, void* scratch,
              uint32_t* tokens, uint64_t capacity, uint64_t* count, Specials specials = Specials::kAsText);

}  // namespace cllm

#endif  // CLLM_TOKENS_ENCODE_H_
