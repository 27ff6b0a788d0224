// Room: converter/train. How much of a step's batch goes through the model at once; the gradients of the
// parts add up.
#ifndef CLLM_CONVERTER_TRAIN_SEQUENCES_AT_ONCE_H_
#define CLLM_CONVERTER_TRAIN_SEQUENCES_AT_ONCE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "cllm/cllm.h"

namespace cllm {

// So many of limits.sequences, one at least, that their activations take a third of what weights, gradients
// and moments do, but 128 tokens in any case: products of fewer are slower, and larger parts are no faster,
// for their activations leave the cache. Fails where the trainer cannot be measured.
absl::StatusOr<uint32_t> SequencesAtOnce(const cllm_model* model, cllm_trainer_limits limits);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TRAIN_SEQUENCES_AT_ONCE_H_
