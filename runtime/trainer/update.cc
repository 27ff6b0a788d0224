#include "base/layout.h"
#include "base/ranges.h"
#include "kernels/vector.h"
#include "trainer/trainer.h"

namespace cllm {
namespace {

constexpr float kLargest = 3.40282347e38f;

bool NotNegative(float x) { return x >= 0.0f && x <= kLargest; }
bool Fraction(float x) { return x >= 0.0f && x < 1.0f; }
bool Power(double x) { return x >= 0.0 && x <= 1.0; }

bool IsNorm(Role role) {
  return role == Role::kAttentionNorm || role == Role::kFeedForwardNorm || role == Role::kFinalNorm;
}

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

Status Trainer::Update(const cllm_adamw& adamw, float* gradient_norm) {
  if (adamw.struct_size != sizeof(cllm_adamw)) return CLLM_STRUCT_SIZE;
  if (!NotNegative(adamw.learning_rate) || !NotNegative(adamw.weight_decay) || !NotNegative(adamw.clip) ||
      !NotNegative(adamw.epsilon) || adamw.epsilon == 0.0f || !Fraction(adamw.beta1) ||
      !Fraction(adamw.beta2)) {
    return CLLM_OPTIMIZER_RANGE;
  }
  const float norm = GradientNorm();
  if (gradient_norm != nullptr) *gradient_norm = norm;
  if (!(norm <= kLargest)) {
    float* gradients = Floats(plan_.gradients);
    for (uint64_t i = 0; i < plan_.weight_floats; ++i) gradients[i] = 0.0f;
    return CLLM_OK;
  }
  Apply(adamw, adamw.clip > 0.0f && norm > adamw.clip ? adamw.clip / norm : 1.0f);
  return CLLM_OK;
}

void Trainer::Apply(const cllm_adamw& adamw, float gradient_scale) {
  beta1_power_ *= static_cast<double>(adamw.beta1);
  beta2_power_ *= static_cast<double>(adamw.beta2);
  AdamWStep step;
  step.rate = static_cast<float>(static_cast<double>(adamw.learning_rate) / (1.0 - beta1_power_));
  step.beta1 = adamw.beta1;
  step.beta2 = adamw.beta2;
  step.inverse_correction2 = static_cast<float>(1.0 / (1.0 - beta2_power_));
  step.epsilon = adamw.epsilon;
  step.gradient_scale = gradient_scale;
  const uint64_t* offsets = At<uint64_t>(plan_.tensor_offsets);
  const float undecayed = 1.0f, decayed = 1.0f - adamw.learning_rate * adamw.weight_decay;
  // One fork for all tensors: a range of weights may begin in one and end in another.
  const size_t panels = static_cast<size_t>(plan_.weight_floats) / kPanel;
  ForRanges(workers(), panels, kPanel * 8, [&](size_t first, size_t last) {
    AdamWStep part = step;
    for (uint32_t i = 0; i < model_.tensor_count; ++i) {
      const uint64_t begin = offsets[i] > first * kPanel ? offsets[i] : first * kPanel;
      const uint64_t end = offsets[i + 1] < last * kPanel ? offsets[i + 1] : last * kPanel;
      if (begin >= end) continue;
      part.decay = IsNorm(TensorAt(model_, i).role) ? undecayed : decayed;
      const uint64_t at = begin * sizeof(float);
      AdamW(part, static_cast<size_t>(end - begin), Floats(plan_.weights + at), Floats(plan_.gradients + at),
            Floats(plan_.first_moments + at), Floats(plan_.second_moments + at));
    }
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
