/* On machines without the program `cllm` what `cllm generate MODEL --state STATE --tokens N --temperature 0`
 * prints on the host:
 *   state MODEL STATE N */
#include "machines/state.h"

#include <stdio.h>
#include <stdlib.h>

#include "machines/files.h"

static void Write(const char* text, uint32_t bytes) { fwrite(text, 1, bytes, stdout); }

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  uint64_t model_bytes, state_bytes, room_bytes;
  const uint8_t* bytes = ReadFile(argv[1], &model_bytes);
  const uint8_t* state = ReadFile(argv[2], &state_bytes);
  const uint32_t count = (uint32_t)strtoul(argv[3], NULL, 10);
  cllm_model model;
  cllm_session* session;
  const cllm_limits limits = {.struct_size = sizeof(limits), .kv_format = kv_format_of_state(state)};
  Check(cllm_model_open(bytes, model_bytes, &model));
  Check(cllm_session_measure(&model, &limits, &room_bytes));
  Check(cllm_session_create(&model, &limits, NULL, Aligned(room_bytes), room_bytes, &session));
  Check(continue_state(&model, session, state, state_bytes, Aligned(state_bytes), count, Write));
  printf("\n");
  return 0;
}
