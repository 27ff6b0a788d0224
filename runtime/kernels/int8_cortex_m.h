// Room: kernels. The integer dot products of a Cortex-M core, for int8.cc: with the DSP extension (M4, M7,
// M33) by SMLAD, two products at once; with MVE (M55) by VMLADAVA, sixteen. Exact, and so the same sums as
// everywhere.
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

// Sums of 4 rows. A step takes 16 inputs of a row, which lie in four words 64 bytes apart: the first row's at
// the addresses `at`.
inline void FourRowSums(const int8_t* q, uint32x4_t at, size_t depth, int32_t* sums) {
  constexpr int kStep = 16 * kPanel;
  const uint8x16_t offset = vdupq_n_u8(128);
  const auto signed_weights = [&](uint32x4_t words) {
    return vreinterpretq_s8_u8(veorq_u8(vreinterpretq_u8_u32(words), offset));
  };
  int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
  size_t steps = depth / 16;
  if (steps != 0) {
    do {
      const int8x16_t inputs = vldrbq_s8(q);
      sum0 = vmladavaq_s8(sum0, inputs, signed_weights(vldrwq_gather_base_u32(at, 0)));
      sum1 = vmladavaq_s8(sum1, inputs, signed_weights(vldrwq_gather_base_u32(at, 4)));
      sum2 = vmladavaq_s8(sum2, inputs, signed_weights(vldrwq_gather_base_u32(at, 8)));
      sum3 = vmladavaq_s8(sum3, inputs, signed_weights(vldrwq_gather_base_u32(at, 12)));
      at = vaddq_n_u32(at, kStep);
      q += 16;
    } while (--steps != 0);
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

// sums[j] = sum over k < depth of q[k] * (panel[k / 4][j][k % 4] - 128) for the 16 rows j of a panel.
// depth: a multiple of 4. Not inlined, so that the registers suffice.
__attribute__((noinline)) inline void PanelSums(const int8_t* q, int32_t /*q_sum*/, const uint8_t* panel,
                                                size_t depth, int32_t* sums) {
  uint32x4_t at = vaddq_n_u32(vshlq_n_u32(vidupq_n_u32(0, 1), 6),
                              static_cast<uint32_t>(reinterpret_cast<uintptr_t>(panel)));
  for (size_t j = 0; j < kPanel; j += 4) {
    FourRowSums(q, at, depth, sums + j);
    at = vaddq_n_u32(at, 16);
  }
}

#else  // DSP

// Sums of 4 rows of a panel, the first at `rows`. A step takes 4 inputs, apart as two pairs of 16 bits, and
// four words of weights, each one row's. Not inlined, so that the registers suffice.
__attribute__((noinline)) inline void FourRowSums(const int8_t* q, int32_t q_sum, const uint8_t* rows,
                                                  size_t depth, int32_t* sums) {
  const int8_t* const end = q + depth;
  int32_t sum0 = -128 * q_sum, sum1 = sum0, sum2 = sum0, sum3 = sum0;
  uint32_t even, odd, weights, more_weights, pair;
  __asm volatile(
      "1: ldr %[odd], [%[q]], #4\n"
      "sxtb16 %[even], %[odd]\n"
      "sxtb16 %[odd], %[odd], ror #8\n"
      "ldrd %[w0], %[w1], [%[rows]]\n"
      "uxtb16 %[pair], %[w0]\n"
      "uxtb16 %[w0], %[w0], ror #8\n"
      "smlad %[sum0], %[pair], %[even], %[sum0]\n"
      "smlad %[sum0], %[w0], %[odd], %[sum0]\n"
      "uxtb16 %[pair], %[w1]\n"
      "uxtb16 %[w1], %[w1], ror #8\n"
      "smlad %[sum1], %[pair], %[even], %[sum1]\n"
      "smlad %[sum1], %[w1], %[odd], %[sum1]\n"
      "ldrd %[w0], %[w1], [%[rows], #8]\n"
      "uxtb16 %[pair], %[w0]\n"
      "uxtb16 %[w0], %[w0], ror #8\n"
      "smlad %[sum2], %[pair], %[even], %[sum2]\n"
      "smlad %[sum2], %[w0], %[odd], %[sum2]\n"
      "uxtb16 %[pair], %[w1]\n"
      "uxtb16 %[w1], %[w1], ror #8\n"
      "smlad %[sum3], %[pair], %[even], %[sum3]\n"
      "smlad %[sum3], %[w1], %[odd], %[sum3]\n"
      "add %[rows], #64\n"
      "cmp %[q], %[end]\n"
      "bne 1b\n"
      : [q] "+r"(q), [rows] "+r"(rows), [sum0] "+r"(sum0), [sum1] "+r"(sum1), [sum2] "+r"(sum2),
        [sum3] "+r"(sum3), [even] "=&r"(even), [odd] "=&r"(odd), [w0] "=&r"(weights),
        [w1] "=&r"(more_weights), [pair] "=&r"(pair)
      : [end] "r"(end)
      : "cc", "memory");
  sums[0] = sum0;
  sums[1] = sum1;
  sums[2] = sum2;
  sums[3] = sum3;
}

// sums[j] = sum over k < depth of q[k] * (panel[k / 4][j][k % 4] - 128) for the 16 rows j of a panel.
// q: 4-byte aligned; depth: a multiple of 4, not 0; q_sum: of all q.
inline void PanelSums(const int8_t* q, int32_t q_sum, const uint8_t* panel, size_t depth, int32_t* sums) {
  for (size_t j = 0; j < kPanel; j += 4) FourRowSums(q, q_sum, panel + 4 * j, depth, sums + j);
}

#endif

}  // namespace cllm

#endif  // CLLM_INT8_CORTEX_M
#endif  // CLLM_KERNELS_INT8_CORTEX_M_H_
