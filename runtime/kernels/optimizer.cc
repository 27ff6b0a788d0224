#include "kernels/optimizer.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/optimizer.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/arithmetic-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

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

void Sgd(const MomentumStep& step, size_t n, float* p, float* gradient, float* m) {
  const RowTag d;
  const RowVector rate = hn::Set(d, step.rate), decay = hn::Set(d, step.decay);
  const RowVector momentum = hn::Set(d, step.momentum), scale = hn::Set(d, step.gradient_scale);
  for (size_t k = 0; k < n; k += hn::Lanes(d)) {
    const RowVector g = hn::Mul(hn::LoadU(d, gradient + k), scale);
    const RowVector sum = hn::Add(hn::Mul(momentum, hn::LoadU(d, m + k)), g);
    hn::StoreU(hn::Sub(hn::Mul(hn::LoadU(d, p + k), decay), hn::Mul(rate, sum)), d, p + k);
    hn::StoreU(sum, d, m + k);
    hn::StoreU(hn::Zero(d), d, gradient + k);
  }
}

void NesterovMomentum(const MomentumStep& step, size_t n, float* gradient, float* m) {
  const RowTag d;
  const RowVector momentum = hn::Set(d, step.momentum), rest = hn::Set(d, 1.0f - step.momentum);
  const RowVector scale = hn::Set(d, step.gradient_scale);
  for (size_t k = 0; k < n; k += hn::Lanes(d)) {
    const RowVector g = hn::Mul(rest, hn::Mul(hn::LoadU(d, gradient + k), scale));
    const RowVector mean = hn::Add(hn::Mul(momentum, hn::LoadU(d, m + k)), g);
    hn::StoreU(mean, d, m + k);
    hn::StoreU(hn::Add(g, hn::Mul(momentum, mean)), d, gradient + k);
  }
}

void Descend(const MomentumStep& step, size_t n, float* p, float* direction) {
  const RowTag d;
  const RowVector rate = hn::Set(d, step.rate), decay = hn::Set(d, step.decay);
  for (size_t k = 0; k < n; k += hn::Lanes(d)) {
    const RowVector change = hn::Mul(rate, hn::LoadU(d, direction + k));
    hn::StoreU(hn::Sub(hn::Mul(hn::LoadU(d, p + k), decay), change), d, p + k);
    hn::StoreU(hn::Zero(d), d, direction + k);
  }
}

void Blend(float b, const float* x, float c, size_t n, float* y) {
  const RowTag d;
  for (size_t k = 0; k < n; k += hn::Lanes(d)) {
    const RowVector first = hn::Mul(hn::Set(d, b), hn::LoadU(d, x + k));
    hn::StoreU(hn::Add(first, hn::Mul(hn::Set(d, c), hn::LoadU(d, y + k))), d, y + k);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(AdamW);
HWY_EXPORT(Sgd);
HWY_EXPORT(NesterovMomentum);
HWY_EXPORT(Descend);
HWY_EXPORT(Blend);

void AdamW(const AdamWStep& step, size_t n, float* p, float* gradient, float* m, float* v) {
  HWY_DYNAMIC_DISPATCH(AdamW)(step, n, p, gradient, m, v);
}

void Sgd(const MomentumStep& step, size_t n, float* p, float* gradient, float* m) {
  HWY_DYNAMIC_DISPATCH(Sgd)(step, n, p, gradient, m);
}

void NesterovMomentum(const MomentumStep& step, size_t n, float* gradient, float* m) {
  HWY_DYNAMIC_DISPATCH(NesterovMomentum)(step, n, gradient, m);
}

void Descend(const MomentumStep& step, size_t n, float* p, float* direction) {
  HWY_DYNAMIC_DISPATCH(Descend)(step, n, p, direction);
}

void Blend(float b, const float* x, float c, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(Blend)(b, x, c, n, y);
}

}  // namespace cllm
#endif  // HWY_ONCE
