// Room: kernels. Softmax, cross-entropy, and the likeliest token.
#ifndef CLLM_KERNELS_LOSS_H_
#define CLLM_KERNELS_LOSS_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

// log(sum(exp(x[i]))) for i < count; 16 lanes and a fixed tree, class A.
float LogSumExp(const float* x, size_t count);

// probabilities[i] = exp(x[i] - log_sum_exp), i < count. May be in place.
void SoftmaxFrom(const float* x, size_t count, float log_sum_exp, float* probabilities);

// Returns -log softmax(logits)[target], and turns logits into weight * (softmax - one_hot(target)).
// Elements from count to PaddedRow(count) become zero. gradient = false leaves logits alone.
float CrossEntropy(float* logits, size_t count, uint32_t target, float weight, bool gradient);

// What smoothing a target's label adds to the gradient of its logits: weight (one_hot(target) - 1 / count).
void SmoothTarget(float weight, size_t count, uint32_t target, float* d_logits);

// Index of the largest element, the lowest of equals; NaN never wins; 0 if all are NaN. count > 0.
uint32_t ArgMax(const float* x, size_t count);

}  // namespace cllm

#endif  // CLLM_KERNELS_LOSS_H_
