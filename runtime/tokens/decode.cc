#include "tokens/decode.h"

#include <cstdint>

#include "tokens/added.h"
#include "tokens/index.h"

namespace cllm {
namespace {

struct ByteTable {
  char bytes[256] = {};
  constexpr ByteTable() {
    for (int i = 0; i < 256; ++i) bytes[i] = static_cast<char>(i);
  }
};
constexpr ByteTable kBytes;

}  // namespace

Status Decode(const TokenizerView& tokenizer, uint32_t previous, uint32_t token, const char** text,
              uint32_t* text_bytes) {
  *text = kBytes.bytes;
  *text_bytes = 0;
  if (tokenizer.kind == TokenizerKind::kNone) return CLLM_UNSUPPORTED_TOKENIZER;
  if (token >= tokenizer.count || (previous >= tokenizer.count && previous != CLLM_NO_TOKEN)) {
    return CLLM_TOKEN_RANGE;
  }
  if (token == tokenizer.begin_token || token == tokenizer.end_token || token == tokenizer.unknown_token ||
      (AddedFlags(tokenizer, token) & AddedToken::kControl) != 0) {
    return CLLM_OK;
  }
  const uint32_t byte = token - tokenizer.byte_token_base;
  if (tokenizer.byte_token_base != CLLM_NO_TOKEN && byte < 256) {
    *text = kBytes.bytes + byte;
    *text_bytes = 1;
    return CLLM_OK;
  }
  Piece piece = PieceOf(tokenizer, token);
  // Where there is no begin token, both sides of this comparison are CLLM_NO_TOKEN at the start.
  const bool first = previous == CLLM_NO_TOKEN || previous == tokenizer.begin_token;
  if (tokenizer.prefix_space && first && piece.size > 0 && piece.bytes[0] == ' ') {
    ++piece.bytes;
    --piece.size;
  }
  *text = piece.bytes;
  *text_bytes = piece.size;
  return CLLM_OK;
}

}  // namespace cllm
