// Batch norms: the forward pass takes them as the affine norms that the statistics of a batch make of them,
// evaluation as those that the running statistics make, which is what converters write.
#include "base/layout.h"
#include "kernels/norm.h"
#include "model/tensors.h"
#include "trainer/trainer.h"

namespace cllm {

float* Trainer::BatchNormOf(size_t half) const {
  const auto layer = static_cast<uint32_t>(half / 2);
  const bool last = layer == model_.config.layers;
  const Role role = last ? Role::kFinalNorm : half % 2 == 0 ? Role::kAttentionNorm : Role::kFeedForwardNorm;
  const uint32_t index = IndexOf(model_.config, role, last ? 0 : layer);
  return Floats(plan_.weights) + At<uint64_t>(plan_.tensor_offsets)[index];
}

void Trainer::PlaceFoldedNorms() {
  for (uint32_t i = 0; i < model_.config.layers; ++i) {
    Layer(i).attention_norm = FoldedNorm(2 * i);
    Layer(i).feed_forward_norm = FoldedNorm(2 * i + 1);
  }
  final_norm_ = FoldedNorm(2 * static_cast<size_t>(model_.config.layers));
}

// From the residual stream before the half, of all rows. Moves the running statistics in training.
void Trainer::FoldNorm(size_t half, size_t rows, bool training) {
  if (!HasBatchNorm()) return;
  const size_t stride = shape_.width_stride, panels = stride / kPanel;
  float *norm = BatchNormOf(half), *running = norm + 2 * stride, *moments = BatchMoments(half);
  ForRanges(workers(), panels, rows * kPanel * 4, [&](size_t first, size_t last) {
    const size_t begin = first * kPanel, end = last * kPanel;
    if (training) {
      cllm::BatchMoments(Residual(half, rows), shape_.norm_epsilon, rows, stride, begin, end, moments,
                         running);
    } else {
      RunningMoments(running, shape_.norm_epsilon, stride, begin, end, moments);
    }
    FoldBatchNorm(norm, moments, stride, begin, end, FoldedNorm(half));
  });
}

// Means through which each row's gradient depends on all of d_normed, and the gradients of weight and bias.
void Trainer::BatchNormSums(size_t half, size_t rows) const {
  const size_t stride = shape_.width_stride, panels = stride / kPanel;
  ForRanges(workers(), panels, rows * kPanel * 4, [&](size_t first, size_t last) {
    BatchNormBackwardSums(Residual(half, rows), BatchMoments(half), Floats(plan_.d_normed), rows, stride,
                          first * kPanel, last * kPanel, Floats(plan_.batch_through),
                          GradientOf(NormOf(half)));
  });
}

}  // namespace cllm
