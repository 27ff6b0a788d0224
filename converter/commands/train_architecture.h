// Room: converter/commands. What `cllm train` may change of a configuration's architecture.
#ifndef CLLM_CONVERTER_COMMANDS_TRAIN_ARCHITECTURE_H_
#define CLLM_CONVERTER_COMMANDS_TRAIN_ARCHITECTURE_H_

#include <string>

#include "converter/checkpoint/checkpoint.h"
#include "converter/commands/flags.h"
#include "converter/train/configurations.h"
#include "nlohmann/json.hpp"

namespace cllm {

// Empty words stand for the configuration's own.
struct ArchitectureOptions {
  std::string norm, activation;
  std::string gate;           // "gated" or "ungated"
  int query_key_norm = -1;    // negative: the configuration's
  double logit_softcap = -1;  // negative: the configuration's
  bool zero_projections = false;
};

// --activation, --gated, --qk-norm, ...: `options` must outlive the parse.
void AddArchitectureOptions(Flags flags, ArchitectureOptions* options);

// Without the gate that a configuration has, hidden units become half as many again: as many parameters.
void ApplyTo(const ArchitectureOptions& options, Architecture* architecture);
void ApplyTo(const ArchitectureOptions& options, Initialization* initial);

// The name of the first option that is set, "" if none is.
std::string FirstSet(const ArchitectureOptions& options);

// Those that are set, by the names of their options, and back; throws what nlohmann::json throws.
nlohmann::ordered_json ArchitectureJson(const ArchitectureOptions& options);
void ReadArchitectureJson(const nlohmann::json& json, ArchitectureOptions* options);

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_TRAIN_ARCHITECTURE_H_
