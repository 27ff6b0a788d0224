/* Files and memory for programs that end at the first mistake. */
#ifndef CLLM_TESTS_MACHINES_FILES_H_
#define CLLM_TESTS_MACHINES_FILES_H_

#include <stdio.h>
#include <stdlib.h>

#include "cllm/cllm.h"

static inline uint8_t* Aligned(uint64_t bytes) {
  void* block = NULL;
  if (posix_memalign(&block, CLLM_ALIGNMENT, (size_t)bytes) != 0) exit(1);
  return block;
}

static inline void Check(cllm_status status) {
  if (status == CLLM_OK) return;
  fprintf(stderr, "%s\n", cllm_status_name(status));
  exit(1);
}

static inline uint8_t* ReadFile(const char* path, uint64_t* size) {
  FILE* file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  const uint64_t end = (uint64_t)ftell(file);
  uint8_t* bytes = Aligned(end);
  rewind(file);
  *size = fread(bytes, 1, (size_t)end, file);
  fclose(file);
  return bytes;
}

#endif /* CLLM_TESTS_MACHINES_FILES_H_ */
