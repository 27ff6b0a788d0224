// Room: api. Translates cllm_tokens_* into the tokens room; checks pointers and sizes, computes nothing.
#include <cstdint>

#include "api/model_view.h"
#include "base/layout.h"
#include "cllm/cllm.h"
#include "tokens/decode.h"
#include "tokens/encode.h"

cllm_status cllm_tokens_encode_measure(const cllm_model* model, uint64_t text_bytes,
                                       uint64_t* scratch_bytes) {
  if (model == nullptr || scratch_bytes == nullptr) return CLLM_NULL_ARGUMENT;
  cllm::Model view;
  CLLM_RETURN_IF_ERROR(cllm::GetView(model, &view));
  const cllm::TokenizerView& tokenizer = view.tokenizer;
  if (tokenizer.kind == cllm::TokenizerKind::kNone) return CLLM_UNSUPPORTED_TOKENIZER;
  if (text_bytes > cllm::kMaxTextBytes) return CLLM_TEXT_NOT_ENCODABLE;
  *scratch_bytes = cllm::EncodeScratchBytes(tokenizer, text_bytes);
  return CLLM_OK;
}

cllm_status cllm_tokens_form(const cllm_model* model, cllm_text_form* form) {
  if (model == nullptr || form == nullptr) return CLLM_NULL_ARGUMENT;
  cllm::Model view;
  CLLM_RETURN_IF_ERROR(cllm::GetView(model, &view));
  if (view.tokenizer.kind == cllm::TokenizerKind::kNone) return CLLM_UNSUPPORTED_TOKENIZER;
  *form = static_cast<cllm_text_form>(view.tokenizer.text_form);
  return CLLM_OK;
}

namespace {

cllm_status EncodeChecked(const cllm_model* model, cllm::Specials specials, const char* text,
                          uint64_t text_bytes, void* scratch, uint64_t scratch_bytes, uint32_t* tokens,
                          uint64_t capacity, uint64_t* count) {
  if (model == nullptr || count == nullptr || (text == nullptr && text_bytes > 0) ||
      (tokens == nullptr && capacity > 0)) {
    return CLLM_NULL_ARGUMENT;
  }
  cllm::Model view;
  CLLM_RETURN_IF_ERROR(cllm::GetView(model, &view));
  uint64_t needed = 0;
  CLLM_RETURN_IF_ERROR(cllm_tokens_encode_measure(model, text_bytes, &needed));
  if (needed > 0 && scratch == nullptr) return CLLM_NULL_ARGUMENT;
  if (needed > 0 && reinterpret_cast<uintptr_t>(scratch) % cllm::kAlignment != 0) return CLLM_MISALIGNED;
  if (scratch_bytes < needed) return CLLM_ROOM_TOO_SMALL;
  return cllm::Encode(view.tokenizer, text, text_bytes, scratch, tokens, capacity, count, specials);
}

}  // namespace

cllm_status cllm_tokens_encode(const cllm_model* model, const char* text, uint64_t text_bytes, void* scratch,
                               uint64_t scratch_bytes, uint32_t* tokens, uint64_t capacity, uint64_t* count) {
  return EncodeChecked(model, cllm::Specials::kAsText, text, text_bytes, scratch, scratch_bytes, tokens,
                       capacity, count);
}

cllm_status cllm_tokens_encode_special(const cllm_model* model, const char* text, uint64_t text_bytes,
                                       void* scratch, uint64_t scratch_bytes, uint32_t* tokens,
                                       uint64_t capacity, uint64_t* count) {
  return EncodeChecked(model, cllm::Specials::kParsed, text, text_bytes, scratch, scratch_bytes, tokens,
                       capacity, count);
}

int cllm_tokens_ends_text(const cllm_model* model, uint32_t token) {
  cllm::Model view;
  if (model == nullptr || cllm::GetView(model, &view) != CLLM_OK || token == CLLM_NO_TOKEN) return 0;
  if (token == view.tokenizer.end_token) return 1;
  return (cllm::AddedFlags(view.tokenizer, token) & cllm::AddedToken::kEnds) != 0 ? 1 : 0;
}

cllm_status cllm_tokens_decode(const cllm_model* model, uint32_t previous, uint32_t token, const char** text,
                               uint32_t* text_bytes) {
  if (model == nullptr || text == nullptr || text_bytes == nullptr) return CLLM_NULL_ARGUMENT;
  cllm::Model view;
  CLLM_RETURN_IF_ERROR(cllm::GetView(model, &view));
  return cllm::Decode(view.tokenizer, previous, token, text, text_bytes);
}
