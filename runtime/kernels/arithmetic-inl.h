// Room: kernels. Arithmetic whose result is the same on every target (DESIGN.md section 5). Highway's own
// MulAdd, Div, Sqrt and NearestInt are not: they are unfused, approximate or saturating on some of them.
// Included once a target, like every -inl.h.
#if defined(CLLM_KERNELS_ARITHMETIC_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_ARITHMETIC_INL_H_
#undef CLLM_KERNELS_ARITHMETIC_INL_H_
#else
#define CLLM_KERNELS_ARITHMETIC_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

// 32-bit NEON has no exact division and square root; the scalar unit beside it has.
#undef CLLM_KERNELS_NEON32
#if HWY_ARCH_ARM_V7 && HWY_TARGET != HWY_SCALAR
#define CLLM_KERNELS_NEON32 1
#else
#define CLLM_KERNELS_NEON32 0
#endif

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// a * b + c with one rounding, without an instruction for it: the product is exact in double, the sum is
// rounded to odd there, and so the last rounding to float is right (Boldo and Melquiond, "Emulation of FMA
// and correctly rounded sums: proved algorithms using rounding to odd", IEEE Trans. Comp. 57, 2008).
HWY_INLINE float EmulatedFusedMulAdd(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const double addend = static_cast<double>(c);
  const double sum = product + addend;
  const double shifted = sum - product;
  const double error = (product - (sum - shifted)) + (addend - shifted);
  uint64_t bits;
  std::memcpy(&bits, &sum, sizeof(bits));
  // False for NaN, which an infinite operand leaves in `error`.
  if ((error > 0.0 || error < 0.0) && (bits & 1) == 0) {
    bits += (error > 0.0) == (sum > 0.0) ? uint64_t{1} : ~uint64_t{0};
  }
  double odd;
  std::memcpy(&odd, &bits, sizeof(odd));
  return static_cast<float>(odd);
}

HWY_INLINE float ScalarFusedMulAdd(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__riscv_flen) || defined(__aarch64__)
  return __builtin_fmaf(a, b, c);
#else
  return EmulatedFusedMulAdd(a, b, c);
#endif
}

// a * b + c, rounded once: class B.
template <class D, class V>
HWY_INLINE V FusedMulAdd(D d, V a, V b, V c) {
#if HWY_TARGET == HWY_SCALAR
  (void)d;
  return V(ScalarFusedMulAdd(a.raw, b.raw, c.raw));
#elif HWY_NATIVE_FMA
  (void)d;
  return hn::MulAdd(a, b, c);
#else
  HWY_ALIGN float as[hn::MaxLanes(d)], bs[hn::MaxLanes(d)], cs[hn::MaxLanes(d)];
  hn::Store(a, d, as);
  hn::Store(b, d, bs);
  hn::Store(c, d, cs);
  for (size_t i = 0; i < hn::Lanes(d); ++i) cs[i] = ScalarFusedMulAdd(as[i], bs[i], cs[i]);
  return hn::Load(d, cs);
#endif
}

// a / b, rounded to nearest.
template <class D, class V>
HWY_INLINE V DivExact(D d, V a, V b) {
#if CLLM_KERNELS_NEON32
  HWY_ALIGN float as[hn::MaxLanes(d)], bs[hn::MaxLanes(d)];
  hn::Store(a, d, as);
  hn::Store(b, d, bs);
  for (size_t i = 0; i < hn::Lanes(d); ++i) as[i] /= bs[i];
  return hn::Load(d, as);
#else
  (void)d;
  return hn::Div(a, b);
#endif
}

// Needs -fno-math-errno, so that this is an instruction and not a call.
HWY_INLINE float ScalarSqrt(float x) { return __builtin_sqrtf(x); }

// Square root, rounded to nearest.
template <class D, class V>
HWY_INLINE V SqrtExact(D d, V x) {
#if HWY_TARGET == HWY_SCALAR
  (void)d;
  return V(ScalarSqrt(x.raw));
#elif CLLM_KERNELS_NEON32
  HWY_ALIGN float xs[hn::MaxLanes(d)];
  hn::Store(x, d, xs);
  for (size_t i = 0; i < hn::Lanes(d); ++i) xs[i] = ScalarSqrt(xs[i]);
  return hn::Load(d, xs);
#else
  (void)d;
  return hn::Sqrt(x);
#endif
}

// 1.5 * 2^23: adding it leaves the nearest integer, ties to even, in the low mantissa bits.
inline constexpr float kRoundingMagic = 12582912.0f;
inline constexpr int32_t kRoundingMagicBits = 0x4B400000;

// The integer nearest to x, ties to even, as a float; |x| <= 2^22.
template <class D, class V>
HWY_INLINE V RoundToFloat(D d, V x) {
  const V magic = hn::Set(d, kRoundingMagic);
  return hn::Sub(hn::Add(x, magic), magic);
}

// The same as int32. Any other x, NaN included, gives some integer, and the same on every target but for NaN.
template <class D, class V>
HWY_INLINE hn::VFromD<hn::RebindToSigned<D>> RoundToInt(D d, V x) {
  const hn::RebindToSigned<D> di;
  return hn::Sub(hn::BitCast(di, hn::Add(x, hn::Set(d, kRoundingMagic))), hn::Set(di, kRoundingMagicBits));
}

// The larger of both; a NaN in b never wins, and of two zeros a stays.
template <class D, class V>
HWY_INLINE V Larger(D /*d*/, V a, V b) {
#if HWY_TARGET == HWY_SCALAR
  return b.raw > a.raw ? b : a;
#else
  return hn::IfThenElse(hn::Gt(b, a), b, a);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
