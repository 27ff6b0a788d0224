// Room: converter/train. Model shapes and training recipes by name: for `cllm train --config` and
// `cllm bench --shape`. Numbers only.
#ifndef CLLM_CONVERTER_TRAIN_CONFIGURATIONS_H_
#define CLLM_CONVERTER_TRAIN_CONFIGURATIONS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "cllm/cllm.h"
#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// The first weights, see InitialCheckpoint.
struct Initialization {
  float embedding_deviation = 0.02f;
  float matrix_deviation = 0.02f;  // of the layers
  float final_norm = 1.0f;
  bool zero_projections = false;  // attention output and down: a layer begins as the identity
};

// How the learning rate falls after the warm-up, see LearningRate in schedule.h.
enum class Schedule { kCosine, kLinear, kConstant, kWarmupStableDecay };

// How a model is trained, without what depends on the run (seed, threads, data).
struct Recipe {
  uint32_t batch = 12;      // sequences at once
  uint32_t accumulate = 1;  // batches a step
  // Parts of a step's sequences whose gradients are summed each by itself and then in a fixed tree: ranks
  // share a step by them. Its sums are rounded accordingly, whatever the number of ranks.
  uint32_t segments = 1;
  uint32_t length = 64;  // tokens a sequence, at most the context
  uint32_t steps = 2000;
  uint32_t warmup_steps = 100;  // the rate rises linearly
  Schedule schedule = Schedule::kCosine;
  float learning_rate = 1e-3f;       // highest
  float final_rate_fraction = 0.1f;  // of the highest, at the last step
  float beta1 = 0.9f;
  float beta2 = 0.99f;
  float epsilon = 1e-8f;
  cllm_method method = CLLM_ADAMW;
  cllm_precision precision = CLLM_FLOAT32;
  float momentum = 0.95f;        // of SGD and Muon
  float weight_decay = 0.1f;     // of the layers' matrices
  float embedding_decay = 0.1f;  // of embedding and head; norms have none
  float clip = 1.0f;             // global gradient norm
  float dropout = 0.0f;          // cllm_regularization
  float label_smoothing = 0.0f;
  float distillation = 0.0f;  // share of a target's probability that the initial model says
  float average =
      0.0f;  // decay of the moving average of weights that is evaluated and written; 0: the weights
  Initialization initial;
};

struct Configuration {
  std::string name;
  std::string summary;        // one line for --help
  Architecture architecture;  // `train` replaces vocabulary_size by the tokenizer's
  std::string tokenizer;      // "char" or "bpe": what `train` uses unless told otherwise
  Recipe recipe;
};

// All of them, in the order in which --help lists them.
absl::Span<const Configuration> Configurations();

// nullptr if there is none of this name.
const Configuration* FindConfiguration(std::string_view name);

// "nano, quickstart, ...": for error messages.
std::string ConfigurationNames();

// Fresh weights: normal, the two projections into the residual stream of each layer divided by sqrt(2
// layers), norms one (Radford et al., GPT-2, who take deviations of 0.02 everywhere), a head of its own with
// 0.02. An embedding as large as what the layers add keeps it visible in the residual stream which token
// stands where; a tied head then makes large logits of it, unless the final norm starts lower. Depends on the
// arguments only. No tokenizer, no provenance. An empty rope_turns stays empty.
Checkpoint InitialCheckpoint(const Architecture& architecture, uint64_t seed,
                             const Initialization& initial = {});

}  // namespace cllm

#endif  // CLLM_CONVERTER_TRAIN_CONFIGURATIONS_H_
