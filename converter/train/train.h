// Room: converter/train. The training loop over batches of tokens: it drives the runtime's trainer with
// threads. No files and no printing: the command does that.
#ifndef CLLM_CONVERTER_TRAIN_TRAIN_H_
#define CLLM_CONVERTER_TRAIN_TRAIN_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/data/token_span.h"
#include "converter/export/panels.h"
#include "converter/train/configurations.h"
#include "converter/train/ranks.h"
#include "converter/train/training_state.h"

namespace cllm {

inline constexpr uint32_t kGoodSteps = 100, kMostReturns = 10;

struct TrainOptions {
  Recipe recipe;
  double minutes = 0;                // > 0: train for this long instead of recipe.steps; the schedule then
                                     // follows the clock, so that only a run by steps can be repeated exactly
  uint32_t threads = 1;              // the result does not depend on it
  uint64_t seed = 1;                 // of the batch offsets
  double validation_fraction = 0.1;  // the last part of the tokens; 0: no validation
  TokenSpan validation;              // if not empty: all of the validation part, and none of the tokens is
  bool shuffle = false;  // go through the text once an epoch (epochs.h), rather than draw windows at random
  // Not float32: train for this format. Losses and gradients are those of the weights rounded to it, also in
  // evaluations; the result has the weights that are to be rounded.
  Dtype format = Dtype::kF32;
  // The initial model has been trained. For a lattice format the run then starts from its points, calibrated
  // with windows of the tokens, and keeps their scales and multipliers; else these are chosen at each step.
  bool trained = false;
  uint32_t report_interval = 0;      // steps between progress reports; 0: about one a second
  uint32_t evaluation_interval = 0;  // steps between whole evaluations; 0: only at the end. With an interval
                                     // the result is the evaluated weights of the lowest validation loss
  uint32_t patience = 0;  // > 0: end after this many evaluations in a row without a new lowest loss
  uint32_t checkpoint_interval = 0;                      // steps between calls of `checkpoint`; 0: none
  std::function<void(const TrainingState&)> checkpoint;  // its `run` is empty
  const TrainingState* resume = nullptr;   // go on from here; weights of `initial` are then not used
  const std::atomic<int>* stop = nullptr;  // set by a signal handler: end early, keep the weights so far
  Ranks* ranks = nullptr;  // the processes that share the work, each with all of the tokens: results and
                           // errors are the same on all of them, and depend on recipe.segments only
};

struct TrainProgress {
  uint32_t step = 0;   // done
  uint32_t steps = 0;  // in all; an estimate in a run by minutes
  float loss = 0;      // training, nats a token: mean since the last report
  float learning_rate = 0;
  float gradient_norm = 0;       // before clipping
  double tokens_per_second = 0;  // since the start, evaluations left out
  double seconds = 0;            // since the start
  double seconds_left = 0;       // estimated
  bool went_back = false;        // to `step`, because the run diverged
  bool evaluated = false;        // validation_loss is of this very step
  double validation_loss = 0;
};

struct TrainResult {
  Checkpoint checkpoint;       // tokenizer, provenance and architecture as in the initial one
  RoundedTensors rounded;      // of a run that started from points: the matrices as they are to be written
  uint32_t steps = 0;          // done
  bool interrupted = false;    // by options.stop
  float training_loss = 0;     // mean of the last report
  double validation_loss = 0;  // mean nats a token over the whole validation part; NaN if there is none
  uint32_t best_step = 0;      // whose weights these are: `steps` or an earlier one
  uint64_t validation_tokens = 0;  // targets that were counted
  uint64_t training_tokens = 0;    // seen, with repetition
  double tokens_per_second = 0;
  double seconds = 0;
  uint64_t room_bytes = 0;
};

// Trains `initial` (all weights float32; moved in, it takes no memory during the run) on the first 1 -
// validation_fraction of `tokens`: batches of windows at uniform random offsets, as nanoGPT draws them, from
// a counter-based generator; where the tokenizer has a begin token, windows in the first part of a document
// begin with it (RandomBatch in schedule.h). The validation loss is the mean over non-overlapping windows
// that cover the whole validation part, every token but the first a target once. `progress` may be empty; it
// is called from the calling thread. A run that resumes from a checkpoint with the same recipe, steps, seed
// and tokens ends with the same weights as one that was never interrupted. Where loss or gradient are not
// finite it goes back to the last state kept, which is at most kGoodSteps steps old or the last checkpoint,
// with a quarter of the learning rate. Errors: InvalidArgument (too few tokens for a window, a token outside
// the vocabulary, recipe out of range, a state of another model, ranks with different models or tokens),
// Internal (still not finite after kMostReturns returns).
absl::StatusOr<TrainResult> Train(const TrainOptions& options, Checkpoint initial, TokenSpan tokens,
                                  const std::function<void(const TrainProgress&)>& progress);

// "step  120/2000  loss 2.3456  rate 9.8e-04  184,000 tok/s  1:23 left": one line without its end.
std::string FormatProgress(const TrainProgress& progress);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TRAIN_TRAIN_H_
