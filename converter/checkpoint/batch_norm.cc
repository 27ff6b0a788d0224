#include "converter/checkpoint/batch_norm.h"

#include <cmath>

namespace cllm {
namespace {

// [weight, bias, running mean, running variance][width] to [weight, bias][width].
void Fold(double epsilon, FloatTensor* norm) {
  const size_t width = norm->columns;
  for (size_t i = 0; i < width; ++i) {
    const double weight = norm->values[i], bias = norm->values[width + i];
    const double mean = norm->values[2 * width + i], variance = norm->values[3 * width + i];
    const double scale = weight / std::sqrt(variance + epsilon);
    norm->values[i] = static_cast<float>(scale);
    norm->values[width + i] = static_cast<float>(bias - mean * scale);
  }
  norm->rows = 2;
  norm->values.resize(2 * width);
}

}  // namespace

void FoldBatchNorms(Checkpoint* checkpoint) {
  Architecture& architecture = checkpoint->architecture;
  if (architecture.variant.norm != Norm::kBatch) return;
  for (auto& [key, tensor] : checkpoint->tensors) {
    const Role role = key.first;
    if (role == Role::kAttentionNorm || role == Role::kFeedForwardNorm || role == Role::kFinalNorm) {
      Fold(static_cast<double>(architecture.norm_epsilon), &tensor);
    }
  }
  architecture.variant.norm = Norm::kAffine;
}

}  // namespace cllm
