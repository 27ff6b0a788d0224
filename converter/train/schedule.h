// Room: converter/train. What a training run computes beside the model: rates, windows, lines of progress.
#ifndef CLLM_CONVERTER_TRAIN_SCHEDULE_H_
#define CLLM_CONVERTER_TRAIN_SCHEDULE_H_

#include <cstdint>
#include <vector>

#include "cllm/cllm.h"
#include "converter/data/token_span.h"
#include "converter/train/configurations.h"

namespace cllm {

// The learning rate of step `step` (from 0, may be fractional) of recipe.steps: up linearly, then down to
// final_rate_fraction of the highest: on a cosine (Loshchilov and Hutter, arXiv 1608.03983), on a line, not
// at all, or on a line in the last fifth of the steps (Hu et al., MiniCPM, arXiv 2404.06395). Computed
// without libm: the same on every host.
float LearningRate(const Recipe& recipe, double step);

// The recipe's optimiser at a learning rate, for cllm_trainer_update.
cllm_optimizer OptimizerAt(const Recipe& recipe, float rate);

// [sequences][length] inputs and their next tokens; CLLM_NO_TOKEN where there is none.
struct Batch {
  std::vector<uint32_t> inputs;
  std::vector<uint32_t> targets;
  uint32_t sequences = 0;
  uint32_t counted = 0;  // targets that are not CLLM_NO_TOKEN
};

// Windows at uniform random offsets: draws `first` and following of the seed's stream for batches, one for
// each sequence of a run, so that a step sees the same windows however it is cut into batches. tokens must be
// longer than `length`. A window that would begin less than its length behind a begin_token begins there
// instead: a document is read from its beginning, as in use, and all but the first part of a long one from
// anywhere. CLLM_NO_TOKEN: there is none.
Batch RandomBatch(uint32_t length, TokenSpan tokens, uint32_t begin_token, uint64_t seed, uint64_t first,
                  uint32_t sequences);

// The next `most` windows of those that cover all tokens without overlap, from *position on, which moves
// behind them; sequences is 0 at the end. A window ends where the next document begins.
Batch CoveringBatch(uint32_t length, TokenSpan tokens, uint32_t begin_token, uint32_t most,
                    uint64_t* position);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TRAIN_SCHEDULE_H_
