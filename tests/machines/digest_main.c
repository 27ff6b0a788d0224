/* On machines without the program `cllm` what `cllm digest MODEL --tokens N` prints on the host:
 *   digest MODEL N */
#include "machines/digest.h"

#include <stdio.h>
#include <stdlib.h>

#include "machines/files.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const uint32_t fed = (uint32_t)strtoul(argv[2], NULL, 10);
  uint64_t size;
  const uint8_t* bytes = ReadFile(argv[1], &size);
  cllm_model model;
  Check(cllm_model_open(bytes, size, &model));
  cllm_model_info info = {.struct_size = sizeof(info)};
  Check(cllm_model_describe(&model, &info));
  const cllm_limits limits = {.struct_size = sizeof(limits), .context = fed + DIGEST_CONTINUED, .batch = 1};
  uint64_t room_bytes;
  Check(cllm_session_measure(&model, &limits, &room_bytes));
  cllm_session* session;
  Check(cllm_session_create(&model, &limits, NULL, Aligned(room_bytes), room_bytes, &session));
  char logits[65], tokens[65];
  Check(digest_session(session, info.vocabulary_size, fed, logits, tokens));
  printf("logits %s\ntokens %s\n", logits, tokens);
  return 0;
}
