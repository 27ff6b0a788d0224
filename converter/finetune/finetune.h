// Room: converter/finetune. The loop around a tuner: which sequence when, rates, states for going on. The
// arithmetic is the runtime's, and a device that makes the same calls gets the same delta.
#ifndef CLLM_CONVERTER_FINETUNE_FINETUNE_H_
#define CLLM_CONVERTER_FINETUNE_FINETUNE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cllm/cllm.h"
#include "converter/finetune/sequences.h"

namespace cllm {

struct FinetuneOptions {
  cllm_tuner_limits limits{};  // struct_size need not be set
  uint32_t steps = 200;
  uint32_t batch = 8;  // sequences a step
  float rate = 2e-3f;  // at its highest: it rises over a twentieth of the steps, then falls to zero
  float weight_decay = 0.0f;
  float clip = 1.0f;
  uint64_t seed = 1;  // of the order of sequences
  const cllm_workers* workers = nullptr;

  std::string resume;                                         // a state to go on from; empty: from the start
  uint32_t save_interval = 0;                                 // steps; 0: never
  std::function<void(uint64_t step, std::string_view)> save;  // gets states
  std::function<void(uint64_t step, double loss)> progress;   // may be empty; nats a token of the step
  const std::atomic<int>* stop = nullptr;                     // ends the run after the step when not 0
};

struct FinetuneResult {
  std::string delta;
  cllm_tuner_info info{};
  uint64_t steps = 0;
  double first_loss = 0, last_loss = 0;  // nats a token: the mean over the data, before and after
  bool interrupted = false;
};

// Errors: InvalidArgument (limits, a state of another run), ResourceExhausted.
absl::StatusOr<FinetuneResult> Finetune(const cllm_model& model, const std::vector<TuningSequence>& sequences,
                                        const FinetuneOptions& options);

// Number of the sequence that comes at place `place` of a run: each comes once an epoch, in an order of the
// epoch's own.
class SequenceOrder {
 public:
  SequenceOrder(uint64_t seed, size_t count) : seed_(seed), order_(count) {}
  size_t At(uint64_t place);

 private:
  uint64_t seed_;
  uint64_t epoch_ = ~uint64_t{0};
  std::vector<size_t> order_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_FINETUNE_FINETUNE_H_
