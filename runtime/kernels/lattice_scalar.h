// Room: kernels. Products with lattice weights on cores without vectors, four weights a word; with the DSP
// extension of Cortex-M by SMLAD. Exact.
#ifndef CLLM_KERNELS_LATTICE_SCALAR_H_
#define CLLM_KERNELS_LATTICE_SCALAR_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/lattice_code.h"
#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#endif

namespace cllm {

// Bytes 0 and 2 as 16-bit integers, and the sum of `sum` and of the products of two pairs of them.
#if defined(__ARM_FEATURE_SIMD32)
inline uint32_t EvenBytes(uint32_t x) { return static_cast<uint32_t>(__sxtb16(static_cast<int32_t>(x))); }
inline int32_t AddPairs(uint32_t a, uint32_t b, int32_t sum) {
  return __smlad(static_cast<int32_t>(a), static_cast<int32_t>(b), sum);
}
#else
inline uint32_t EvenBytes(uint32_t x) {
  return (x & 0x00FF00FFu) | ((x & 0x00800080u) * 0x1FEu & 0xFF00FF00u);
}
inline int32_t AddPairs(uint32_t a, uint32_t b, int32_t sum) {
  return sum + static_cast<int16_t>(a) * static_cast<int16_t>(b) +
         static_cast<int16_t>(a >> 16) * static_cast<int16_t>(b >> 16);
}
#endif
inline uint32_t OddBytes(uint32_t x) { return EvenBytes(x >> 8 | x << 24); }

// A block's inputs by groups: those of weights 0 and 2, 1 and 3, 4 and 6, 5 and 7, and their sum.
struct LatticeInputs {
  struct Group {
    uint32_t pairs[4];
    int32_t sum;
  } groups[4];
};

inline void LoadLatticeInputs(const int8_t* q, LatticeInputs* to) {
  for (size_t g = 0; g < 4; ++g, ++q) {
    LatticeInputs::Group& group = to->groups[g];
    group.sum = 0;
    for (size_t pair = 0; pair < 4; ++pair) {
      const int8_t* at = q + 4 * (pair % 2 + pair / 2 * 4);
      group.sum += at[0] + at[8];
      group.pairs[pair] = static_cast<uint32_t>(at[0] & 0xFFFF) | static_cast<uint32_t>(at[8]) << 16;
    }
  }
}

// Bit i of four as byte i, 0 or 1.
inline uint32_t SpreadBits(uint32_t bits) { return (bits & 15) * 0x00204081u & 0x01010101u; }

// Weights 4 half and on of a group: their n, a byte each.
inline uint32_t LatticeBytes(const LatticeGroup& code, int fine_bits, size_t half) {
  const unsigned shift = static_cast<unsigned>(4 * half);
  uint32_t n;
  std::memcpy(&n, kLatticePatternTable.m[code.pattern] + 4 * half, sizeof(n));
  n ^= SpreadBits(code.signs >> shift) * 255u;
  if (fine_bits != 0) n = (n << 1 & 0xFEFEFEFEu) | SpreadBits(code.fine[fine_bits - 1] >> shift);
  if (fine_bits == 2) n = (n << 1 & 0xFEFEFEFEu) | SpreadBits(code.fine[0] >> shift);
  return n;
}

// The sum of row `row`'s coordinates times the inputs.
inline int32_t LatticeProduct(const uint8_t* block, int fine_bits, size_t row, const LatticeInputs& inputs) {
  int32_t products = 0, shifts = 0;
  for (size_t g = 0; g < 4; ++g) {
    const LatticeInputs::Group& group = inputs.groups[g];
    const LatticeGroup code = UnpackLatticeGroup(block, fine_bits, row, g);
    const uint32_t first = LatticeBytes(code, fine_bits, 0), second = LatticeBytes(code, fine_bits, 1);
    products = AddPairs(EvenBytes(first), group.pairs[0], products);
    products = AddPairs(OddBytes(first), group.pairs[1], products);
    products = AddPairs(EvenBytes(second), group.pairs[2], products);
    products = AddPairs(OddBytes(second), group.pairs[3], products);
    // The lowest bits' parity, in the upmost byte of the product.
    const uint32_t odd = ((first ^ second) & 0x01010101u) * 0x01010101u >> 24 & 1;
    shifts += static_cast<int32_t>(1 + 2 * odd) * group.sum;
  }
  return 4 * products + shifts;
}

}  // namespace cllm

#endif  // CLLM_KERNELS_LATTICE_SCALAR_H_
