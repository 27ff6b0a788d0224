#include "base/layout.h"
#include "kernels/norm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer_norm.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct RowTerm {
  const float* x;
  HWY_INLINE RowVector operator()(RowTag d, size_t k) const { return hn::LoadU(d, x + k); }
};

// dy * weight.
struct GradientTerm {
  const float *dy, *weight;
  HWY_INLINE RowVector operator()(RowTag d, size_t k) const {
    return hn::Mul(hn::LoadU(d, dy + k), hn::LoadU(d, weight + k));
  }
};

// (x - mean) * inverse.
HWY_INLINE RowVector Standard(RowTag d, const float* x, RowVector mean, RowVector inverse) {
  return hn::Mul(hn::Sub(hn::LoadU(d, x), mean), inverse);
}

// dy * weight * (x - mean) * inverse.
struct StandardTerm {
  GradientTerm gradient;
  const float* x;
  float mean, inverse;
  HWY_INLINE RowVector operator()(RowTag d, size_t k) const {
    return hn::Mul(gradient(d, k), Standard(d, x + k, hn::Set(d, mean), hn::Set(d, inverse)));
  }
};

void LayerNorm(const float* x, const float* parameters, float epsilon, size_t rows, size_t count, float* y,
               float* mean, float* inverse) {
  const RowTag d;
  const size_t stride = PaddedRow(count), n = hn::Lanes(d);
  for (size_t r = 0; r < rows; ++r, x += stride, y += stride) {
    const float center = Reduce<SumOf>(d, stride, RowTerm{x}) / static_cast<float>(count);
    for (size_t k = 0; k < stride; k += n) {
      hn::StoreU(hn::Sub(hn::LoadU(d, x + k), hn::Set(d, center)), d, y + k);
    }
    for (size_t k = count; k < stride; ++k) y[k] = 0.0f;
    const float factor = NormFactor(y, epsilon, count);
    for (size_t k = 0; k < stride; k += n) {
      const RowVector scaled = hn::Mul(hn::LoadU(d, y + k), hn::Set(d, factor));
      const RowVector weighted = hn::Mul(scaled, hn::LoadU(d, parameters + k));
      hn::StoreU(hn::Add(weighted, hn::LoadU(d, parameters + stride + k)), d, y + k);
    }
    if (mean == nullptr) continue;
    mean[r] = center;
    inverse[r] = factor;
  }
}

void LayerNormBackward(const float* x, const float* parameters, const float* mean, const float* inverse,
                       const float* dy, size_t rows, size_t count, float* dx) {
  const RowTag d;
  const size_t stride = PaddedRow(count);
  const float share = 1.0f / static_cast<float>(count);
  for (size_t r = 0; r < rows; ++r, x += stride, dy += stride, dx += stride) {
    // dx = i (g - mean of g - s mean of (g s)), g = dy w, s the standardised row. Padding has no g.
    const GradientTerm gradient = {dy, parameters};
    const RowVector direct = hn::Set(d, Reduce<SumOf>(d, stride, gradient) * share);
    const RowVector through =
        hn::Set(d, Reduce<SumOf>(d, stride, StandardTerm{gradient, x, mean[r], inverse[r]}) * share);
    const RowVector center = hn::Set(d, mean[r]), i = hn::Set(d, inverse[r]);
    const auto change = [&](size_t k) HWY_ATTR {
      const RowVector part = hn::Sub(gradient(d, k), direct);
      return hn::Mul(i, hn::Sub(part, hn::Mul(Standard(d, x + k, center, i), through)));
    };
    for (size_t k = 0; k < stride; k += hn::Lanes(d)) {
      const auto used = hn::FirstN(d, count > k ? count - k : 0);
      hn::StoreU(hn::Add(hn::LoadU(d, dx + k), hn::IfThenElseZero(used, change(k))), d, dx + k);
    }
  }
}

void AffineNorm(const float* x, const float* parameters, size_t rows, size_t count, float* y, float* mean,
                float* inverse) {
  const RowTag d;
  const size_t stride = PaddedRow(count);
  for (size_t r = 0; r < rows; ++r, x += stride, y += stride) {
    for (size_t k = 0; k < stride; k += hn::Lanes(d)) {
      const RowVector weighted = hn::Mul(hn::LoadU(d, x + k), hn::LoadU(d, parameters + k));
      hn::StoreU(hn::Add(weighted, hn::LoadU(d, parameters + stride + k)), d, y + k);
    }
    if (mean == nullptr) continue;
    mean[r] = 0.0f;
    inverse[r] = 1.0f;
  }
}

void AffineNormBackward(const float* parameters, const float* dy, size_t rows, size_t count, float* dx) {
  const RowTag d;
  const size_t stride = PaddedRow(count);
  for (size_t r = 0; r < rows; ++r, dy += stride, dx += stride) {
    for (size_t k = 0; k < stride; k += hn::Lanes(d)) {
      hn::StoreU(hn::Add(hn::LoadU(d, dx + k), GradientTerm{dy, parameters}(d, k)), d, dx + k);
    }
  }
}

void LayerNormBackwardWeight(const float* x, const float* mean, const float* inverse, const float* dy,
                             size_t rows, size_t stride, size_t begin, size_t end, float* dparameters) {
  const RowTag d;
  for (size_t k = begin; k < end; k += hn::Lanes(d)) {
    RowVector weight = hn::Zero(d), bias = hn::Zero(d);
    for (size_t r = 0; r < rows; ++r) {
      const size_t at = r * stride + k;
      const RowVector gradient = hn::LoadU(d, dy + at);
      const RowVector standard = Standard(d, x + at, hn::Set(d, mean[r]), hn::Set(d, inverse[r]));
      weight = hn::Add(weight, hn::Mul(gradient, standard));
      bias = hn::Add(bias, gradient);
    }
    hn::StoreU(hn::Add(hn::LoadU(d, dparameters + k), weight), d, dparameters + k);
    float* dbias = dparameters + stride + k;
    hn::StoreU(hn::Add(hn::LoadU(d, dbias), bias), d, dbias);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(LayerNorm);
HWY_EXPORT(LayerNormBackward);
HWY_EXPORT(AffineNorm);
HWY_EXPORT(AffineNormBackward);
HWY_EXPORT(LayerNormBackwardWeight);

void LayerNorm(const float* x, const float* parameters, float epsilon, size_t rows, size_t count, float* y,
               float* mean, float* inverse) {
  HWY_DYNAMIC_DISPATCH(LayerNorm)(x, parameters, epsilon, rows, count, y, mean, inverse);
}

void LayerNormBackward(const float* x, const float* parameters, const float* mean, const float* inverse,
                       const float* dy, size_t rows, size_t count, float* dx) {
  HWY_DYNAMIC_DISPATCH(LayerNormBackward)(x, parameters, mean, inverse, dy, rows, count, dx);
}

void AffineNorm(const float* x, const float* parameters, size_t rows, size_t count, float* y, float* mean,
                float* inverse) {
  HWY_DYNAMIC_DISPATCH(AffineNorm)(x, parameters, rows, count, y, mean, inverse);
}

void AffineNormBackward(const float* parameters, const float* dy, size_t rows, size_t count, float* dx) {
  HWY_DYNAMIC_DISPATCH(AffineNormBackward)(parameters, dy, rows, count, dx);
}

void LayerNormBackwardWeight(const float* x, const float* mean, const float* inverse, const float* dy,
                             size_t rows, size_t stride, size_t begin, size_t end, float* dparameters) {
  HWY_DYNAMIC_DISPATCH(LayerNormBackwardWeight)
  (x, mean, inverse, dy, rows, stride, begin, end, dparameters);
}

}  // namespace cllm
#endif  // HWY_ONCE
