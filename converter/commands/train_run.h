// Room: converter/commands. A run of `cllm train`, by one process or several: reads, trains, writes.
#ifndef CLLM_CONVERTER_COMMANDS_TRAIN_RUN_H_
#define CLLM_CONVERTER_COMMANDS_TRAIN_RUN_H_

#include "absl/status/status.h"
#include "converter/commands/train_options.h"

namespace cllm {

// Trains as asked, or goes on from options.resume. Under mpirun all processes come here; the first one
// prints and writes, and the others' errors have no words but through it.
absl::Status RunTraining(TrainCommandOptions options);

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_TRAIN_RUN_H_
