// Room: kernels. The dot products of 4-bit weights with int8 inputs within a group of 32, and their scaling
// by the group's integers: each target in the form that its multipliers like best. All exact.
#if defined(CLLM_KERNELS_INT4_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_INT4_DOT_INL_H_
#undef CLLM_KERNELS_INT4_DOT_INL_H_
#else
#define CLLM_KERNELS_INT4_DOT_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/int8_dot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if CLLM_INT8_VECTORS

// One vector's rows: their weights n for 4 inputs.
using Halves = hn::VFromD<WeightTag>;

HWY_INLINE Halves LowHalves(Halves both) { return hn::And(both, hn::Set(WeightTag(), uint8_t{15})); }

// Of the 4 inputs after those of the low halves.
HWY_INLINE Halves HighHalves(Halves both) {
  const hn::Repartition<uint16_t, SumTag> d16;
  return LowHalves(hn::BitCast(WeightTag(), hn::ShiftRight<4>(hn::BitCast(d16, both))));
}

HWY_INLINE int32_t LoadWord(const void* from) {
  int32_t word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

#if HWY_HAVE_SCALABLE

// For the vector's rows the bytes of a pair of groups, of the first one in the lower 8 bits.
HWY_INLINE SumVector LoadPair(const uint8_t* bytes) {
  const SumTag d;
  const hn::Rebind<uint16_t, SumTag> d16;
  return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const uint16_t*>(bytes)));
}

// sum + 2 g * products + g (9 - z) * q_sum, for the group whose byte is the lowest.
HWY_INLINE SumVector AddScaled(SumVector sum, SumVector pair, SumVector products, int32_t q_sum) {
  const SumTag d;
  const auto mask = hn::Set(d, 15);
  const auto g = hn::And(pair, mask), z = hn::And(hn::ShiftRight<4>(pair), mask);
  const auto zeros = hn::Mul(hn::Sub(hn::Set(d, 9), z), hn::Set(d, q_sum));
  return hn::Add(sum, hn::Mul(g, hn::Add(hn::Add(products, products), zeros)));
}

HWY_INLINE SumVector DotHalves(Halves w, const int8_t* q, SumVector sum) {
  const auto inputs = hn::BitCast(InputTag(), hn::Set(SumTag(), LoadWord(q)));
  return hn::SumOfMulQuadAccumulate(SumTag(), hn::BitCast(InputTag(), w), inputs, sum);
}

#else

// For the vector's rows, as pairs of 16 bits: what the sums of the first and the second group of a pair are
// multiplied with, and g (9 - z) of both.
using PairTag = hn::Repartition<int16_t, SumTag>;
using PairVector = hn::VFromD<PairTag>;
struct PairScales {
  PairVector first, second, zeros;
};

HWY_INLINE PairVector PairOf(int32_t word) { return hn::BitCast(PairTag(), hn::Set(SumTag(), word)); }

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
inline constexpr bool kSumsInPairs = false;
#else
inline constexpr bool kSumsInPairs = true;
#endif

HWY_INLINE PairScales LoadPairScales(const uint8_t* bytes) {
  const PairTag d;
  const hn::Rebind<uint8_t, PairTag> d8;
  const hn::RebindToUnsigned<SumTag> d32;
  const auto pair = hn::PromoteTo(d, hn::LoadU(d8, bytes));
  const auto g = hn::And(pair, hn::Set(d, int16_t{15}));
  const auto zeros = hn::Mul(g, hn::Sub(hn::Set(d, int16_t{9}), hn::ShiftRight<4>(pair)));
  const auto doubles = hn::BitCast(d32, hn::Add(g, g));
  const auto low = hn::And(doubles, hn::Set(d32, 0xFFFFu)), high = hn::ShiftRight<16>(doubles);
  if (!kSumsInPairs) return {hn::BitCast(d, low), hn::BitCast(d, high), zeros};
  return {hn::BitCast(d, hn::Or(low, hn::ShiftLeft<16>(low))),
          hn::BitCast(d, hn::Or(high, hn::ShiftLeft<16>(high))), zeros};
}

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL

// VPDPBUSD. A group's sum of (n - 8) q is at most 32 * 8 * 127 = 32512 and lies in the lower 16 bits of its
// 32; what the upper ones start with does not matter, for their factor is 0. So VPDPWSSD scales and adds it.
using GroupSum = SumVector;

// `offset` points to the group's -8 times sum of inputs, and what follows it may be read.
HWY_INLINE GroupSum StartGroup(const int16_t* offset) { return hn::Set(SumTag(), LoadWord(offset)); }

HWY_INLINE GroupSum DotHalves(Halves w, const int8_t* q, GroupSum sum) { return DotWord(w, q, sum); }

HWY_INLINE SumVector AddPairs(SumVector sum, PairVector a, PairVector b) { return DotPairs(sum, a, b); }

HWY_INLINE SumVector AddGroup(SumVector sum, GroupSum group, PairVector scales) {
  return AddPairs(sum, hn::BitCast(PairTag(), group), scales);
}

#else

HWY_INLINE SumVector AddPairs(SumVector sum, PairVector a, PairVector b) {
  return hn::Add(sum, hn::WidenMulPairwiseAdd(SumTag(), a, b));
}

#if HWY_TARGET_IS_NEON

// Products of two rows a register, in 16 bits: eight of them are at most 8 * 15 * 127 = 15240.
struct GroupSum {
  int16x8_t low, high, offset;
};

HWY_INLINE GroupSum StartGroup(const int16_t* offset) {
  return {vdupq_n_s16(0), vdupq_n_s16(0), vdupq_n_s16(static_cast<int16_t>(*offset / 2))};
}

HWY_INLINE GroupSum DotHalves(Halves w, const int8_t* q, GroupSum sum) {
  const int8x16_t weights = vreinterpretq_s8_u8(w.raw);
  const int8x8_t inputs = vreinterpret_s8_s32(vdup_n_s32(LoadWord(q)));
  sum.low = vmlal_s8(sum.low, vget_low_s8(weights), inputs);
  sum.high = vmlal_s8(sum.high, vget_high_s8(weights), inputs);
  return sum;
}

HWY_INLINE SumVector AddGroup(SumVector sum, const GroupSum& group, PairVector scales) {
#if HWY_ARCH_ARM_A64
  const int16x8_t pairs = vpaddq_s16(group.low, group.high);
#else
  const int16x8_t pairs = vcombine_s16(vpadd_s16(vget_low_s16(group.low), vget_high_s16(group.low)),
                                       vpadd_s16(vget_low_s16(group.high), vget_high_s16(group.high)));
#endif
  return AddPairs(sum, PairVector(vaddq_s16(pairs, group.offset)), scales);
}

#else

// VPMADDUBSW, whose pairs of products, at most 2 * 15 * 127, do not saturate. A row has two sums of 16
// products each in 16 bits, and each takes half of the offset: |n - 4| <= 11 and 4 times the other inputs
// make at most 16 * 127 * (11 + 4) = 30480.
using GroupSum = PairVector;

HWY_INLINE GroupSum StartGroup(const int16_t* offset) {
  return hn::Set(PairTag(), static_cast<int16_t>(*offset / 2));
}

HWY_INLINE GroupSum DotHalves(Halves w, const int8_t* q, GroupSum sum) {
  const auto inputs = hn::BitCast(InputTag(), hn::Set(SumTag(), LoadWord(q)));
  return hn::Add(sum, hn::SatWidenMulPairwiseAdd(PairTag(), w, inputs));
}

HWY_INLINE SumVector AddGroup(SumVector sum, GroupSum group, PairVector scales) {
  return AddPairs(sum, group, scales);
}

#endif
#endif
#endif  // HWY_HAVE_SCALABLE
#endif  // CLLM_INT8_VECTORS

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
