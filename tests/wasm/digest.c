/* On WebAssembly what `cllm digest MODEL --tokens N` is on the host:  digest MODEL N */
#include "machines/digest.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t* Aligned(uint64_t bytes) {
  uint8_t* block = aligned_alloc(CLLM_ALIGNMENT, ((size_t)bytes / CLLM_ALIGNMENT + 1) * CLLM_ALIGNMENT);
  if (block == NULL) exit(1);
  return block;
}

static void Check(cllm_status status) {
  if (status == CLLM_OK) return;
  fprintf(stderr, "%s\n", cllm_status_name(status));
  exit(1);
}

static cllm_model Open(const char* path) {
  FILE* file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  const uint64_t size = (uint64_t)ftell(file);
  uint8_t* bytes = Aligned(size);
  rewind(file);
  cllm_model model;
  Check(cllm_model_open(bytes, fread(bytes, 1, (size_t)size, file), &model));
  fclose(file);
  return model;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const uint32_t fed = (uint32_t)strtoul(argv[2], NULL, 10);
  const cllm_model model = Open(argv[1]);
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
