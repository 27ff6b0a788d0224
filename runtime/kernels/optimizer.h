// Room: kernels. Steps of optimisers for n parameters, a multiple of 16, all arrays in place. Separately
// rounded operations only.
#ifndef CLLM_KERNELS_OPTIMIZER_H_
#define CLLM_KERNELS_OPTIMIZER_H_

#include <cstddef>

namespace cllm {

// AdamW: all of p, gradient, m, v; the gradient becomes zero.
struct AdamWStep {
  float rate;   // learning rate / (1 - beta1^t)
  float decay;  // 1 - learning rate * weight decay
  float beta1, beta2;
  float inverse_correction2;  // 1 / (1 - beta2^t)
  float epsilon;
  float gradient_scale;  // clipping
};
void AdamW(const AdamWStep& step, size_t n, float* p, float* gradient, float* m, float* v);

// Gradient descent with momentum, for SGD and Muon.
struct MomentumStep {
  float rate;
  float decay;  // 1 - learning rate * weight decay
  float momentum;
  float gradient_scale;  // clipping
};

// m = momentum m + gradient; p = decay p - rate m; gradient = 0.
void Sgd(const MomentumStep& step, size_t n, float* p, float* gradient, float* m);

// m = momentum m + (1 - momentum) gradient; then the gradient becomes Nesterov's look ahead, (1 - momentum)
// gradient + momentum m.
void NesterovMomentum(const MomentumStep& step, size_t n, float* gradient, float* m);

// p = decay p - rate direction; direction = 0.
void Descend(const MomentumStep& step, size_t n, float* p, float* direction);

// y = b x + c y.
void Blend(float b, const float* x, float c, size_t n, float* y);

}  // namespace cllm

#endif  // CLLM_KERNELS_OPTIMIZER_H_
