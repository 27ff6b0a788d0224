/* SHA-256 (FIPS 180-4) of a stream of bytes, for programs without the host's libraries. */
#ifndef CLLM_TESTS_MACHINES_SHA256_H_
#define CLLM_TESTS_MACHINES_SHA256_H_

#include <stdint.h>

typedef struct sha256 {
  uint32_t state[8];
  uint64_t bytes;
  uint8_t block[64];
} sha256;

void sha256_start(sha256* hash);
void sha256_add(sha256* hash, const void* bytes, uint32_t count);
/* 64 hexadecimal digits and a 0. */
void sha256_finish(sha256* hash, char hex[65]);

#endif /* CLLM_TESTS_MACHINES_SHA256_H_ */
