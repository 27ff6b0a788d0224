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

// What the head's products z become: logits y = softcap tanh(scale z / softcap), or scale z without a soft
// cap (0). Class A.
struct LogitMap {
  float scale = 1.0f;
  float softcap = 0.0f;
  bool is_identity() const { return scale == 1.0f && softcap == 0.0f; }
};
// x: n logits, a multiple of 16, in place. Zero stays zero.
void MapLogits(const LogitMap& map, size_t n, float* x);

// A loss's gradient by z, times `weight`. Of the target's probability the share `smoothing` is spread over
// all tokens (Szegedy et al., arXiv 1512.00567), and the share `taught` as softmax(teacher) says (Hinton et
// al., arXiv 1503.02531), in the gradient only.
struct LossGradient {
  float weight;
  float smoothing = 0.0f;
  LogitMap map = {};
  const float* teacher = nullptr;  // logits, padded as those of the loss; or none, and nothing is taught
  float taught = 0.0f;
};

// Returns -log softmax(logits)[target]. With `gradient`, which may be nullptr, the logits become weight *
// (softmax - wanted distribution) * slope of the map; elements from count to PaddedRow(count) become zero.
float CrossEntropy(float* logits, size_t count, uint32_t target, const LossGradient* gradient);

// Index of the largest element, the lowest of equals; NaN never wins; 0 if all are NaN. count > 0.
uint32_t ArgMax(const float* x, size_t count);

}  // namespace cllm

#endif  // CLLM_KERNELS_LOSS_H_
