#include "base/layout.h"
#include "base/ranges.h"
#include "kernels/optimizer.h"
#include "kernels/vector.h"
#include "trainer/muon.h"
#include "trainer/optimizer_groups.h"
#include "trainer/trainer.h"

namespace cllm {
namespace {

bool Power(double x) { return x >= 0.0 && x <= 1.0; }

}  // namespace

// Squares are summed by segments of a fixed size, then the segments' sums upwards.
float Trainer::GradientNorm() {
  const float* gradients = Floats(plan_.gradients);
  float* sums = Floats(plan_.segment_sums);
  const size_t floats = static_cast<size_t>(plan_.weight_floats);
  const size_t segment = static_cast<size_t>(kNormSegment);
  const size_t segments = (floats + segment - 1) / segment;
  ForRanges(workers(), segments, segment / 4, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t rest = floats - i * segment;
      sums[i] = SumOfSquares(gradients + i * segment, rest < segment ? rest : segment);
    }
  });
  double sum = 0.0;
  for (size_t i = 0; i < segments; ++i) sum += static_cast<double>(sums[i]);
  return __builtin_sqrtf(static_cast<float>(sum));
}

Status Trainer::Update(const cllm_optimizer& optimizer, float* gradient_norm) {
  CLLM_RETURN_IF_ERROR(CheckOptimizer(optimizer));
  const float norm = GradientNorm();
  if (gradient_norm != nullptr) *gradient_norm = norm;
  if (!(norm <= kLargestFloat)) {
    float* gradients = Floats(plan_.gradients);
    for (uint64_t i = 0; i < plan_.weight_floats; ++i) gradients[i] = 0.0f;
    return CLLM_OK;
  }
  Apply(optimizer, optimizer.clip > 0.0f && norm > optimizer.clip ? optimizer.clip / norm : 1.0f);
  return CLLM_OK;
}

// Without a group's rate and decay: `rate` is what a learning rate of 1 would make it.
AdamWStep Trainer::NextAdamWStep(const cllm_optimizer& optimizer, float gradient_scale) {
  beta1_power_ *= static_cast<double>(optimizer.beta1);
  beta2_power_ *= static_cast<double>(optimizer.beta2);
  AdamWStep step = {};
  step.beta1 = optimizer.beta1;
  step.beta2 = optimizer.beta2;
  step.inverse_correction2 = static_cast<float>(1.0 / (1.0 - beta2_power_));
  step.epsilon = optimizer.epsilon;
  step.gradient_scale = gradient_scale;
  return step;
}

void Trainer::Apply(const cllm_optimizer& optimizer, float gradient_scale) {
  const bool sgd = plan_.method == CLLM_SGD, muon = plan_.method == CLLM_MUON;
  AdamWStep adamw = {};
  if (!sgd) adamw = NextAdamWStep(optimizer, gradient_scale);
  const MomentumStep momentum = {0, 0, optimizer.momentum, gradient_scale};
  const uint64_t* offsets = At<uint64_t>(plan_.tensor_offsets);
  const uint64_t* adamw_offsets = At<uint64_t>(plan_.adamw_offsets);
  float* weights = Floats(plan_.weights);
  float* gradients = Floats(plan_.gradients);
  float* moments = Floats(plan_.first_moments);
  ForWeights([&](uint32_t i, uint64_t begin, uint64_t end) {
    const Role role = TensorAt(model_, i).role;
    const cllm_parameter_group& group = GroupOf(optimizer, role);
    const size_t count = static_cast<size_t>(end - begin);
    MomentumStep part = momentum;
    part.rate = group.learning_rate;
    part.decay = Kept(group);
    if (sgd) return Sgd(part, count, weights + begin, gradients + begin, moments + begin);
    if (muon && IsLayerMatrix(role)) {
      return NesterovMomentum(part, count, gradients + begin, moments + begin);
    }
    AdamWStep step = adamw;
    step.rate = static_cast<float>(static_cast<double>(group.learning_rate) / (1.0 - beta1_power_));
    step.decay = part.decay;
    AdamW(step, count, weights + begin, gradients + begin, moments + begin,
          Floats(plan_.second_moments) + adamw_offsets[i] + (begin - offsets[i]));
  });
  if (!muon) return;
  Orthogonalize();
  const MomentumStep step = {optimizer.matrices.learning_rate, Kept(optimizer.matrices), 0, 0};
  ForWeights([&](uint32_t i, uint64_t begin, uint64_t end) {
    if (!IsLayerMatrix(TensorAt(model_, i).role)) return;
    Descend(step, static_cast<size_t>(end - begin), weights + begin, gradients + begin);
  });
}

Status Trainer::GetState(cllm_trainer_state* state) const {
  if (state->struct_size != sizeof(*state)) return CLLM_STRUCT_SIZE;
  state->reserved = 0;
  state->beta1_power = beta1_power_;
  state->beta2_power = beta2_power_;
  return CLLM_OK;
}

Status Trainer::SetState(const cllm_trainer_state& state) {
  if (state.struct_size != sizeof(state)) return CLLM_STRUCT_SIZE;
  if (!Power(state.beta1_power) || !Power(state.beta2_power)) return CLLM_OPTIMIZER_RANGE;
  beta1_power_ = state.beta1_power;
  beta2_power_ = state.beta2_power;
  return CLLM_OK;
}

}  // namespace cllm
