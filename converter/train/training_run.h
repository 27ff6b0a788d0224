// Room: converter/train. One training run, for Train: the model, its trainer in a room of its own, and where
// the run is.
#ifndef CLLM_CONVERTER_TRAIN_TRAINING_RUN_H_
#define CLLM_CONVERTER_TRAIN_TRAINING_RUN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "cllm/cllm.h"
#include "converter/import/model_file.h"
#include "converter/train/train.h"
#include "posix/thread_pool.h"

namespace cllm {

class TrainingRun {
 public:
  TrainingRun(const TrainOptions& options, ModelFile file)
      : options_(options), file_(std::move(file)), pool_(options.threads) {}

  absl::Status Start(TokenSpan tokens);
  absl::Status Steps(const std::function<void(const TrainProgress&)>& progress);
  absl::Status EvaluateAll(double* loss, uint64_t* counted);
  bool Stopped() const { return options_.stop != nullptr && options_.stop->load(); }
  void TakeAverage();
  void TakeBest(double* loss);
  TrainResult Result(const Checkpoint& initial);

 private:
  struct AlignedDelete {
    void operator()(uint8_t* bytes) const { ::operator delete[](bytes, std::align_val_t{CLLM_ALIGNMENT}); }
  };

  static double Now();  // seconds
  absl::Status Step(float* loss);
  absl::Status StepOrReturn(float* loss);
  absl::Status GoBack();
  absl::Status EvaluateAndNote();
  void UpdateAverage();
  bool Finished() const;
  double ScheduleStep() const;
  uint64_t StepTokens() const {
    return uint64_t{options_.recipe.batch} * options_.recipe.accumulate * options_.recipe.length;
  }
  double Elapsed() const { return Now() - start_ - evaluation_seconds_; }
  void Report(const std::function<void(const TrainProgress&)>& progress);
  absl::Status Resume(const TrainingState& state);
  absl::Status Restore(const TrainingState& state);
  TrainingState State();
  void KeepState();
  absl::Span<float> Part(cllm_trainer_part part);
  void NoteEvaluation(double loss);

  const TrainOptions& options_;
  ModelFile file_;
  ThreadPool pool_;
  std::unique_ptr<uint8_t[], AlignedDelete> room_;
  uint64_t room_bytes_ = 0;
  cllm_trainer* trainer_ = nullptr;
  TokenSpan training_, validation_;
  double start_ = 0, evaluation_seconds_ = 0;
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
