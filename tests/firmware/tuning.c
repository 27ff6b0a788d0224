/* Fine-tunes a model that the emulator put at an address, within a static room, and reports the delta's
 * digest and what it cost. One "name value" a line. */
#include <stddef.h>

#include "cllm/cllm.h"
#include "firmware/report.h"
#include "machines/tuning.h"

/* The file's size in the first word, the file 64 bytes later. */
#define MODEL_BYTES ((const uint8_t*)(CLLM_MODEL_ADDRESS + CLLM_ALIGNMENT))
#define MODEL_SIZE (*(const volatile uint32_t*)CLLM_MODEL_ADDRESS)

static cllm_model model;
static tuning_result result;
/* With the rest of RAM, stack included, at most 256 KB. */
static uint8_t room[CLLM_TUNING_ROOM] __attribute__((aligned(CLLM_ALIGNMENT)));

static void tune(const char* name, cllm_method method) {
  cortex_m_start_ticks();
  check(tuning_run(&model, method, room, sizeof(room), &result));
  const uint64_t instructions = cortex_m_ticks() * 1000000000u / CLLM_CLOCK_HZ / 1024u;
  cortex_m_print(name);
  cortex_m_print("_delta ");
  cortex_m_print(result.delta);
  cortex_m_print("\n");
  report("room_bytes", result.info.room_bytes);
  report("recompute", result.info.recompute);
  report("chunk", result.info.chunk);
  report("instructions_step", instructions / TUNING_STEPS);
}

int main(void) {
  check(cllm_model_open(MODEL_BYTES, MODEL_SIZE, &model));
  tune("adamw", CLLM_ADAMW);
  tune("adamw8", CLLM_ADAMW8);
  report("stack_bytes", cortex_m_stack_used());
  return 0;
}
