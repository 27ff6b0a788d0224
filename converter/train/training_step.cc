// One step of a run, shared with other ranks where there are any, and evaluations.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "cllm/cllm.h"
#include "converter/train/epochs.h"
#include "converter/train/rounded_weights.h"
#include "converter/train/schedule.h"
#include "converter/train/training_run.h"

namespace cllm {

// Adds the gradient of one of the step's segments; *loss: the sum of its sequences' losses.
absl::Status TrainingRun::ComputeSegment(uint32_t segment, double* loss) {
  const Recipe& recipe = options_.recipe;
  const uint64_t step_sequences = StepSequences(), first = step_ * step_sequences;
  uint64_t at = first + PartBegin(step_sequences, segment, recipe.segments);
  const uint64_t end = first + PartBegin(step_sequences, segment + 1, recipe.segments);
  const cllm_regularization regularization = {
      sizeof(regularization), recipe.dropout, recipe.label_smoothing, 0, options_.seed, at};
  if (cllm_status status = cllm_trainer_regularize(trainer_, &regularization); status != CLLM_OK) {
    return ExplainStatus(status, "dropout and label smoothing");
  }
  *loss = 0;
  while (at < end) {
    const uint32_t sequences = static_cast<uint32_t>(std::min<uint64_t>(CallSequences(), end - at));
    const Batch batch =
        options_.shuffle ? ShuffledBatch(recipe.length, training_, options_.seed, at, sequences)
                         : RandomBatch(recipe.length, training_, begin_token_, options_.seed, at, sequences);
    const float weight = static_cast<float>(sequences) / static_cast<float>(step_sequences);
    float mean = 0;
    const cllm_status status = cllm_trainer_accumulate(trainer_, batch.inputs.data(), batch.targets.data(),
                                                       sequences, recipe.length, weight, &mean);
    if (status != CLLM_OK) return ExplainStatus(status, "training step");
    *loss += static_cast<double>(mean) * sequences;
    at += sequences;
  }
  return absl::OkStatus();
}

// All of this rank's segments, into the gradient and their places of `losses`.
absl::Status TrainingRun::ComputeSegments(std::vector<double>* losses) {
  for (uint32_t segment = tree_.begin(); segment < tree_.end(); ++segment) {
    absl::Status status = ComputeSegment(segment, &(*losses)[segment]);
    if (!status.ok()) return status;
    tree_.Add(Part(CLLM_TRAINER_GRADIENT));
  }
  return absl::OkStatus();
}

// What has to be the same on all ranks: whether to go on, the losses of all segments, and rank 0's clock.
absl::Status TrainingRun::ShareProgress(const absl::Status& status, std::vector<double>* losses) {
  Ranks* const ranks = options_.ranks;
  if (ranks == nullptr) return status;
  struct News {
    double elapsed;
    uint32_t failed, stop;
  };
  std::vector<News> news(ranks->count());
  std::vector<uint64_t> news_offsets, loss_offsets;
  for (uint32_t r = 0; r <= ranks->count(); ++r) {
    news_offsets.push_back(r * sizeof(News));
    loss_offsets.push_back(PartBegin(losses->size(), r, ranks->count()) * sizeof(double));
  }
  const bool stop = options_.stop != nullptr && options_.stop->load() != 0;
  news[ranks->rank()] = {Elapsed(), !status.ok(), stop};
  ranks->Gather(news.data(), news_offsets);
  if (std::any_of(news.begin(), news.end(), [](const News& n) { return n.failed != 0; })) {
    return Agree(ranks, status);
  }
  clock_ = news[0].elapsed;
  stopped_ = std::any_of(news.begin(), news.end(), [](const News& n) { return n.stop != 0; });
  ranks->Gather(losses->data(), loss_offsets);
  return absl::OkStatus();
}

absl::Status TrainingRun::Step(float* loss) {
  std::vector<double> losses(options_.recipe.segments);
  {
    const RoundedWeights rounded(file_.model(), trainer_, options_.format, Lattice(), pool_.workers());
    absl::Status status = ShareProgress(ComputeSegments(&losses), &losses);
    if (!status.ok()) return status;
  }
  tree_.Finish(Part(CLLM_TRAINER_GRADIENT));
  double sum = 0;
  for (const double segment : losses) sum += segment;
  *loss = static_cast<float>(sum / static_cast<double>(StepSequences()));
  report_.learning_rate = static_cast<float>(rate_factor_ * LearningRate(options_.recipe, ScheduleStep()));
  const cllm_optimizer optimizer = OptimizerAt(options_.recipe, report_.learning_rate);
  const cllm_status updated = cllm_trainer_update(trainer_, &optimizer, &report_.gradient_norm);
  if (updated != CLLM_OK) return ExplainStatus(updated, "the training recipe");
  ++step_;
  return absl::OkStatus();
}

absl::Status TrainingRun::StepOrReturn(float* loss) {
  report_.went_back = false;
  if (absl::Status status = Step(loss); !status.ok()) return status;
  if (step_ == 1) first_loss_ = *loss;
  // Written so that what is not a number has diverged, too.
  const double most = first_loss_ + std::log(static_cast<double>(file_.model().config.vocabulary_size));
  if (!(*loss <= most) || !std::isfinite(report_.gradient_norm)) return GoBack();
  UpdateAverage();
  loss_sum_ += *loss;
  ++loss_count_;
  return absl::OkStatus();
}

// The sum of all batches' losses in the batches' order; of batch i rank i modulo the number of ranks has
// computed it. `own`: those of this rank, of `batches` in all.
double TrainingRun::SumOfLosses(const std::vector<double>& own, uint64_t batches) {
  const uint64_t ranks = options_.ranks != nullptr ? options_.ranks->count() : 1;
  std::vector<uint64_t> begins = {0}, offsets = {0};
  for (uint64_t r = 0; r < ranks; ++r) {
    begins.push_back(begins.back() + (batches + ranks - 1 - r) / ranks);
    offsets.push_back(begins.back() * sizeof(double));
  }
  std::vector<double> losses(batches);
  const uint64_t rank = options_.ranks != nullptr ? options_.ranks->rank() : 0;
  std::copy(own.begin(), own.end(), losses.begin() + static_cast<ptrdiff_t>(begins[rank]));
  if (options_.ranks != nullptr) options_.ranks->Gather(losses.data(), offsets);
  double sum = 0;
  for (uint64_t i = 0; i < batches; ++i) sum += losses[begins[i % ranks] + i / ranks];
  return sum;
}

absl::Status TrainingRun::EvaluateAll(double* loss, uint64_t* counted) {
  const double begin = Now();
  const RoundedWeights rounded(file_.model(), trainer_, options_.format, Lattice(), pool_.workers());
  const uint32_t length = options_.recipe.length;
  const uint64_t ranks = options_.ranks != nullptr ? options_.ranks->count() : 1;
  const uint64_t rank = options_.ranks != nullptr ? options_.ranks->rank() : 0;
  std::vector<double> own;
  absl::Status status;
  uint64_t batches = 0;
  *counted = 0;
  for (uint64_t position = 0;; ++batches) {
    const Batch batch = CoveringBatch(length, validation_, begin_token_, CallSequences(), &position);
    if (batch.sequences == 0) break;
    *counted += batch.counted;
    if (batches % ranks != rank) continue;
    float mean = 0;
    const cllm_status evaluated = cllm_trainer_evaluate(trainer_, batch.inputs.data(), batch.targets.data(),
                                                        batch.sequences, length, &mean);
    if (evaluated != CLLM_OK) {
      status = ExplainStatus(evaluated, "evaluation");
      break;
    }
    own.push_back(static_cast<double>(mean) * batch.counted);
  }
  if (status = Agree(options_.ranks, status); !status.ok()) return status;
  const double sum = SumOfLosses(own, batches);
  *loss = *counted != 0 ? sum / static_cast<double>(*counted) : std::numeric_limits<double>::quiet_NaN();
  evaluation_seconds_ += Now() - begin;
  return absl::OkStatus();
}

}  // namespace cllm
