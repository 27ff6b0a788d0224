// Room: kernels. The dot products of 4-bit weights on cores without Highway's vectors: plain, with the DSP
// extension of Cortex-M (M4, M7, M33) by SMLAD, with MVE (M55) by VMLADAVA. Exact.
#ifndef CLLM_KERNELS_INT4_CORTEX_M_H_
#define CLLM_KERNELS_INT4_CORTEX_M_H_

#include <cstddef>
#include <cstdint>

#include "base/layout.h"
#include "kernels/int8_cortex_m.h"

namespace cllm {

// A row of inputs and a panel of 16 rows of weights.
struct Int4Operands {
  const int8_t* q;        // inputs, 4-byte aligned, readable in whole groups of 32
  const int16_t* q_sums;  // of each group
  const uint8_t* w;       // the panel's weights
  const uint8_t* bytes;   // the panel's scales and zeros: those of a pair of groups lie side by side
  size_t units;           // of 8 inputs
};

inline constexpr size_t kI4GroupUnits = kI4Group / 8;

// Int4PanelSums: sums[j] = sum over groups of g * sum of (2 n - 7 - z) * q, for the 16 rows j, modulo 2^32,
// where a group's byte is g + 16 z.

#if CLLM_INT8_CORTEX_M && defined(__ARM_FEATURE_MVE)

// The sum of (low half * first + high half * second) of a row, of which `words` are the weights.
__attribute__((always_inline)) inline int32_t Int4Product(uint32x4_t words, int8x16_t first,
                                                          int8x16_t second) {
  const uint8x16_t both = vreinterpretq_u8_u32(words);
  const int32_t low = vmladavq_s8(vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15))), first);
  return vmladavaq_s8(low, vreinterpretq_s8_u8(vshrq_n_u8(both, 4)), second);
}

// The four words of a row lie 64 bytes apart: the first row's at the addresses `at`. Beyond the last step of
// a smaller group the first word is read again, times 0.
__attribute__((noinline)) inline void Int4PanelSums(const Int4Operands& from, int32_t* sums) {
  const uint32x4_t lanes = vidupq_n_u32(0, 1);
  for (size_t j = 0; j < kPanel; j += 4) vst1q_s32(sums + j, vdupq_n_s32(0));
  const int8_t* q = from.q;
  const uint8_t* bytes = from.bytes;
  auto address = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(from.w));
  uint32x4_t at = vaddq_n_u32(vshlq_n_u32(lanes, 6), address);
  const int16_t* q_sums = from.q_sums;
  size_t next = 1;  // bytes to those of the next group, of its pair or of the next pair
  for (size_t left = from.units; left != 0; left -= kI4GroupUnits) {
    const int32_t q_sum = -*q_sums++;
    int32x4x2_t inputs = vld2q_s32(reinterpret_cast<const int32_t*>(q));
    if (left < kI4GroupUnits) {
      const mve_pred16_t steps = vctp32q(static_cast<uint32_t>(left));
      inputs.val[0] = vpselq_s32(inputs.val[0], vdupq_n_s32(0), steps);
      inputs.val[1] = vpselq_s32(inputs.val[1], vdupq_n_s32(0), steps);
      at = vpselq_u32(at, vdupq_n_u32(address), steps);
      left = kI4GroupUnits;
    }
    const int8x16_t first = vreinterpretq_s8_s32(inputs.val[0]);
    const int8x16_t second = vreinterpretq_s8_s32(inputs.val[1]);
    for (size_t j = 0; j < kPanel; j += 4) {
      const int32_t products[4] = {Int4Product(vldrwq_gather_base_u32(at, 0), first, second),
                                   Int4Product(vldrwq_gather_base_u32(at, 4), first, second),
                                   Int4Product(vldrwq_gather_base_u32(at, 8), first, second),
                                   Int4Product(vldrwq_gather_base_u32(at, 12), first, second)};
      const uint32x4_t byte = vldrbq_gather_offset_u32(bytes + 2 * j, vshlq_n_u32(lanes, 1));
      const int32x4_t zero = vreinterpretq_s32_u32(vaddq_n_u32(vshrq_n_u32(byte, 4), 7));
      const int32x4_t product = vmlaq_n_s32(vmulq_n_s32(zero, q_sum), vldrwq_s32(products), 2);
      const int32x4_t scale = vreinterpretq_s32_u8(vandq_u8(vreinterpretq_u8_u32(byte), vdupq_n_u8(15)));
      vst1q_s32(sums + j, vaddq_s32(vld1q_s32(sums + j), vmulq_s32(scale, product)));
      at = vaddq_n_u32(at, 16);
    }
    constexpr uint32_t kGroupBytes = kI4Group / 2 * kPanel;
    q += kI4Group, bytes += next, address += kGroupBytes;
    next = 2 * kPanel - next;
    at = vaddq_n_u32(at, kGroupBytes - 4 * kPanel);
  }
}

#else

// One group, of 4 rows of a panel.
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

// AddInt4Group: sums[j] += g * sum of (2 n - 7 - z) * q over the group, for the 4 rows.

#if CLLM_INT8_CORTEX_M

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

inline void Int4PanelSums(const Int4Operands& from, int32_t* sums) {
  for (size_t j = 0; j < kPanel; j += 4) {
    auto* four = reinterpret_cast<uint32_t*>(sums + j);
    four[0] = four[1] = four[2] = four[3] = 0;
    Int4Group g = {from.q, 0, from.w + 4 * j, from.bytes + 2 * j, kI4GroupUnits};
    const int16_t* q_sum = from.q_sums;
    size_t next = 1;  // bytes to those of the next group, of its pair or of the next pair
    for (size_t left = from.units; left != 0; left -= g.steps) {
      if (left < kI4GroupUnits) g.steps = left;
      g.q_sum = *q_sum++;
      AddInt4Group(g, four);
      g.q += kI4Group, g.w += kI4Group / 2 * kPanel, g.bytes += next;
      next = 2 * kPanel - next;
    }
  }
}

#endif

}  // namespace cllm

#endif  // CLLM_KERNELS_INT4_CORTEX_M_H_
