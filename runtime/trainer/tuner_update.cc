#include <cstring>

#include "kernels/moments8.h"
#include "kernels/optimizer.h"
#include "kernels/vector.h"
#include "trainer/optimizer_groups.h"
#include "trainer/plan.h"
#include "trainer/tuner.h"

namespace cllm {

// Squares are summed by segments of a fixed size, then the segments' sums upwards.
float Tuner::GradientNorm() const {
  const auto count = static_cast<size_t>(plan_.parameters);
  double sum = 0.0;
  for (size_t at = 0; at < count; at += kNormSegment) {
    const size_t rest = count - at;
    const size_t part = rest < kNormSegment ? rest : static_cast<size_t>(kNormSegment);
    sum += static_cast<double>(SumOfSquares(Floats(plan_.gradients) + at, part));
  }
  return __builtin_sqrtf(static_cast<float>(sum));
}

Status Tuner::Update(const cllm_optimizer& optimizer, float* gradient_norm) {
  CLLM_RETURN_IF_ERROR(CheckOptimizer(optimizer));
  const float norm = GradientNorm();
  if (gradient_norm != nullptr) *gradient_norm = norm;
  if (!(norm <= kLargestFloat)) {
    std::memset(At<void>(plan_.gradients), 0, static_cast<size_t>(plan_.parameters) * sizeof(float));
    return CLLM_OK;
  }
  Apply(optimizer, optimizer.clip > 0.0f && norm > optimizer.clip ? optimizer.clip / norm : 1.0f);
  ++state()->steps;
  return CLLM_OK;
}

void Tuner::Apply(const cllm_optimizer& optimizer, float gradient_scale) {
  TunerState& now = *state();
  if (plan_.method != CLLM_SGD) {
    now.beta1_power *= static_cast<double>(optimizer.beta1);
    now.beta2_power *= static_cast<double>(optimizer.beta2);
  }
  AdamWStep adamw = {0, 0, optimizer.beta1, optimizer.beta2, 0, optimizer.epsilon, gradient_scale};
  adamw.inverse_correction2 = static_cast<float>(1.0 / (1.0 - now.beta2_power));
  ForTuned([&](const TunedTensor& tuned) {
    const cllm_parameter_group& group = GroupOf(optimizer, tuned.place.role);
    const auto first = static_cast<size_t>(tuned.first), count = static_cast<size_t>(tuned.count);
    float *p = Floats(plan_.weights) + first, *gradient = Floats(plan_.gradients) + first;
    adamw.decay = Kept(group);
    if (plan_.method == CLLM_SGD) {
      const MomentumStep step = {group.learning_rate, adamw.decay, optimizer.momentum, gradient_scale};
      return Sgd(step, count, p, gradient, Floats(plan_.first_moments) + first);
    }
    adamw.rate = static_cast<float>(static_cast<double>(group.learning_rate) / (1.0 - now.beta1_power));
    if (plan_.method == CLLM_ADAMW) {
      return AdamW(adamw, count, p, gradient, Floats(plan_.first_moments) + first,
                   Floats(plan_.second_moments) + first);
    }
    AdamW8(adamw, count, p, gradient,
           {At<int8_t>(plan_.first_moments) + first, At<uint8_t>(plan_.second_moments) + first,
            At<uint16_t>(plan_.moment_scales) + first / kMomentBlock * 2});
  });
}

}  // namespace cllm
