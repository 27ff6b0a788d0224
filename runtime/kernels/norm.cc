#include "kernels/norm.h"

#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct ProductTerm {
  const float *x, *weight, *dy;
  HWY_INLINE RowVector operator()(RowTag d, size_t k) const {
    const RowVector g = hn::Mul(hn::LoadU(d, dy + k), hn::LoadU(d, weight + k));
    return hn::Mul(g, hn::LoadU(d, x + k));
  }
};

void RmsNorm(const float* x, const float* weight, float epsilon, size_t rows, size_t count, float* y,
             float* inverse) {
  const RowTag d;
  const size_t stride = PaddedRow(count);
  for (size_t r = 0; r < rows; ++r, x += stride, y += stride) {
    const float factor = NormFactor(x, epsilon, count);
    if (inverse != nullptr) inverse[r] = factor;
    const RowVector factors = hn::Set(d, factor);
    for (size_t k = 0; k < stride; k += hn::Lanes(d)) {
      const RowVector scaled = hn::Mul(hn::LoadU(d, x + k), factors);
      hn::StoreU(hn::Mul(scaled, hn::LoadU(d, weight + k)), d, y + k);
    }
  }
}

void RmsNormBackward(const float* x, const float* weight, const float* inverse, const float* dy, size_t rows,
                     size_t count, float* dx) {
  const RowTag d;
  const size_t stride = PaddedRow(count);
  for (size_t r = 0; r < rows; ++r, x += stride, dy += stride, dx += stride) {
    // dx = i (dy w) - x i^3 / count * sum(dy w x), i the inverse.
    const float dot = Reduce<SumOf>(d, stride, ProductTerm{x, weight, dy});
    const float i = inverse[r];
    const RowVector direct = hn::Set(d, i);
    const RowVector through_mean = hn::Set(d, dot / static_cast<float>(count) * (i * i * i));
    for (size_t k = 0; k < stride; k += hn::Lanes(d)) {
      const RowVector g = hn::Mul(hn::LoadU(d, dy + k), hn::LoadU(d, weight + k));
      const RowVector change = hn::Sub(hn::Mul(g, direct), hn::Mul(hn::LoadU(d, x + k), through_mean));
      hn::StoreU(hn::Add(hn::LoadU(d, dx + k), change), d, dx + k);
    }
  }
}

void RmsNormBackwardWeight(const float* x, const float* inverse, const float* dy, size_t rows, size_t stride,
                           size_t begin, size_t end, float* dweight) {
  const RowTag d;
  for (size_t k = begin; k < end; k += hn::Lanes(d)) {
    RowVector sum = hn::Zero(d);
    for (size_t r = 0; r < rows; ++r) {
      const RowVector scaled = hn::Mul(hn::LoadU(d, x + r * stride + k), hn::Set(d, inverse[r]));
      sum = hn::Add(sum, hn::Mul(hn::LoadU(d, dy + r * stride + k), scaled));
    }
    hn::StoreU(hn::Add(hn::LoadU(d, dweight + k), sum), d, dweight + k);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(RmsNorm);
HWY_EXPORT(RmsNormBackward);
HWY_EXPORT(RmsNormBackwardWeight);

void RmsNorm(const float* x, const float* weight, float epsilon, size_t rows, size_t count, float* y,
             float* inverse) {
  HWY_DYNAMIC_DISPATCH(RmsNorm)(x, weight, epsilon, rows, count, y, inverse);
}

void RmsNormBackward(const float* x, const float* weight, const float* inverse, const float* dy, size_t rows,
                     size_t count, float* dx) {
  HWY_DYNAMIC_DISPATCH(RmsNormBackward)(x, weight, inverse, dy, rows, count, dx);
}

void RmsNormBackwardWeight(const float* x, const float* inverse, const float* dy, size_t rows, size_t stride,
                           size_t begin, size_t end, float* dweight) {
  HWY_DYNAMIC_DISPATCH(RmsNormBackwardWeight)(x, inverse, dy, rows, stride, begin, end, dweight);
}

}  // namespace cllm
#endif  // HWY_ONCE
