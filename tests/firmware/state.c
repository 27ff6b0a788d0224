/* Goes on from a saved state on the device: a model and, behind it at the next multiple of 64, a state, both
 * put there by the emulator with their size in the word 64 bytes before. Writes the text that follows. */
#include <stddef.h>

#include "cllm/cllm.h"
#include "firmware/report.h"
#include "machines/state.h"

enum { CONTEXT = 64, FOLLOWING = 24, STATE_MOST = 32 * 1024 };

static cllm_model model;
static uint8_t room[200 * 1024] __attribute__((aligned(CLLM_ALIGNMENT)));
static uint8_t again[STATE_MOST];

/* The size of the file whose size word lies at `at`. */
static uint32_t size_at(uintptr_t at) { return *(const volatile uint32_t*)at; }

int main(void) {
  const uintptr_t model_at = CLLM_MODEL_ADDRESS;
  const uint32_t size = size_at(model_at);
  const uintptr_t state_at =
      model_at + CLLM_ALIGNMENT + (size + CLLM_ALIGNMENT - 1) / CLLM_ALIGNMENT * CLLM_ALIGNMENT;
  const uint8_t* state = (const uint8_t*)state_at + CLLM_ALIGNMENT;
  cllm_session* session;
  const cllm_limits limits = {
      .struct_size = sizeof(limits), .context = CONTEXT, .batch = 1, .kv_format = kv_format_of_state(state)};
  check(cllm_model_open((const uint8_t*)model_at + CLLM_ALIGNMENT, size, &model));
  check(cllm_session_create(&model, &limits, NULL, room, sizeof(room), &session));
  if (size_at(state_at) > sizeof(again)) check(CLLM_ROOM_TOO_SMALL);
  check(continue_state(&model, session, state, size_at(state_at), again, FOLLOWING, cortex_m_write));
  cortex_m_print("\n");
  return 0;
}
