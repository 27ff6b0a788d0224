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

// The nearest bfloat16, ties to even: an infinity beyond the largest. Not a number stays so.
inline uint16_t Bf16Nearest(float value) {
  uint32_t word;
  std::memcpy(&word, &value, sizeof(word));
  if ((word & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>(word >> 16 | 0x40u);
  return static_cast<uint16_t>((word + 0x7FFFu + (word >> 16 & 1u)) >> 16);
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
