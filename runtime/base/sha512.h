// Room: base. SHA-512 (FIPS 180-4) of a stream of bytes, which Ed25519 is made of. Touches its arguments.
#ifndef CLLM_BASE_SHA512_H_
#define CLLM_BASE_SHA512_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

inline constexpr size_t kSha512Bytes = 64;

// Small rather than fast: a signature is over a digest, not over a file. At most 2^61 bytes.
class Sha512Hasher {
 public:
  Sha512Hasher();
  void Add(const void* bytes, size_t count);
  // Once, at the end.
  void Finish(uint8_t digest[kSha512Bytes]);

 private:
  static constexpr size_t kBlockBytes = 128;
  void TakeBlock();

  uint64_t state_[8];
  uint64_t bytes_ = 0;
  uint8_t block_[kBlockBytes];
};

}  // namespace cllm

#endif  // CLLM_BASE_SHA512_H_
