// Room: base. bfloat16, the upper half of a float32, as its 16 bits.
#ifndef CLLM_BASE_BF16_H_
#define CLLM_BASE_BF16_H_

#include <cstdint>
#include <cstring>

namespace cllm {

inline float Bf16ToFloat(uint16_t bits) {
  const uint32_t word = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &word, sizeof(value));
  return value;
}

// The smallest bfloat16 that is not below a positive finite value: for scales, so that nothing clips. Values
// above the largest bfloat16 give infinity.
inline uint16_t Bf16RoundUp(float positive) {
  uint32_t word;
  std::memcpy(&word, &positive, sizeof(word));
  return static_cast<uint16_t>((word + 0xFFFFu) >> 16);
}

}  // namespace cllm

#endif  // CLLM_BASE_BF16_H_
