#include "machines/digest.h"

#include <stddef.h>

#include "machines/sha256.h"

static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

/* Token i of the sequence of `cllm digest`: SplitMix64 over seed 20260101, stream 4 and the counter. */
static uint32_t digest_token(uint32_t i, uint32_t vocabulary_size) {
  const uint64_t golden = 0x9E3779B97F4A7C15u;
  const uint64_t key = mix(mix(20260101 + golden) + golden * 5);
  return (uint32_t)(mix(key + golden * ((uint64_t)i + 1)) % vocabulary_size);
}

cllm_status digest_session(cllm_session* session, uint32_t vocabulary_size, uint32_t fed,
                           char logits_hash[65], char tokens_hash[65]) {
  static sha256 hash; /* not on the stack, whose depth the firmware measures */
  const float* logits;
  uint32_t token;
  cllm_status status = CLLM_OK;
  sha256_start(&hash);
  for (uint32_t i = 0; i < fed && status == CLLM_OK; ++i) {
    token = digest_token(i, vocabulary_size);
    status = cllm_session_feed(session, &token, 1);
    if (status == CLLM_OK) status = cllm_session_logits(session, 0, &logits);
    if (status == CLLM_OK) sha256_add(&hash, logits, vocabulary_size * (uint32_t)sizeof(float));
  }
  sha256_finish(&hash, logits_hash);
  sha256_start(&hash);
  for (uint32_t i = 0; i < DIGEST_CONTINUED && status == CLLM_OK; ++i) {
    status = cllm_session_next(session, NULL, &token);
    if (status == CLLM_OK && i + 1 < DIGEST_CONTINUED) status = cllm_session_feed(session, &token, 1);
    if (status == CLLM_OK) sha256_add(&hash, &token, sizeof(token));
  }
  sha256_finish(&hash, tokens_hash);
  return status;
}
