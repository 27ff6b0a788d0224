// Room: kernels. The integer dot products of a Cortex-M core, for int8.cc: with the DSP extension (M4, M7, M33)
// by SMLAD, two products at once; with MVE (M55) by VMLADAVA, sixteen.
// Exact, and so the same sums as everywhere.
#ifndef CLLM_KERNELS_INT8_CORTEX_M_H_
#define CLLM_KERNELS_INT8_CORTEX_M_H_

#if defined(__ARM_FEATURE_MVE) || (defined(__ARM_FEATURE_DSP) && __ARM_ARCH_PROFILE == 'M')
#define CLLM_INT8_CORTEX_M 1
#else
#define CLLM_INT8_CORTEX_M 0
#endif

#if CLLM_INT8_CORTEX_M

#include <cstddef>
#include <cstdint>

#include "base/layout.h"
#ifdef __ARM_FEATURE_MVE
#include <arm_mve.h>
#endif

namespace cllm {

#ifdef __ARM_FEATURE_MVE

inline constexpr bool kUnsignedWeights = false;

// sums[j] = sum over k < depth of q[k] * (rows[k / 4][j][k % 4] - 128) for 4 rows of a panel. A step takes 16
// inputs of a row, which lie in four words 64 bytes apart.
inline void FourRowSums(const int8_t* q, const uint8_t* rows, size_t depth, int32_t* sums) {
  constexpr int kStep = 16 * kPanel;
  const uint8x16_t offset = vdupq_n_u8(128);
  const auto signed_weights = [&](uint32x4_t words) {
    return vreinterpretq_s8_u8(veorq_u8(vreinterpretq_u8_u32(words), offset));
  };
  uint32x4_t at = vaddq_n_u32(vshlq_n_u32(vidupq_n_u32(0, 1), 6),
                              static_cast<uint32_t>(reinterpret_cast<uintptr_t>(rows)));
  int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
  for (size_t steps = depth / 16; steps != 0; --steps) {
    const int8x16_t inputs = vldrbq_s8(q);
    sum0 = vmladavaq_s8(sum0, inputs, signed_weights(vldrwq_gather_base_u32(at, 0)));
    sum1 = vmladavaq_s8(sum1, inputs, signed_weights(vldrwq_gather_base_u32(at, 4)));
    sum2 = vmladavaq_s8(sum2, inputs, signed_weights(vldrwq_gather_base_u32(at, 8)));
    sum3 = vmladavaq_s8(sum3, inputs, signed_weights(vldrwq_gather_base_u32(at, 12)));
    at = vaddq_n_u32(at, kStep);
    q += 16;
  }
  if (depth % 16 != 0) {
    // Lanes beyond the depth read nothing; their input is 0.
    const mve_pred16_t words = vctp32q(static_cast<uint32_t>(depth % 16 / 4));
    const int8x16_t inputs = vreinterpretq_s8_u32(vldrwq_z_u32(reinterpret_cast<const uint32_t*>(q), words));
    sum0 = vmladavaq_s8(sum0, inputs, signed_weights(vldrwq_gather_base_z_u32(at, 0, words)));
    sum1 = vmladavaq_s8(sum1, inputs, signed_weights(vldrwq_gather_base_z_u32(at, 4, words)));
    sum2 = vmladavaq_s8(sum2, inputs, signed_weights(vldrwq_gather_base_z_u32(at, 8, words)));
    sum3 = vmladavaq_s8(sum3, inputs, signed_weights(vldrwq_gather_base_z_u32(at, 12, words)));
  }
  sums[0] = sum0;
  sums[1] = sum1;
  sums[2] = sum2;
  sums[3] = sum3;
}

#else  // DSP

inline constexpr bool kUnsignedWeights = true;

// Four bytes of a row at once.
using Word = uint32_t __attribute__((may_alias));

// Bytes 0 and 2, or 1 and 3, of a word as two 16-bit halves. gcc has no intrinsic with the rotation.
inline uint32_t EvenUnsigned(uint32_t x) {
  uint32_t result;
  __asm("uxtb16 %0, %1" : "=r"(result) : "r"(x));
  return result;
}
inline uint32_t OddUnsigned(uint32_t x) {
  uint32_t result;
  __asm("uxtb16 %0, %1, ror #8" : "=r"(result) : "r"(x));
  return result;
}
inline uint32_t EvenSigned(uint32_t x) {
  uint32_t result;
  __asm("sxtb16 %0, %1" : "=r"(result) : "r"(x));
  return result;
}
inline uint32_t OddSigned(uint32_t x) {
  uint32_t result;
  __asm("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(x));
  return result;
}
// sum + both products of the 16-bit halves.
inline int32_t DualMulAdd(uint32_t a, uint32_t b, int32_t sum) {
  int32_t result;
  __asm("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  return result;
}

// sums[j] = sum over k < depth of q[k] * rows[k / 4][j][k % 4] for 4 rows of a panel.
inline void FourRowSums(const int8_t* q, const uint8_t* rows, size_t depth, int32_t* sums) {
  int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
  for (const int8_t* end = q + depth; q != end; q += 4, rows += 4 * kPanel) {
    const auto* words = reinterpret_cast<const Word*>(rows);
    const uint32_t inputs = *reinterpret_cast<const Word*>(q);
    const uint32_t even = EvenSigned(inputs), odd = OddSigned(inputs);
    const uint32_t row0 = words[0], row1 = words[1], row2 = words[2], row3 = words[3];
    sum0 = DualMulAdd(OddUnsigned(row0), odd, DualMulAdd(EvenUnsigned(row0), even, sum0));
    sum1 = DualMulAdd(OddUnsigned(row1), odd, DualMulAdd(EvenUnsigned(row1), even, sum1));
    sum2 = DualMulAdd(OddUnsigned(row2), odd, DualMulAdd(EvenUnsigned(row2), even, sum2));
    sum3 = DualMulAdd(OddUnsigned(row3), odd, DualMulAdd(EvenUnsigned(row3), even, sum3));
  }
  sums[0] = sum0;
  sums[1] = sum1;
  sums[2] = sum2;
  sums[3] = sum3;
}

#endif

// sums[j] = sum over k < depth of q[k] * (panel[k / 4][j][k % 4] - 128) for the 16 rows j of a panel.
// q: 4-byte aligned; depth: a multiple of 4; q_sum: of all q.
inline void PanelSums(const int8_t* q, int32_t q_sum, const uint8_t* panel, size_t depth, int32_t* sums) {
  for (size_t j = 0; j < kPanel; j += 4) FourRowSums(q, panel + 4 * j, depth, sums + j);
  if (kUnsignedWeights) {
    for (size_t j = 0; j < kPanel; ++j) sums[j] -= 128 * q_sum;
  }
}

}  // namespace cllm

#endif  // CLLM_INT8_CORTEX_M
#endif  // CLLM_KERNELS_INT8_CORTEX_M_H_
