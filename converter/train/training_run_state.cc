// Where a run stands: into a checkpoint and back, and the best weights so far.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/ranges.h"
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

// Not the best weights so far.
absl::Status TrainingRun::Restore(const TrainingState& state) {
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
  if (state.average_weights.size() != average_.size()) {
    return absl::InvalidArgumentError("the checkpoint's average of weights is of another run");
  }
  average_ = state.average_weights;
  step_ = state.step;
  const cllm_trainer_state powers = {sizeof(powers), 0, state.beta1_power, state.beta2_power};
  return ExplainStatus(cllm_trainer_set_state(trainer_, &powers), "the checkpoint");
}

absl::Status TrainingRun::Resume(const TrainingState& state) {
  if (absl::Status status = Restore(state); !status.ok()) return status;
  if (!state.best_weights.empty() && state.best_weights.size() != state.weights.size()) {
    return absl::InvalidArgumentError("the checkpoint's best weights are of another model");
  }
  best_step_ = state.best_step;
  best_loss_ = state.best_loss;
  best_weights_ = state.best_weights;
  rate_factor_ = state.rate_factor;
  first_loss_ = state.first_loss;
  start_ -= state.seconds;
  clock_ = state.seconds;
  return absl::OkStatus();
}

TrainingState TrainingRun::State() {
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
  state.rate_factor = rate_factor_;
  state.first_loss = first_loss_;
  state.weights = copy(CLLM_TRAINER_WEIGHT);
  state.first_moments = copy(CLLM_TRAINER_FIRST_MOMENT);
  state.second_moments = copy(CLLM_TRAINER_SECOND_MOMENT);
  state.average_weights = average_;
  return state;
}

// For divergences, and as a checkpoint where one is due. A checkpoint is always a state to go back to: so a
// run that goes on from it goes back to where the run that made it would have gone.
void TrainingRun::KeepState() {
  const uint32_t interval = options_.checkpoint_interval;
  const bool due = interval != 0 && step_ != 0 && step_ % interval == 0;
  if (!due && step_ % kGoodSteps != 0) return;
  const double begin = Now();
  good_ = TrainingState();  // so that there are never two of them
  good_ = State();
  if (due && options_.checkpoint) {
    TrainingState state = good_;
    state.best_step = best_step_;
    state.best_loss = best_loss_;
    state.best_weights = best_weights_;
    options_.checkpoint(state);
  }
  evaluation_seconds_ += Now() - begin;
}

absl::Status TrainingRun::GoBack() {
  if (++returns_ > kMostReturns) {
    return absl::InternalError(absl::StrCat("training diverges after step ", step_,
                                            ", even with a learning rate of ", report_.learning_rate,
                                            ". Use a smaller one from the start."));
  }
  rate_factor_ *= 0.25;
  report_.went_back = true;
  return Restore(good_);
}

// After a step. The first ones count more, or the average would be of the first weights for long.
void TrainingRun::UpdateAverage() {
  if (average_.empty()) return;
  const float warm = static_cast<float>(step_ + 1) / static_cast<float>(step_ + 10);
  const float rest = 1.0f - std::min(options_.recipe.average, warm);
  const absl::Span<const float> weights = Part(CLLM_TRAINER_WEIGHT);
  ForRanges(pool_.workers(), weights.size(), 2, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) average_[i] += rest * (weights[i] - average_[i]);
  });
}

// At the end: the weights are then the average.
void TrainingRun::TakeAverage() {
  std::copy(average_.begin(), average_.end(), Part(CLLM_TRAINER_WEIGHT).begin());
  average_.clear();
}

// The average takes the weights' place meanwhile.
absl::Status TrainingRun::EvaluateAndNote() {
  const absl::Span<float> weights = Part(CLLM_TRAINER_WEIGHT);
  std::swap_ranges(average_.begin(), average_.end(), weights.begin());
  uint64_t counted;
  absl::Status status = EvaluateAll(&report_.validation_loss, &counted);
  if (status.ok()) NoteEvaluation(report_.validation_loss);
  std::swap_ranges(average_.begin(), average_.end(), weights.begin());
  return status;
}

}  // namespace cllm
