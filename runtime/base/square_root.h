// Room: base. An exact square root without libm, for constants computed once at create.
#ifndef CLLM_BASE_SQUARE_ROOT_H_
#define CLLM_BASE_SQUARE_ROOT_H_

#include <cstdint>

namespace cllm {

// The float nearest to the square root of value, value < 2^24. Digit by digit on the value scaled by 4^s, so
// that 25 bits of the root come out, and a sticky bit decides the rest: the same on every machine.
inline float SquareRoot(uint32_t value) {
  if (value == 0) return 0.0f;
  uint64_t scaled = value;
  int shift = 0;
  while (scaled < (uint64_t{1} << 48)) {
    scaled <<= 2;
    ++shift;
  }
  uint64_t root = 0;
  for (uint64_t bit = uint64_t{1} << 31; bit != 0; bit >>= 1) {
    const uint64_t candidate = root | bit;
    if (candidate * candidate <= scaled) root = candidate;
  }
  // Two more bits, the last of them sticky, keep the conversion below from rounding twice.
  const uint64_t exact = root * root == scaled ? 0 : 1;
  float result = static_cast<float>(static_cast<uint32_t>(root * 2 + exact));
  for (int i = 0; i < shift + 1; ++i) result *= 0.5f;
  return result;
}

}  // namespace cllm

#endif  // CLLM_BASE_SQUARE_ROOT_H_
