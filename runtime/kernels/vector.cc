#include "kernels/vector.h"

#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/vector.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/arithmetic-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void Add(const float* x, size_t n, float* y) {
  const RowTag d;
  for (size_t k = 0; k < n; k += hn::Lanes(d)) {
    hn::StoreU(hn::Add(hn::LoadU(d, y + k), hn::LoadU(d, x + k)), d, y + k);
  }
}

float SumOfSquares(const float* x, size_t n) { return Reduce<SumOf>(RowTag(), n, SquareTerm{x}); }

void AdamW(const AdamWStep& step, size_t n, float* p, float* gradient, float* m, float* v) {
  const RowTag d;
  const RowVector beta1 = hn::Set(d, step.beta1), rest1 = hn::Set(d, 1.0f - step.beta1);
  const RowVector beta2 = hn::Set(d, step.beta2), rest2 = hn::Set(d, 1.0f - step.beta2);
  const RowVector correction2 = hn::Set(d, step.inverse_correction2), epsilon = hn::Set(d, step.epsilon);
  const RowVector rate = hn::Set(d, step.rate), decay = hn::Set(d, step.decay);
  const RowVector scale = hn::Set(d, step.gradient_scale);
  for (size_t k = 0; k < n; k += hn::Lanes(d)) {
    const RowVector g = hn::Mul(hn::LoadU(d, gradient + k), scale);
    const RowVector mean = hn::Add(hn::Mul(beta1, hn::LoadU(d, m + k)), hn::Mul(rest1, g));
    const RowVector square = hn::Add(hn::Mul(beta2, hn::LoadU(d, v + k)), hn::Mul(rest2, hn::Mul(g, g)));
    const RowVector root = hn::Add(SqrtExact(d, hn::Mul(square, correction2)), epsilon);
    const RowVector change = DivExact(d, hn::Mul(rate, mean), root);
    hn::StoreU(hn::Sub(hn::Mul(hn::LoadU(d, p + k), decay), change), d, p + k);
    hn::StoreU(mean, d, m + k);
    hn::StoreU(square, d, v + k);
    hn::StoreU(hn::Zero(d), d, gradient + k);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(Add);
HWY_EXPORT(SumOfSquares);
HWY_EXPORT(AdamW);

void Add(const float* x, size_t n, float* y) { HWY_DYNAMIC_DISPATCH(Add)(x, n, y); }

float SumOfSquares(const float* x, size_t n) { return HWY_DYNAMIC_DISPATCH(SumOfSquares)(x, n); }

void AdamW(const AdamWStep& step, size_t n, float* p, float* gradient, float* m, float* v) {
  HWY_DYNAMIC_DISPATCH(AdamW)(step, n, p, gradient, m, v);
}

void GatherRow(const float* panels, size_t columns, size_t row, float* out) {
  const float* from = panels + row / kPanel * columns * kPanel + row % kPanel;
  for (size_t k = 0; k < columns; ++k) out[k] = from[k * kPanel];
  for (size_t k = columns; k < PaddedRow(columns); ++k) out[k] = 0.0f;
}

void ScatterAddRow(const float* x, size_t columns, size_t row, float* panels) {
  float* to = panels + row / kPanel * columns * kPanel + row % kPanel;
  for (size_t k = 0; k < columns; ++k) to[k * kPanel] += x[k];
}

}  // namespace cllm
#endif  // HWY_ONCE
