// Room: kernels. The integer dot product of every target: for the vector's rows of a panel, sums += the
// products of 4 inputs. Exact; each target in the form that its multipliers like best.
#if defined(CLLM_KERNELS_INT8_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_INT8_DOT_INL_H_
#undef CLLM_KERNELS_INT8_DOT_INL_H_
#else
#define CLLM_KERNELS_INT8_DOT_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bf16.h"
#include "base/layout.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#undef CLLM_INT8_VECTORS
#define CLLM_INT8_VECTORS (HWY_TARGET != HWY_SCALAR)
#if CLLM_INT8_VECTORS

// N sums, of N rows, and the 4 N weights or inputs that belong to them.
using SumTag = hn::CappedTag<int32_t, 16>;
using SumVector = hn::VFromD<SumTag>;
using WeightTag = hn::Repartition<uint8_t, SumTag>;
using InputTag = hn::Repartition<int8_t, SumTag>;

// Weights: N rows x 4 inputs as stored. Inputs: the same 4 for all rows.
// BroadcastWeights and LoadEachInputs: the other way round, 4 weights for all, 4 inputs for each.
// kWeightOffset is what the sums contain too much of, times the sum of the inputs.

#if HWY_TARGET_IS_NEON

inline constexpr int32_t kWeightOffset = 0;
struct Weights {
  int8x16_t w;
};
struct Inputs {
  int8x16_t q;
};
HWY_INLINE Weights LoadWeights(const uint8_t* w) {
  return {vreinterpretq_s8_u8(veorq_u8(vld1q_u8(w), vdupq_n_u8(128)))};
}
HWY_INLINE Weights BroadcastWeights(const uint8_t* w) {
  uint32_t word;
  std::memcpy(&word, w, sizeof(word));
  return {vreinterpretq_s8_u32(vdupq_n_u32(word ^ 0x80808080u))};
}
HWY_INLINE Inputs LoadEachInputs(const int8_t* q) { return {vld1q_s8(q)}; }
HWY_INLINE Inputs LoadInputs(const int8_t* q) {
  int32_t word;
  std::memcpy(&word, q, sizeof(word));
  return {vreinterpretq_s8_s32(vdupq_n_s32(word))};
}
HWY_INLINE SumVector Dot(const Weights& w, const Inputs& q, SumVector sum) {
#if defined(__ARM_FEATURE_DOTPROD) || HWY_TARGET == HWY_NEON_BF16
  return SumVector(vdotq_s32(sum.raw, w.w, q.q));
#else
  // |w - 128| <= 128 and |q| <= 127: the sum of two products fits into 16 bits.
  const int16x8_t low = vmull_s8(vget_low_s8(w.w), vget_low_s8(q.q));
  const int16x8_t high = vmull_s8(vget_high_s8(w.w), vget_high_s8(q.q));
#if HWY_ARCH_ARM_A64
  const int16x8_t pairs = vpaddq_s16(low, high);
#else
  const int16x8_t pairs = vcombine_s16(vpadd_s16(vget_low_s16(low), vget_high_s16(low)),
                                       vpadd_s16(vget_low_s16(high), vget_high_s16(high)));
#endif
  return SumVector(vpadalq_s16(sum.raw, pairs));
#endif
}

#elif HWY_TARGET_IS_SVE

inline constexpr int32_t kWeightOffset = 0;
using Weights = hn::VFromD<InputTag>;
using Inputs = hn::VFromD<InputTag>;
HWY_INLINE Weights LoadWeights(const uint8_t* w) {
  const WeightTag d;
  return hn::BitCast(InputTag(), hn::Xor(hn::LoadU(d, w), hn::Set(d, uint8_t{128})));
}
HWY_INLINE Weights BroadcastWeights(const uint8_t* w) {
  uint32_t word;
  std::memcpy(&word, w, sizeof(word));
  return hn::BitCast(InputTag(), hn::Set(hn::RebindToUnsigned<SumTag>(), word ^ 0x80808080u));
}
HWY_INLINE Inputs LoadEachInputs(const int8_t* q) { return hn::LoadU(InputTag(), q); }
HWY_INLINE Inputs LoadInputs(const int8_t* q) {
  int32_t word;
  std::memcpy(&word, q, sizeof(word));
  return hn::BitCast(InputTag(), hn::Set(SumTag(), word));
}
HWY_INLINE SumVector Dot(Weights w, Inputs q, SumVector sum) {
  return hn::SumOfMulQuadAccumulate(SumTag(), w, q, sum);
}

#elif HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL

// VPDPBUSD, unsigned by signed.
inline constexpr int32_t kWeightOffset = 128;
using Weights = hn::VFromD<WeightTag>;
using Inputs = hn::VFromD<InputTag>;
HWY_INLINE Weights LoadWeights(const uint8_t* w) { return hn::LoadU(WeightTag(), w); }
HWY_INLINE Weights BroadcastWeights(const uint8_t* w) {
  int32_t word;
  std::memcpy(&word, w, sizeof(word));
  return hn::BitCast(WeightTag(), hn::Set(SumTag(), word));
}
HWY_INLINE Inputs LoadEachInputs(const int8_t* q) { return hn::LoadU(InputTag(), q); }
HWY_INLINE Inputs LoadInputs(const int8_t* q) {
  int32_t word;
  std::memcpy(&word, q, sizeof(word));
  return hn::BitCast(InputTag(), hn::Set(SumTag(), word));
}
HWY_INLINE SumVector Dot(Weights w, Inputs q, SumVector sum) {
#if HWY_COMPILER_GCC_ACTUAL
  // Around its intrinsic gcc 12 copies and spills the sums of a tile, at half the speed.
  __asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(w.raw), "v"(q.raw));
  return sum;
#else
  return hn::SumOfMulQuadAccumulate(SumTag(), w, q, sum);
#endif
}
// The same inputs for all rows, straight from memory.
HWY_INLINE SumVector DotWord(Weights w, const int8_t* q, SumVector sum) {
#if HWY_COMPILER_GCC_ACTUAL
  const auto* word = reinterpret_cast<const int8_t(*)[4]>(q);
  if constexpr (sizeof(sum.raw) == 64) {
    __asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum.raw) : "v"(w.raw), "m"(*word));
  } else if constexpr (sizeof(sum.raw) == 32) {
    __asm("vpdpbusd %2%{1to8%}, %1, %0" : "+v"(sum.raw) : "v"(w.raw), "m"(*word));
  } else {
    __asm("vpdpbusd %2%{1to4%}, %1, %0" : "+v"(sum.raw) : "v"(w.raw), "m"(*word));
  }
  return sum;
#else
  return Dot(w, LoadInputs(q), sum);
#endif
}
// sum + the products of pairs of 16-bit integers.
template <class Pairs>
HWY_INLINE SumVector DotPairs(SumVector sum, Pairs a, Pairs b) {
#if HWY_COMPILER_GCC_ACTUAL
  __asm("vpdpwssd %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
  return sum;
#else
  SumVector unused = hn::Zero(SumTag());
  return hn::ReorderWidenMulAccumulate(SumTag(), a, b, sum, unused);
#endif
}

#elif HWY_HAVE_SCALABLE

inline constexpr int32_t kWeightOffset = 128;
using Weights = hn::VFromD<WeightTag>;
using Inputs = hn::VFromD<InputTag>;
HWY_INLINE Weights LoadWeights(const uint8_t* w) { return hn::LoadU(WeightTag(), w); }
HWY_INLINE Weights BroadcastWeights(const uint8_t* w) {
  int32_t word;
  std::memcpy(&word, w, sizeof(word));
  return hn::BitCast(WeightTag(), hn::Set(SumTag(), word));
}
HWY_INLINE Inputs LoadEachInputs(const int8_t* q) { return hn::LoadU(InputTag(), q); }
HWY_INLINE Inputs LoadInputs(const int8_t* q) {
  int32_t word;
  std::memcpy(&word, q, sizeof(word));
  return hn::BitCast(InputTag(), hn::Set(SumTag(), word));
}
HWY_INLINE SumVector Dot(Weights w, Inputs q, SumVector sum) {
  return hn::SumOfMulQuadAccumulate(SumTag(), w, q, sum);
}

#else

// Even and odd inputs apart as 16-bit integers, whose pairwise products cannot overflow; the splitting is
// shared by all that a tile multiplies them with. VPMADDUBSW would saturate.
inline constexpr int32_t kWeightOffset = 128;
using WideTag = hn::Repartition<int16_t, SumTag>;
struct Weights {
  hn::VFromD<WideTag> even, odd;
};
struct Inputs {
  hn::VFromD<WideTag> even, odd;
};
HWY_INLINE Weights LoadWeights(const uint8_t* w) {
  const WideTag d;
  const hn::RebindToUnsigned<WideTag> du;
  const auto both = hn::BitCast(d, hn::LoadU(WeightTag(), w));
  return {hn::And(both, hn::Set(d, int16_t{255})), hn::BitCast(d, hn::ShiftRight<8>(hn::BitCast(du, both)))};
}
HWY_INLINE Weights BroadcastWeights(const uint8_t* w) {
  const WideTag d;
  const hn::RebindToUnsigned<WideTag> du;
  int32_t word;
  std::memcpy(&word, w, sizeof(word));
  const auto both = hn::BitCast(d, hn::Set(SumTag(), word));
  return {hn::And(both, hn::Set(d, int16_t{255})), hn::BitCast(d, hn::ShiftRight<8>(hn::BitCast(du, both)))};
}
HWY_INLINE Inputs LoadEachInputs(const int8_t* q) {
  const WideTag d;
  const auto both = hn::BitCast(d, hn::LoadU(InputTag(), q));
  return {hn::ShiftRight<8>(hn::ShiftLeft<8>(both)), hn::ShiftRight<8>(both)};
}
HWY_INLINE Inputs LoadInputs(const int8_t* q) {
  const WideTag d;
  int32_t word;
  std::memcpy(&word, q, sizeof(word));
  const auto both = hn::BitCast(d, hn::Set(SumTag(), word));
  return {hn::ShiftRight<8>(hn::ShiftLeft<8>(both)), hn::ShiftRight<8>(both)};
}
HWY_INLINE SumVector Dot(const Weights& w, const Inputs& q, SumVector sum) {
  const SumTag d;
  return hn::Add(
      sum, hn::Add(hn::WidenMulPairwiseAdd(d, w.even, q.even), hn::WidenMulPairwiseAdd(d, w.odd, q.odd)));
}

#endif

// y = (y +) (float(sum) * weight_scale) * scale, for Lanes outputs.
HWY_INLINE void StoreProducts(SumVector sum, const uint16_t* weight_scales, float scale, bool accumulate,
                              float* y) {
  const hn::RebindToFloat<SumTag> d;
  const hn::Rebind<uint16_t, SumTag> d16;
  const auto bits = hn::PromoteTo(hn::RebindToUnsigned<SumTag>(), hn::LoadU(d16, weight_scales));
  const auto scaled = hn::Mul(hn::ConvertTo(d, sum), hn::BitCast(d, hn::ShiftLeft<16>(bits)));
  const auto value = hn::Mul(scaled, hn::Set(d, scale));
  hn::StoreU(accumulate ? hn::Add(hn::LoadU(d, y), value) : value, d, y);
}

#else

HWY_INLINE float ScaledSum(int32_t sum, uint16_t weight_scale, float scale) {
  const float scaled = static_cast<float>(sum) * Bf16ToFloat(weight_scale);
  return scaled * scale;
}

// y[j] = (accumulate ? y[j] : 0) + (float(sums[j]) * weight_scales[j]) * scale for the 16 rows of a panel.
HWY_NOINLINE inline void StorePanel(const int32_t* sums, const uint16_t* weight_scales, float scale,
                                    bool accumulate, float* y) {
  if (accumulate) {
    for (size_t j = kPanel; j != 0; --j, ++y) *y += ScaledSum(*sums++, *weight_scales++, scale);
  } else {
    for (size_t j = kPanel; j != 0; --j, ++y) *y = ScaledSum(*sums++, *weight_scales++, scale);
  }
}

#endif  // CLLM_INT8_VECTORS

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
