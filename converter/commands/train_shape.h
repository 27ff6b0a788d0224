// Room: converter/commands. What `cllm train` may change of a configuration's shape.
#ifndef CLLM_CONVERTER_COMMANDS_TRAIN_SHAPE_H_
#define CLLM_CONVERTER_COMMANDS_TRAIN_SHAPE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/commands/flags.h"
#include "nlohmann/json.hpp"

namespace cllm {

// Zeros stand for the configuration's own, or for what follows from the others.
struct ShapeOptions {
  uint32_t layers = 0, width = 0, heads = 0, kv_heads = 0, hidden = 0, context = 0;
};

// --layers, --width, ...: `options` must outlive the parse.
void AddShapeOptions(Flags flags, ShapeOptions* options);

// What is not given follows the width: heads keep their size where that divides it, hidden units grow in
// proportion, in multiples of 32; keys and values have the configuration's share of the heads. Error:
// InvalidArgument for a shape that cannot be.
absl::Status ApplyTo(const ShapeOptions& options, Architecture* architecture);

// The name of the first option that is set, "" if none is.
std::string FirstSet(const ShapeOptions& options);

// Those that are set, by the names of their options, and back; throws what nlohmann::json throws.
nlohmann::ordered_json ShapeJson(const ShapeOptions& options);
void ReadShapeJson(const nlohmann::json& json, ShapeOptions* options);

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_TRAIN_SHAPE_H_
