// Room: kernels. Reductions over a row in one order on every target: 16 virtual lanes, lane i taking elements
// i, i + 16, ...; then a fixed tree, lane i with lane i + 8, then i + 4, i + 2, i + 1 (DESIGN.md section 5).
// Vectors of N = 1, 2, 4, 8 or 16 lanes hold the 16 in 16 / N registers, up to four of them at a time.
#if defined(CLLM_KERNELS_REDUCE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_REDUCE_INL_H_
#undef CLLM_KERNELS_REDUCE_INL_H_
#else
#define CLLM_KERNELS_REDUCE_INL_H_
#endif

#include <cstddef>

#include "base/layout.h"
#include "hwy/highway.h"
#include "kernels/arithmetic-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The vectors of every row kernel.
using RowTag = hn::CappedTag<float, 16>;
using RowVector = hn::VFromD<RowTag>;

struct SumOf {
  static constexpr float kStart = 0.0f;
  template <class D, class V>
  static HWY_INLINE V Combine(D /*d*/, V a, V b) {
    return hn::Add(a, b);
  }
  static HWY_INLINE float Combine(float a, float b) { return a + b; }
};

// NaN never wins. Starts below every finite number.
struct MaxOf {
  static constexpr float kStart = -__builtin_huge_valf();
  template <class D, class V>
  static HWY_INLINE V Combine(D d, V a, V b) {
    return Larger(d, a, b);
  }
  static HWY_INLINE float Combine(float a, float b) { return b > a ? b : a; }
};

// The 16 virtual lanes between one run of elements and the next.
struct VirtualLanes {
  alignas(64) float lane[16];
};

template <class Op>
HWY_INLINE VirtualLanes StartLanes() {
  VirtualLanes lanes;
  for (float& lane : lanes.lane) lane = Op::kStart;
  return lanes;
}

template <class Op>
HWY_INLINE float FinishLanes(VirtualLanes& lanes) {
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
  const hn::FixedTag<float, 4> d;
  const float* lane = lanes.lane;
  const auto low = Op::Combine(d, hn::Load(d, lane), hn::Load(d, lane + 8));
  const auto high = Op::Combine(d, hn::Load(d, lane + 4), hn::Load(d, lane + 12));
  const auto four = Op::Combine(d, low, high);
  const auto two = Op::Combine(d, four, hn::Shuffle1032(four));
  return hn::GetLane(Op::Combine(d, two, hn::Shuffle2301(two)));
#else
  for (size_t half = 8; half != 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) lanes.lane[i] = Op::Combine(lanes.lane[i], lanes.lane[i + half]);
  }
  return lanes.lane[0];
#endif
}

// Takes elements [0, n) into the lanes, n a multiple of 16. term(d, k) is the vector of the terms of elements
// k .. k + Lanes(d) - 1. It must be callable in any order of k.
template <class Op, class Term>
HWY_INLINE void TakeIntoLanes(RowTag d, size_t n, const Term& term, VirtualLanes& lanes) {
  float* HWY_RESTRICT lane = lanes.lane;
#if HWY_TARGET == HWY_SCALAR
  for (size_t i = 0; i < 16; ++i) {
    RowVector acc = hn::Load(d, lane + i);
    for (size_t k = i; k < n; k += 16) acc = Op::Combine(d, acc, term(d, k));
    hn::Store(acc, d, lane + i);
  }
#else
  const size_t lane_count = hn::Lanes(d);
  if (lane_count == 16) {
    auto acc = hn::Load(d, lane);
    for (size_t k = 0; k < n; k += 16) acc = Op::Combine(d, acc, term(d, k));
    hn::Store(acc, d, lane);
  } else if (lane_count == 8) {
    auto acc0 = hn::Load(d, lane);
    auto acc1 = hn::Load(d, lane + 8);
    for (size_t k = 0; k < n; k += 16) {
      acc0 = Op::Combine(d, acc0, term(d, k));
      acc1 = Op::Combine(d, acc1, term(d, k + 8));
    }
    hn::Store(acc0, d, lane);
    hn::Store(acc1, d, lane + 8);
  } else {
    for (size_t i = 0; i < 16; i += 4 * lane_count) {
      const size_t i1 = i + lane_count, i2 = i1 + lane_count, i3 = i2 + lane_count;
      auto acc0 = hn::Load(d, lane + i);
      auto acc1 = hn::Load(d, lane + i1);
      auto acc2 = hn::Load(d, lane + i2);
      auto acc3 = hn::Load(d, lane + i3);
      for (size_t k = 0; k < n; k += 16) {
        acc0 = Op::Combine(d, acc0, term(d, k + i));
        acc1 = Op::Combine(d, acc1, term(d, k + i1));
        acc2 = Op::Combine(d, acc2, term(d, k + i2));
        acc3 = Op::Combine(d, acc3, term(d, k + i3));
      }
      hn::Store(acc0, d, lane + i);
      hn::Store(acc1, d, lane + i1);
      hn::Store(acc2, d, lane + i2);
      hn::Store(acc3, d, lane + i3);
    }
  }
#endif
}

// Op over the terms of elements [0, n), n a multiple of 16.
template <class Op, class Term>
HWY_INLINE float Reduce(RowTag d, size_t n, const Term& term) {
  VirtualLanes lanes = StartLanes<Op>();
  TakeIntoLanes<Op>(d, n, term, lanes);
  return FinishLanes<Op>(lanes);
}

struct SquareTerm {
  const float* x;
  HWY_INLINE RowVector operator()(RowTag d, size_t k) const {
    const RowVector v = hn::LoadU(d, x + k);
    return hn::Mul(v, v);
  }
};

// What an RMS norm multiplies a row by: 1 / sqrt(mean of x^2 + epsilon). x: `count` floats, then zeros up to
// a multiple of 16.
HWY_INLINE float NormFactor(const float* x, float epsilon, size_t count) {
  const float mean = Reduce<SumOf>(RowTag(), PaddedRow(count), SquareTerm{x}) / static_cast<float>(count);
  return 1.0f / ScalarSqrt(mean + epsilon);
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
