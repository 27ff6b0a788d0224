/* Goes on from a saved state on the device: a model, behind it at the next multiple of 64 a state, and behind
 * that, perhaps, the delta over the model, put there by the emulator with their sizes in the words 64 bytes
 * before. Writes the text that follows. */
#include <stddef.h>

#include "cllm/cllm.h"
#include "firmware/report.h"
#include "machines/state.h"

enum { CONTEXT = 64, FOLLOWING = 24, STATE_MOST = 32 * 1024 };

static cllm_model model;
static uint8_t room[200 * 1024] __attribute__((aligned(CLLM_ALIGNMENT)));
static uint8_t again[STATE_MOST];

/* A file in memory, and the place where the next one's size lies. */
struct file {
  const uint8_t* bytes;
  uint32_t size; /* 0: there is none */
  uintptr_t next;
};

static struct file file_at(uintptr_t at) {
  const uint32_t size = *(const volatile uint32_t*)at;
  const uintptr_t blocks = (size + CLLM_ALIGNMENT - 1) / CLLM_ALIGNMENT;
  return (struct file){(const uint8_t*)at + CLLM_ALIGNMENT, size, at + (1 + blocks) * CLLM_ALIGNMENT};
}

int main(void) {
  const struct file base = file_at(CLLM_MODEL_ADDRESS);
  const struct file state = file_at(base.next);
  const struct file delta = file_at(state.next);
  cllm_session* session;
  const cllm_limits limits = {.struct_size = sizeof(limits),
                              .context = CONTEXT,
                              .batch = 1,
                              .kv_format = kv_format_of_state(state.bytes)};
  check(cllm_model_open(base.bytes, base.size, &model));
  if (delta.size != 0) check(cllm_model_apply(&model, delta.bytes, delta.size, &model));
  check(cllm_session_create(&model, &limits, NULL, room, sizeof(room), &session));
  if (state.size > sizeof(again)) check(CLLM_ROOM_TOO_SMALL);
  check(continue_state(&model, session, state.bytes, state.size, again, FOLLOWING, cortex_m_write));
  cortex_m_print("\n");
  return 0;
}
