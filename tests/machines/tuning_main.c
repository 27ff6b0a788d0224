/* What the tuning firmware prints of a model's delta, on the host.  tuning_digest MODEL [ROOM_BYTES] */
#include <stdio.h>
#include <stdlib.h>

#include "machines/tuning.h"

static void* aligned_block(size_t bytes) {
  void* block = NULL;
  return posix_memalign(&block, CLLM_ALIGNMENT, bytes) == 0 ? block : NULL;
}

static int fail(const char* text) {
  fprintf(stderr, "tuning_digest: %s\n", text);
  return 1;
}

int main(int argc, char** argv) {
  static cllm_model model;
  static const char* const names[] = {"adamw", "sgd", NULL, "adamw8"};
  FILE* file = argc > 1 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) return fail("give a model file");
  const long size = ftell(file);
  void* bytes = aligned_block((size_t)size);
  rewind(file);
  if (bytes == NULL || fread(bytes, 1, (size_t)size, file) != (size_t)size)
    return fail("cannot read the model");
  fclose(file);
  const uint64_t room_bytes = argc > 2 ? strtoull(argv[2], NULL, 10) : 1u << 26;
  void* room = aligned_block((size_t)room_bytes);
  cllm_status status = cllm_model_open(bytes, (uint64_t)size, &model);
  for (int method = CLLM_ADAMW; method <= CLLM_ADAMW8 && status == CLLM_OK; ++method) {
    tuning_result result;
    if (names[method] == NULL) continue;
    status = tuning_run(&model, (cllm_method)method, room, room_bytes, &result);
    if (status == CLLM_ROOM_TOO_SMALL) {
      printf("%s needs %llu bytes\n", names[method], (unsigned long long)result.info.room_bytes);
      status = CLLM_OK;
      continue;
    }
    printf("%s_delta %s\n", names[method], result.delta);
    fprintf(stderr, "%s room %llu recompute %u chunk %u losses %f %f\n", names[method],
            (unsigned long long)result.info.room_bytes, result.info.recompute, result.info.chunk,
            (double)result.losses[0], (double)result.losses[1]);
  }
  free(room);
  free(bytes);
  return status == CLLM_OK ? 0 : fail(cllm_status_name(status));
}
