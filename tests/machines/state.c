#include "machines/state.h"

#include <stddef.h>
#include <string.h>

uint32_t kv_format_of_state(const uint8_t* state) { return state[16]; }

cllm_status continue_state(const cllm_model* model, cllm_session* session, const uint8_t* state,
                           uint64_t bytes, uint8_t* again, uint32_t count,
                           void (*write)(const char* text, uint32_t bytes)) {
  uint64_t measured;
  cllm_status status = cllm_session_restore(session, 0, state, bytes);
  if (status == CLLM_OK) status = cllm_session_save_measure(session, 0, &measured);
  if (status == CLLM_OK) status = cllm_session_save(session, 0, again, bytes);
  if (status != CLLM_OK) return status;
  if (measured != bytes || memcmp(state, again, (size_t)bytes) != 0) return CLLM_STATE_DAMAGED;
  uint32_t previous = 0; /* no begin token's number: the first text keeps its space */
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t token, length;
    const char* text;
    status = cllm_session_next(session, NULL, &token);
    if (status == CLLM_OK) status = cllm_tokens_decode(model, previous, token, &text, &length);
    if (status != CLLM_OK) return status;
    write(text, length);
    if (i + 1 == count) return CLLM_OK;
    status = cllm_session_feed(session, &token, 1);
    if (status != CLLM_OK) return status;
    previous = token;
  }
  return CLLM_OK;
}
