// Room: converter/commands. How tokens are drawn, for the commands that write text.
#ifndef CLLM_CONVERTER_COMMANDS_SAMPLING_OPTIONS_H_
#define CLLM_CONVERTER_COMMANDS_SAMPLING_OPTIONS_H_

#include <cstdint>
#include <string>

#include "cllm/cllm.h"
#include "converter/commands/flags.h"

namespace cllm {

struct SamplingOptions {
  double temperature = 0.8, top_p = 0.95, min_p = 0, repetition_penalty = 1;
  uint32_t top_k = 0;
  uint64_t seed = 1;
};

// --temperature, --top-k, ..., --seed: `options` must outlive the parse. `seed` is what it is the seed of.
void AddSamplingOptions(Flags flags, SamplingOptions* options, const std::string& seed);

cllm_sampling ToSampling(const SamplingOptions& options);

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_SAMPLING_OPTIONS_H_
