#include "converter/commands/sampling_options.h"

#include "converter/commands/options.h"

namespace cllm {

void AddSamplingOptions(Flags flags, SamplingOptions* options, const std::string& seed) {
  AddNumber(flags, "--temperature", &options->temperature, {0, 100},
            "0: always the likeliest token; 1: as the model says; more: wilder");
  AddCount(flags, "--top-k", &options->top_k, 0, 1u << 30, "only the k likeliest tokens; 0: all");
  AddNumber(flags, "--top-p", &options->top_p, {0, 1},
            "only the likeliest tokens whose probabilities reach p; 0 or 1: all");
  AddNumber(flags, "--min-p", &options->min_p, {0, 1},
            "no token below p times the likeliest one's probability; 0: all");
  AddNumber(flags, "--repetition-penalty", &options->repetition_penalty, {0, 100},
            "over 1: tokens that came already become less likely; 0 or 1: off");
  AddSeed(flags, &options->seed, seed);
}

cllm_sampling ToSampling(const SamplingOptions& options) {
  cllm_sampling sampling = {};
  sampling.struct_size = sizeof(sampling);
  sampling.temperature = static_cast<float>(options.temperature);
  sampling.top_k = options.top_k;
  sampling.top_p = static_cast<float>(options.top_p);
  sampling.min_p = static_cast<float>(options.min_p);
  sampling.repetition_penalty = static_cast<float>(options.repetition_penalty);
  sampling.seed = options.seed;
  return sampling;
}

}  // namespace cllm
