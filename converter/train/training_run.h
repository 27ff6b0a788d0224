// Room: converter/train. One training run, for Train: the model, its trainer in a room of its own, and where
// the run is.
#ifndef CLLM_CONVERTER_TRAIN_TRAINING_RUN_H_
#define CLLM_CONVERTER_TRAIN_TRAINING_RUN_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "cllm/cllm.h"
#include "converter/import/model_file.h"
#include "converter/run/room.h"
#include "converter/train/gradient_tree.h"
#include "converter/train/lattice_weights.h"
#include "converter/train/train.h"
#include "posix/thread_pool.h"

namespace cllm {

class TrainingRun {
 public:
  TrainingRun(const TrainOptions& options, ModelFile file)
      : options_(options),
        file_(std::move(file)),
        pool_(options.threads),
        tree_(options.recipe.segments, options.ranks, pool_.workers()) {}

  absl::Status Start(TokenSpan tokens);
  absl::Status Steps(const std::function<void(const TrainProgress&)>& progress);
  absl::Status EvaluateAll(double* loss, uint64_t* counted);
  // The same on all ranks: what they agreed on in the last step.
  bool Stopped() const {
    if (options_.ranks != nullptr) return stopped_;
    return options_.stop != nullptr && options_.stop->load() != 0;
  }
  void TakeAverage();
  void TakeBest(double* loss);
  TrainResult Result(Checkpoint initial);

 private:
  static double Now();  // seconds
  cllm_trainer_limits Limits(uint32_t sequences) const;
  absl::Status PlanRoom();
  RoundedTensors CalibratedPoints() const;
  absl::Status StartFromPoints();
  absl::Status HireTeacher();
  absl::Status ComputeSegment(uint32_t segment, double* loss);
  absl::Status ComputeSegments(std::vector<double>* losses);
  absl::Status ShareProgress(const absl::Status& status, std::vector<double>* losses);
  double SumOfLosses(const std::vector<double>& own, uint64_t batches);
  absl::Status Step(float* loss);
  absl::Status StepOrReturn(float* loss);
  absl::Status GoBack();
  absl::Status EvaluateAndNote();
  void UpdateAverage();
  bool Finished() const;
  double ScheduleStep() const;
  uint64_t StepSequences() const { return uint64_t{options_.recipe.batch} * options_.recipe.accumulate; }
  uint64_t StepTokens() const { return StepSequences() * options_.recipe.length; }
  // At once, at most: a segment's, or a batch of it, or a part of that.
  uint32_t CallSequences() const {
    const uint64_t segment = (StepSequences() + options_.recipe.segments - 1) / options_.recipe.segments;
    return static_cast<uint32_t>(std::min<uint64_t>({options_.recipe.batch, segment, at_once_}));
  }
  double Elapsed() const { return Now() - start_ - evaluation_seconds_; }
  // What decisions go by: with ranks, rank 0's time at the last step.
  double Clock() const { return options_.ranks != nullptr ? clock_ : Elapsed(); }
  void Report(const std::function<void(const TrainProgress&)>& progress);
  absl::Status Resume(const TrainingState& state);
  absl::Status Restore(const TrainingState& state);
  TrainingState State();
  void KeepState();
  absl::Span<float> Part(cllm_trainer_part part);
  LatticeWeights* Lattice() { return lattice_.has_value() ? &*lattice_ : nullptr; }
  void NoteEvaluation(double loss);

  const TrainOptions& options_;
  ModelFile file_;
  ThreadPool pool_;
  GradientTree tree_;
  std::optional<Room> room_, teacher_room_;
  uint64_t room_bytes_ = 0;
  uint32_t at_once_ = 0xFFFFFFFF;  // sequences
  cllm_trainer* trainer_ = nullptr;
  std::optional<LatticeWeights> lattice_;
  TokenSpan training_, validation_;
  double start_ = 0, evaluation_seconds_ = 0;
  double clock_ = 0;      // with ranks
  bool stopped_ = false;  // with ranks
  uint32_t begin_token_ = CLLM_NO_TOKEN;
  uint32_t step_ = 0;
  uint32_t best_step_ = 0;  // of the evaluations
  double best_loss_ = 0;
  std::vector<float> best_weights_;
  std::vector<float> average_;  // of weights; empty without one
  TrainingState good_;          // to go back to
  double rate_factor_ = 1;
  double first_loss_ = 0;  // of the first step
  uint32_t returns_ = 0;
  TrainProgress report_;
  double loss_sum_ = 0;  // since the last report
  uint32_t loss_count_ = 0;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_TRAIN_TRAINING_RUN_H_
