// Room: base. SHA-256 (FIPS 180-4) of a stream of bytes, for what a device saves and finds again. Touches its
// arguments.
#ifndef CLLM_BASE_SHA256_H_
#define CLLM_BASE_SHA256_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

inline constexpr size_t kSha256Bytes = 32;

class Sha256Hasher {
 public:
  Sha256Hasher();
  void Add(const void* bytes, size_t count);
  // Once, at the end.
  void Finish(uint8_t digest[kSha256Bytes]);

 private:
  void TakeBlock(const uint8_t* block);

  uint32_t state_[8];
  uint64_t bytes_ = 0;
  uint8_t block_[64];
};

}  // namespace cllm

#endif  // CLLM_BASE_SHA256_H_
