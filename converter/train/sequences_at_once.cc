#include "converter/train/sequences_at_once.h"

#include <algorithm>

#include "converter/import/model_file.h"

namespace cllm {

absl::StatusOr<uint32_t> SequencesAtOnce(const cllm_model* model, cllm_trainer_limits limits) {
  constexpr uint64_t kRowsAtOnce = 128;
  const uint64_t most = limits.sequences;
  uint64_t all = 0, one = 0;
  cllm_status status = cllm_trainer_measure(model, &limits, &all);
  limits.sequences = 1;
  if (status == CLLM_OK) status = cllm_trainer_measure(model, &limits, &one);
  if (status != CLLM_OK) return ExplainStatus(status, "the training recipe");
  if (all == one) return static_cast<uint32_t>(most);
  const uint64_t each = (all - one) / (most - 1), fixed = one > each ? one - each : 0;
  const uint64_t fast = (kRowsAtOnce + limits.length - 1) / limits.length;
  return static_cast<uint32_t>(std::min(most, std::max(fast, fixed / (3 * each))));
}

}  // namespace cllm
