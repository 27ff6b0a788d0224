// Room: converter/run. A fingerprint of all that a model computes: equal on every machine if the arithmetic
// is.
#ifndef CLLM_CONVERTER_RUN_DIGEST_H_
#define CLLM_CONVERTER_RUN_DIGEST_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "cllm/cllm.h"

namespace cllm {

inline constexpr uint64_t kDigestSeed = 20260101;
inline constexpr uint32_t kDigestTokens = 128;       // fed unless told otherwise, at most the context
inline constexpr uint32_t kDigestContinuation = 64;  // greedy tokens, fewer where the context ends

struct DigestOptions {
  uint32_t tokens = 0;  // fed; 0: kDigestTokens or the context if that is less
  uint32_t split = 0;   // tokens a feed; 0: 32. The digest does not depend on it
  cllm_kv_format kv_format = CLLM_KV_F32;
  const cllm_workers* workers = nullptr;
};

struct DigestResult {
  std::string logits;  // SHA-256, 64 hexadecimal digits: every position's logits, float32 little endian
  std::string tokens;  // SHA-256 of the greedy continuation's ids, uint32 little endian
  uint32_t fed = 0;
  uint32_t continued = 0;
};

// Token i of the sequence is Random(kDigestSeed, RandomStream::kData, i) modulo the vocabulary size
// (base/random.h).
// Errors: InvalidArgument (more tokens than the context holds), ResourceExhausted.
absl::StatusOr<DigestResult> ComputeDigest(const cllm_model& model, const DigestOptions& options);

}  // namespace cllm

#endif  // CLLM_CONVERTER_RUN_DIGEST_H_
