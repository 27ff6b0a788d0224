// Room: converter/lattice. Buffers of floats as the runtime's kernels want them.
#ifndef CLLM_CONVERTER_LATTICE_ALIGNED_FLOATS_H_
#define CLLM_CONVERTER_LATTICE_ALIGNED_FLOATS_H_

#include <cstddef>
#include <cstring>
#include <string_view>
#include <vector>

#include "cllm/cllm.h"

namespace cllm {

// Zeros at first; the first float is at a multiple of CLLM_ALIGNMENT. Copies copy the floats.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(size_t count) : blocks_((count + kBlock - 1) / kBlock) {}
  explicit AlignedFloats(std::string_view bytes) : AlignedFloats(bytes.size() / sizeof(float)) {
    std::memcpy(blocks_.data(), bytes.data(), bytes.size());
  }

  float* data() { return reinterpret_cast<float*>(blocks_.data()); }
  const float* data() const { return reinterpret_cast<const float*>(blocks_.data()); }
  size_t size() const { return blocks_.size() * kBlock; }

 private:
  static constexpr size_t kBlock = CLLM_ALIGNMENT / sizeof(float);
  struct alignas(CLLM_ALIGNMENT) Block {
    float floats[kBlock];
  };
  std::vector<Block> blocks_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_LATTICE_ALIGNED_FLOATS_H_
