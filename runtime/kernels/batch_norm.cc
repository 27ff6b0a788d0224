#include "base/layout.h"
#include "kernels/norm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/batch_norm.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr float kRunningShare = 0.1f;

HWY_INLINE RowVector InverseDeviation(RowTag d, RowVector variance, float epsilon) {
  return DivExact(d, hn::Set(d, 1.0f), SqrtExact(d, hn::Add(variance, hn::Set(d, epsilon))));
}

// Moves the running statistic at `at` towards that of a batch.
HWY_INLINE void MoveRunning(RowTag d, RowVector statistic, float* at) {
  const RowVector old = hn::LoadU(d, at);
  hn::StoreU(hn::Add(old, hn::Mul(hn::Sub(statistic, old), hn::Set(d, kRunningShare))), d, at);
}

void BatchMoments(const float* x, float epsilon, size_t rows, size_t stride, size_t begin, size_t end,
                  float* moments, float* running) {
  const RowTag d;
  const RowVector share = hn::Set(d, 1.0f / static_cast<float>(rows));
  for (size_t k = begin; k < end; k += hn::Lanes(d)) {
    RowVector sum = hn::Zero(d), squares = sum;
    for (size_t r = 0; r < rows; ++r) sum = hn::Add(sum, hn::LoadU(d, x + r * stride + k));
    const RowVector mean = hn::Mul(sum, share);
    for (size_t r = 0; r < rows; ++r) {
      const RowVector distance = hn::Sub(hn::LoadU(d, x + r * stride + k), mean);
      squares = hn::Add(squares, hn::Mul(distance, distance));
    }
    const RowVector variance = hn::Mul(squares, share);
    hn::StoreU(mean, d, moments + k);
    hn::StoreU(InverseDeviation(d, variance, epsilon), d, moments + stride + k);
    MoveRunning(d, mean, running + k);
    MoveRunning(d, variance, running + stride + k);
  }
}

void RunningMoments(const float* running, float epsilon, size_t stride, size_t begin, size_t end,
                    float* moments) {
  const RowTag d;
  for (size_t k = begin; k < end; k += hn::Lanes(d)) {
    hn::StoreU(hn::LoadU(d, running + k), d, moments + k);
    const RowVector variance = hn::LoadU(d, running + stride + k);
    hn::StoreU(InverseDeviation(d, variance, epsilon), d, moments + stride + k);
  }
}

void FoldBatchNorm(const float* parameters, const float* moments, size_t stride, size_t begin, size_t end,
                   float* folded) {
  const RowTag d;
  for (size_t k = begin; k < end; k += hn::Lanes(d)) {
    const RowVector weight = hn::Mul(hn::LoadU(d, parameters + k), hn::LoadU(d, moments + stride + k));
    const RowVector bias = hn::LoadU(d, parameters + stride + k);
    hn::StoreU(weight, d, folded + k);
    hn::StoreU(hn::Sub(bias, hn::Mul(hn::LoadU(d, moments + k), weight)), d, folded + stride + k);
  }
}

// (x - mean) * inverse of columns k and on.
HWY_INLINE RowVector Standard(RowTag d, const float* x, const float* moments, size_t stride, size_t k) {
  return hn::Mul(hn::Sub(hn::LoadU(d, x + k), hn::LoadU(d, moments + k)), hn::LoadU(d, moments + stride + k));
}

void BatchNormBackwardSums(const float* x, const float* moments, const float* dy, size_t rows, size_t stride,
                           size_t begin, size_t end, float* through, float* dparameters) {
  const RowTag d;
  const RowVector share = hn::Set(d, 1.0f / static_cast<float>(rows));
  for (size_t k = begin; k < end; k += hn::Lanes(d)) {
    RowVector bias = hn::Zero(d), weight = bias;
    for (size_t r = 0; r < rows; ++r) {
      const RowVector gradient = hn::LoadU(d, dy + r * stride + k);
      bias = hn::Add(bias, gradient);
      weight = hn::Add(weight, hn::Mul(gradient, Standard(d, x + r * stride, moments, stride, k)));
    }
    hn::StoreU(hn::Mul(bias, share), d, through + k);
    hn::StoreU(hn::Mul(weight, share), d, through + stride + k);
    float* dbias = dparameters + stride + k;
    hn::StoreU(hn::Add(hn::LoadU(d, dparameters + k), weight), d, dparameters + k);
    hn::StoreU(hn::Add(hn::LoadU(d, dbias), bias), d, dbias);
  }
}

void BatchNormBackward(const float* x, const float* parameters, const float* moments, const float* through,
                       const float* dy, size_t rows, size_t stride, float* dx) {
  const RowTag d;
  for (size_t r = 0; r < rows; ++r, x += stride, dy += stride, dx += stride) {
    for (size_t k = 0; k < stride; k += hn::Lanes(d)) {
      const RowVector standard = Standard(d, x, moments, stride, k);
      const RowVector direct = hn::Sub(hn::LoadU(d, dy + k), hn::LoadU(d, through + k));
      const RowVector rest = hn::Sub(direct, hn::Mul(standard, hn::LoadU(d, through + stride + k)));
      const RowVector slope = hn::Mul(hn::LoadU(d, parameters + k), hn::LoadU(d, moments + stride + k));
      hn::StoreU(hn::Add(hn::LoadU(d, dx + k), hn::Mul(slope, rest)), d, dx + k);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(BatchMoments);
HWY_EXPORT(RunningMoments);
HWY_EXPORT(FoldBatchNorm);
HWY_EXPORT(BatchNormBackwardSums);
HWY_EXPORT(BatchNormBackward);

void BatchMoments(const float* x, float epsilon, size_t rows, size_t stride, size_t begin, size_t end,
                  float* moments, float* running) {
  HWY_DYNAMIC_DISPATCH(BatchMoments)(x, epsilon, rows, stride, begin, end, moments, running);
}

void RunningMoments(const float* running, float epsilon, size_t stride, size_t begin, size_t end,
                    float* moments) {
  HWY_DYNAMIC_DISPATCH(RunningMoments)(running, epsilon, stride, begin, end, moments);
}

void FoldBatchNorm(const float* parameters, const float* moments, size_t stride, size_t begin, size_t end,
                   float* folded) {
  HWY_DYNAMIC_DISPATCH(FoldBatchNorm)(parameters, moments, stride, begin, end, folded);
}

void BatchNormBackwardSums(const float* x, const float* moments, const float* dy, size_t rows, size_t stride,
                           size_t begin, size_t end, float* through, float* dparameters) {
  HWY_DYNAMIC_DISPATCH(BatchNormBackwardSums)
  (x, moments, dy, rows, stride, begin, end, through, dparameters);
}

void BatchNormBackward(const float* x, const float* parameters, const float* moments, const float* through,
                       const float* dy, size_t rows, size_t stride, float* dx) {
  HWY_DYNAMIC_DISPATCH(BatchNormBackward)(x, parameters, moments, through, dy, rows, stride, dx);
}

}  // namespace cllm
#endif  // HWY_ONCE
