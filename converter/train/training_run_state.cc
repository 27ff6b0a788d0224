// Where a run stands: into a checkpoint and back, and the best weights so far.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "converter/train/training_run.h"

namespace cllm {

// All tensors at once: they lie one after the other.
absl::Span<float> TrainingRun::Part(cllm_trainer_part part) {
  float* first = nullptr;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < file_.model().tensor_count; ++i) {
    float* data = nullptr;
    uint64_t count = 0;
    cllm_trainer_tensor(trainer_, i, part, &data, &count);
    if (i == 0) first = data;
    sum += count;
  }
  return {first, static_cast<size_t>(sum)};
}

void TrainingRun::NoteEvaluation(double loss) {
  if (best_step_ != 0 && !(loss < best_loss_)) return;
  best_step_ = step_;
  best_loss_ = loss;
  const absl::Span<float> weights = Part(CLLM_TRAINER_WEIGHT);
  best_weights_.assign(weights.begin(), weights.end());
}

// At the end, with the loss of the last weights: goes back to the best ones if they are better.
void TrainingRun::TakeBest(double* loss) {
  if (best_step_ == 0 || !(best_loss_ < *loss)) {
    best_step_ = step_;
    return;
  }
  std::copy(best_weights_.begin(), best_weights_.end(), Part(CLLM_TRAINER_WEIGHT).begin());
  *loss = best_loss_;
}

absl::Status TrainingRun::Resume(const TrainingState& state) {
  const std::pair<cllm_trainer_part, const std::vector<float>*> parts[] = {
      {CLLM_TRAINER_WEIGHT, &state.weights},
      {CLLM_TRAINER_FIRST_MOMENT, &state.first_moments},
      {CLLM_TRAINER_SECOND_MOMENT, &state.second_moments}};
  for (const auto& [part, stored] : parts) {
    const absl::Span<float> floats = Part(part);
    if (stored->size() != floats.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the checkpoint has ", stored->size(), " weights; the model has ", floats.size()));
    }
    std::copy(stored->begin(), stored->end(), floats.begin());
  }
  if (!state.best_weights.empty() && state.best_weights.size() != state.weights.size()) {
    return absl::InvalidArgumentError("the checkpoint's best weights are of another model");
  }
  best_step_ = state.best_step;
  best_loss_ = state.best_loss;
  best_weights_ = state.best_weights;
  step_ = state.step;
  start_ -= state.seconds;
  const cllm_trainer_state powers = {sizeof(powers), 0, state.beta1_power, state.beta2_power};
  return ExplainStatus(cllm_trainer_set_state(trainer_, &powers), "the checkpoint");
}

void TrainingRun::MakeCheckpoint() {
  const double begin = Now();
  cllm_trainer_state powers = {sizeof(powers), 0, 0, 0};
  cllm_trainer_get_state(trainer_, &powers);
  const auto copy = [&](cllm_trainer_part part) {
    const absl::Span<float> floats = Part(part);
    return std::vector<float>(floats.begin(), floats.end());
  };
  TrainingState state;
  state.step = step_;
  state.seconds = Elapsed();
  state.beta1_power = powers.beta1_power;
  state.beta2_power = powers.beta2_power;
  state.weights = copy(CLLM_TRAINER_WEIGHT);
  state.first_moments = copy(CLLM_TRAINER_FIRST_MOMENT);
  state.second_moments = copy(CLLM_TRAINER_SECOND_MOMENT);
  state.best_step = best_step_;
  state.best_loss = best_loss_;
  state.best_weights = best_weights_;
  options_.checkpoint(state);
  evaluation_seconds_ += Now() - begin;
}

}  // namespace cllm
