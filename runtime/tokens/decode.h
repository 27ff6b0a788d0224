// Room: tokens. Token ids to text. Touches nothing but its arguments.
#ifndef CLLM_TOKENS_DECODE_H_
#define CLLM_TOKENS_DECODE_H_

#include <cstdint>

#include "base/status.h"
#include "model/model.h"

namespace cllm {

// The bytes that `token` stands for after `previous` (CLLM_NO_TOKEN at the start of a text); *text points
// into the file or to static storage. Byte tokens give their byte, special tokens (begin, end, unknown,
// control) nothing. With prefix_space, the first token of a text loses its leading space, as llama2.c does
// after BOS. Errors: CLLM_TOKEN_RANGE, CLLM_UNSUPPORTED_TOKENIZER without a tokenizer.
Status Decode(const TokenizerView& tokenizer, uint32_t previous, uint32_t token, const char** text,
              uint32_t* text_bytes);

}  // namespace cllm

#endif  // CLLM_TOKENS_DECODE_H_
