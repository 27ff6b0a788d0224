// Room: kernels. The dot products of 4-bit weights on cores without Highway's vectors: plain, with the DSP
// extension of Cortex-M (M4, M7, M33) by SMLAD, with MVE (M55) by VMLADAVA. Exact.
#ifndef CLLM_KERNELS_INT4_CORTEX_M_H_
#define CLLM_KERNELS_INT4_CORTEX_M_H_

#include <cstddef>
#include <cstdint>

#include "kernels/int8_cortex_m.h"

namespace cllm {

// One group of a row of inputs and of 4 rows of a panel.
struct Int4Group {
  const int8_t* q;       // 32 inputs, 4-byte aligned
  int32_t q_sum;         // of them
  const uint8_t* w;      // the first row's weights
  const uint8_t* bytes;  // the first row's scale and zero
  size_t steps;          // of 8 inputs, 1 to 4
};

// sum + g * (2 product - (7 + z) q_sum), where byte = g + 16 z.
__attribute__((always_inline)) inline uint32_t AddScaled(uint32_t sum, uint32_t byte, int32_t product,
                                                         int32_t q_sum) {
  const int32_t zero = static_cast<int32_t>(byte >> 4) + 7;
  return sum + (byte & 15) * static_cast<uint32_t>(2 * product - zero * q_sum);
}

// sums[j] += g * sum of (2 n - 7 - z) * q over the group, for the 4 rows.

#if CLLM_INT8_CORTEX_M && defined(__ARM_FEATURE_MVE)

// The four words of a row lie 64 bytes apart; those beyond the last step are taken as 0.
__attribute__((noinline)) inline void AddInt4Group(const Int4Group& g, uint32_t* sums) {
  const mve_pred16_t words = vctp32q(static_cast<uint32_t>(g.steps));
  const uint8x16_t mask = vdupq_n_u8(15);
  const int32x4x2_t inputs = vld2q_s32(reinterpret_cast<const int32_t*>(g.q));
  const int8x16_t first = vreinterpretq_s8_s32(inputs.val[0]);
  const int8x16_t second = vreinterpretq_s8_s32(inputs.val[1]);
  const uint32x4_t offsets = vshlq_n_u32(vidupq_n_u32(0, 1), 6);
  for (size_t j = 0; j < 4; ++j) {
    const auto* base = reinterpret_cast<const uint32_t*>(g.w + 4 * j);
    const uint8x16_t both = vreinterpretq_u8_u32(vldrwq_gather_offset_z_u32(base, offsets, words));
    const int32_t low = vmladavq_s8(vreinterpretq_s8_u8(vandq_u8(both, mask)), first);
    const int32_t product = vmladavaq_s8(low, vreinterpretq_s8_u8(vshrq_n_u8(both, 4)), second);
    sums[j] = AddScaled(sums[j], g.bytes[2 * j], product, g.q_sum);
  }
}

#elif CLLM_INT8_CORTEX_M

// A step takes 8 inputs, 4 at a time, apart as two pairs of 16 bits; each word of weights is read for its low
// halves and again for its high ones, so that the registers suffice.
__attribute__((noinline)) inline void AddInt4Group(const Int4Group& g, uint32_t* sums) {
  const int8_t* q = g.q;
  const int8_t* const end = q + 8 * g.steps;
  const uint8_t* w = g.w;
  int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
  uint32_t even, odd, weights, more_weights, pair;
  __asm volatile(
      "1: ldr %[odd], [%[q]], #4\n"
      "sxtb16 %[even], %[odd]\n"
      "sxtb16 %[odd], %[odd], ror #8\n"
      "ldrd %[w0], %[w1], [%[w]]\n"
      "and %[pair], %[mask], %[w0]\n"
      "and %[w0], %[mask], %[w0], lsr #8\n"
      "smlad %[sum0], %[pair], %[even], %[sum0]\n"
      "smlad %[sum0], %[w0], %[odd], %[sum0]\n"
      "and %[pair], %[mask], %[w1]\n"
      "and %[w1], %[mask], %[w1], lsr #8\n"
      "smlad %[sum1], %[pair], %[even], %[sum1]\n"
      "smlad %[sum1], %[w1], %[odd], %[sum1]\n"
      "ldrd %[w0], %[w1], [%[w], #8]\n"
      "and %[pair], %[mask], %[w0]\n"
      "and %[w0], %[mask], %[w0], lsr #8\n"
      "smlad %[sum2], %[pair], %[even], %[sum2]\n"
      "smlad %[sum2], %[w0], %[odd], %[sum2]\n"
      "and %[pair], %[mask], %[w1]\n"
      "and %[w1], %[mask], %[w1], lsr #8\n"
      "smlad %[sum3], %[pair], %[even], %[sum3]\n"
      "smlad %[sum3], %[w1], %[odd], %[sum3]\n"
      "ldr %[odd], [%[q]], #4\n"
      "sxtb16 %[even], %[odd]\n"
      "sxtb16 %[odd], %[odd], ror #8\n"
      "ldrd %[w0], %[w1], [%[w]]\n"
      "and %[pair], %[mask], %[w0], lsr #4\n"
      "and %[w0], %[mask], %[w0], lsr #12\n"
      "smlad %[sum0], %[pair], %[even], %[sum0]\n"
      "smlad %[sum0], %[w0], %[odd], %[sum0]\n"
      "and %[pair], %[mask], %[w1], lsr #4\n"
      "and %[w1], %[mask], %[w1], lsr #12\n"
      "smlad %[sum1], %[pair], %[even], %[sum1]\n"
      "smlad %[sum1], %[w1], %[odd], %[sum1]\n"
      "ldrd %[w0], %[w1], [%[w], #8]\n"
      "and %[pair], %[mask], %[w0], lsr #4\n"
      "and %[w0], %[mask], %[w0], lsr #12\n"
      "smlad %[sum2], %[pair], %[even], %[sum2]\n"
      "smlad %[sum2], %[w0], %[odd], %[sum2]\n"
      "and %[pair], %[mask], %[w1], lsr #4\n"
      "and %[w1], %[mask], %[w1], lsr #12\n"
      "smlad %[sum3], %[pair], %[even], %[sum3]\n"
      "smlad %[sum3], %[w1], %[odd], %[sum3]\n"
      "add %[w], #64\n"
      "cmp %[q], %[end]\n"
      "bne 1b\n"
      : [q] "+r"(q), [w] "+r"(w), [sum0] "+r"(sum0), [sum1] "+r"(sum1), [sum2] "+r"(sum2), [sum3] "+r"(sum3),
        [even] "=&r"(even), [odd] "=&r"(odd), [w0] "=&r"(weights), [w1] "=&r"(more_weights),
        [pair] "=&r"(pair)
      : [end] "r"(end), [mask] "r"(0x000F000F)
      : "cc", "memory");
  sums[0] = AddScaled(sums[0], g.bytes[0], sum0, g.q_sum);
  sums[1] = AddScaled(sums[1], g.bytes[2], sum1, g.q_sum);
  sums[2] = AddScaled(sums[2], g.bytes[4], sum2, g.q_sum);
  sums[3] = AddScaled(sums[3], g.bytes[6], sum3, g.q_sum);
}

#else

inline void AddInt4Group(const Int4Group& g, uint32_t* sums) {
  for (size_t j = 0; j < 4; ++j) {
    const uint8_t* w = g.w + 4 * j;
    int32_t product = 0;
    for (const int8_t *q = g.q, *end = q + 8 * g.steps; q != end; q += 8, w += 64) {
      for (size_t i = 0; i < 4; ++i) product += (w[i] & 15) * q[i] + (w[i] >> 4) * q[i + 4];
    }
    sums[j] = AddScaled(sums[j], g.bytes[2 * j], product, g.q_sum);
  }
}

#endif

}  // namespace cllm

#endif  // CLLM_KERNELS_INT4_CORTEX_M_H_
