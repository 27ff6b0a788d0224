// Room: kernels. exp, log, sigmoid, tanh, the normal distribution, sine and cosine as short polynomials in
// separately rounded arithmetic: the same bits on every target (class A), with the error bounds that
// tests/kernels/math_test.cc measures. Coefficients: interpolation at Chebyshev nodes of the reduced
// interval, rounded to float.
#if defined(CLLM_KERNELS_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_MATH_INL_H_
#undef CLLM_KERNELS_MATH_INL_H_
#else
#define CLLM_KERNELS_MATH_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"
#include "kernels/arithmetic-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// a * x + b, two roundings.
template <class D, class V>
HWY_INLINE V MulThenAdd(D /*d*/, V a, V x, V b) {
  return hn::Add(hn::Mul(a, x), b);
}

// ln 2 in two parts; the first has 15 bits, so that small multiples of it are exact.
inline constexpr float kLn2High = 0.693145752f;
inline constexpr float kLn2Low = 1.42860677e-06f;

// e^x for x <= 0 within 1 unit in the last place (measured 0.98). Exactly 0 below -60; NaN stays NaN.
template <class D, class V>
HWY_INLINE V ExpOfNegative(D d, V x) {
  const hn::RebindToSigned<D> di;
#if HWY_TARGET == HWY_SCALAR
  // A branch costs less than the selection below.
  if (x.raw < -60.0f) return hn::Zero(d);
#endif
  // 2^n e^r, |r| <= ln 2 / 2.
  const V shifted = hn::Add(hn::Mul(x, hn::Set(d, 1.44269502f)), hn::Set(d, kRoundingMagic));
  const V n = hn::Sub(shifted, hn::Set(d, kRoundingMagic));
  const V r = hn::Sub(hn::Sub(x, hn::Mul(n, hn::Set(d, kLn2High))), hn::Mul(n, hn::Set(d, kLn2Low)));
  V p = hn::Set(d, 0.00139262504f);
  p = MulThenAdd(d, p, r, hn::Set(d, 0.00836323295f));
  p = MulThenAdd(d, p, r, hn::Set(d, 0.0416665524f));
  p = MulThenAdd(d, p, r, hn::Set(d, 0.166665763f));
  p = MulThenAdd(d, p, r, hn::Set(d, 0.5f));
  const V power = hn::Add(hn::Set(d, 1.0f), hn::Add(r, hn::Mul(p, hn::Mul(r, r))));
  // The low bits of `shifted` are n; what lies above them falls off in the shift.
  const V scale =
      hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::BitCast(di, shifted), hn::Set(di, int32_t{127}))));
  // Far below -60 the product is anything.
  return hn::IfThenElse(hn::Lt(x, hn::Set(d, -60.0f)), hn::Zero(d), hn::Mul(power, scale));
}

// The same for any x; e^88 above 88.
template <class D, class V>
HWY_INLINE V Exp(D d, V x) {
  const V highest = hn::Set(d, 88.0f);
  return ExpOfNegative(d, hn::IfThenElse(hn::Gt(x, highest), highest, x));
}

// 1 / (1 + e^-x) through e^-|x|, so that nothing overflows and the result is 0 where exp is: no denormals.
template <class D, class V>
HWY_INLINE V Sigmoid(D d, V x) {
  const V t = ExpOfNegative(d, hn::Neg(hn::Abs(x)));
#if HWY_TARGET == HWY_SCALAR
  return V((x.raw < 0.0f ? t.raw : 1.0f) / (1.0f + t.raw));  // less code than a selection of vectors
#else
  const V one = hn::Set(d, 1.0f);
  return DivExact(d, hn::IfThenElse(hn::Lt(x, hn::Zero(d)), t, one), hn::Add(one, t));
#endif
}

// silu(gate) * up.
template <class D, class V>
HWY_INLINE V SiluTimes(D d, V gate, V up) {
  return hn::Mul(hn::Mul(gate, Sigmoid(d, gate)), up);
}

// tanh x within 2 units in the last place (measured 1.36).
template <class D, class V>
HWY_INLINE V Tanh(D d, V x) {
  const V one = hn::Set(d, 1.0f), magnitude = hn::Abs(x);
  const V u = hn::Mul(x, x);
  V p = hn::Set(d, -0.00609671418f);
  p = MulThenAdd(d, p, u, hn::Set(d, 0.0209971797f));
  p = MulThenAdd(d, p, u, hn::Set(d, -0.0538509078f));
  p = MulThenAdd(d, p, u, hn::Set(d, 0.133327693f));
  p = MulThenAdd(d, p, u, hn::Set(d, -0.333333284f));
  const V near_zero = hn::Add(magnitude, hn::Mul(hn::Mul(magnitude, u), p));
  const V t = ExpOfNegative(d, hn::Mul(magnitude, hn::Set(d, -2.0f)));
  const V far = hn::Sub(one, DivExact(d, hn::Add(t, t), hn::Add(one, t)));
  const V result = hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0.625f)), near_zero, far);
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Neg(result), result);
}

// The standard normal distribution at x, with an absolute error below 3e-7; `bell` becomes e^(-x^2 / 2).
// The tail is bell q P(q), q = 1 / (1 + 0.3 |x| / sqrt 2): P is nearly constant.
template <class D, class V>
HWY_INLINE V NormalDistribution(D d, V x, V& bell) {
  const V one = hn::Set(d, 1.0f);
  bell = ExpOfNegative(d, hn::Mul(hn::Mul(x, x), hn::Set(d, -0.5f)));
  const V q = DivExact(d, one, hn::Add(one, hn::Mul(hn::Abs(x), hn::Set(d, 0.212132037f))));
  V p = hn::Set(d, -0.0640450865f);
  p = MulThenAdd(d, p, q, hn::Set(d, 0.23907429f));
  p = MulThenAdd(d, p, q, hn::Set(d, -0.247904658f));
  p = MulThenAdd(d, p, q, hn::Set(d, 0.26361683f));
  p = MulThenAdd(d, p, q, hn::Set(d, -0.0395270027f));
  p = MulThenAdd(d, p, q, hn::Set(d, 0.103745259f));
  p = MulThenAdd(d, p, q, hn::Set(d, 0.0752526447f));
  p = MulThenAdd(d, p, q, hn::Set(d, 0.0851814523f));
  p = MulThenAdd(d, p, q, hn::Set(d, 0.0846062452f));
  const V tail = hn::Mul(hn::Mul(p, q), bell);
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail));
}

// ln x within 0.85 units in the last place (measured 0.80), for positive normal x; +infinity and NaN stay.
// Other x: undefined value, but no more than that.
template <class D, class V>
HWY_INLINE V Log(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V one = hn::Set(d, 1.0f);
  // x = 2^e (1 + f), 1 + f in [sqrt(1/2), sqrt(2)): e counts from the bits of sqrt(1/2).
  const auto bits = hn::BitCast(di, x);
  const auto offset = hn::Sub(bits, hn::Set(di, int32_t{0x3F3504F3}));
  const auto exponent = hn::ShiftRight<23>(offset);
  const V f = hn::Sub(hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(exponent))), one);
  const V e = hn::ConvertTo(d, exponent);
  // ln(1 + f) = 2 artanh(s) = f - s (f - series), s = f / (2 + f).
  const V s = DivExact(d, f, hn::Add(hn::Set(d, 2.0f), f));
  const V u = hn::Mul(s, s);
  V p = hn::Set(d, 0.233304679f);
  p = MulThenAdd(d, p, u, hn::Set(d, 0.285508215f));
  p = MulThenAdd(d, p, u, hn::Set(d, 0.400001228f));
  p = MulThenAdd(d, p, u, hn::Set(d, 0.666666687f));
  const V tail = hn::Sub(hn::Mul(e, hn::Set(d, kLn2Low)), hn::Mul(s, hn::Sub(f, hn::Mul(p, u))));
  const V result = hn::Add(hn::Mul(e, hn::Set(d, kLn2High)), hn::Add(f, tail));
  return hn::IfThenElse(hn::Lt(x, hn::Set(d, __builtin_huge_valf())), result, x);
}

// Cosine and sine of quadrant / 4 + turns of a full turn, |turns| <= 1/8; only the low two bits of quadrant
// count. Absolute error below 8e-8 each (measured 7.2e-8).
template <class D, class V, class VI>
HWY_INLINE void CosSin(D d, VI quadrant, V turns, V& cosine, V& sine) {
  const hn::RebindToSigned<D> di;
  const V u = hn::Mul(turns, turns);
  V p = hn::Set(d, 41.5895424f);
  p = MulThenAdd(d, p, u, hn::Set(d, -76.7012863f));
  p = MulThenAdd(d, p, u, hn::Set(d, 81.6052322f));
  p = MulThenAdd(d, p, u, hn::Set(d, -41.3417015f));
  // 2 pi is 6.28318548 - 1.74845553e-07.
  p = MulThenAdd(d, p, u, hn::Set(d, -1.74845553e-07f));
  const V s = hn::Add(hn::Mul(turns, hn::Set(d, 6.28318548f)), hn::Mul(turns, p));
  V q = hn::Set(d, 59.4241066f);
  q = MulThenAdd(d, q, u, hn::Set(d, -85.448822f));
  q = MulThenAdd(d, q, u, hn::Set(d, 64.9393692f));
  q = MulThenAdd(d, q, u, hn::Set(d, -19.7392082f));
  const V c = MulThenAdd(d, q, u, hn::Set(d, 1.0f));
  // A quarter turn takes (c, s) to (-s, c).
  const auto one = hn::Set(di, int32_t{1});
  const auto odd = hn::RebindMask(d, hn::Eq(hn::And(quadrant, one), one));
  const auto sine_sign = hn::ShiftLeft<30>(hn::And(quadrant, hn::Set(di, int32_t{2})));
  const auto next = hn::Add(quadrant, one);
  const auto cosine_sign = hn::ShiftLeft<30>(hn::And(next, hn::Set(di, int32_t{2})));
  cosine = hn::Xor(hn::IfThenElse(odd, s, c), hn::BitCast(d, cosine_sign));
  sine = hn::Xor(hn::IfThenElse(odd, c, s), hn::BitCast(d, sine_sign));
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
