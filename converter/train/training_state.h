// Room: converter/train. Where a training run stands, as a file: a run that was killed goes on from the
// newest one and ends with the weights, to the bit, of a run that was not.
#ifndef CLLM_CONVERTER_TRAIN_TRAINING_STATE_H_
#define CLLM_CONVERTER_TRAIN_TRAINING_STATE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cllm {

// The random streams are counted by the step, so that the step is their position.
struct TrainingState {
  std::string run;     // what the run was asked for, for the command to read again: UTF-8
  uint32_t step = 0;   // done
  double seconds = 0;  // of training so far
  double beta1_power = 1, beta2_power = 1;  // cllm_trainer_state
  double rate_factor = 1;                   // what divergences have left of the learning rate
  double first_loss = 0;                    // of the first step
  // All tensors in the order of the file's table, as they are stored; second moments of those that have them.
  std::vector<float> weights, first_moments, second_moments;
  std::vector<float> average_weights;  // none without an average
  // Of the evaluation with the lowest validation loss; step 0 and no weights if there is none.
  uint32_t best_step = 0;
  double best_loss = 0;
  std::vector<float> best_weights;
};

// The bytes of a state: "CLLMRUN1", the length of a JSON head and the head, the floats, and the SHA-256 of
// all before it.
std::string StateToBytes(const TrainingState& state);

// Error: DataLoss, for anything but the exact bytes of a state.
absl::StatusOr<TrainingState> StateFromBytes(std::string_view bytes);

// Writes the state into `folder` (made where it is missing) as step-NNNNNNNNNN.state, whole or not at all,
// and then removes all but the newest `keep` (at least 1).
absl::Status WriteState(const std::string& folder, const TrainingState& state, uint32_t keep);

// The newest state in `folder` that can be read. *skipped: the errors of newer ones that cannot, one a line.
// Error: NotFound, with those errors, if there is none.
absl::StatusOr<TrainingState> ReadNewestState(const std::string& folder, std::string* skipped);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TRAIN_TRAINING_STATE_H_
