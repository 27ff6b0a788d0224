// Room: converter/commands. What `cllm train` may change of a configuration's recipe.
#ifndef CLLM_CONVERTER_COMMANDS_TRAIN_RECIPE_H_
#define CLLM_CONVERTER_COMMANDS_TRAIN_RECIPE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "converter/commands/flags.h"
#include "converter/train/configurations.h"
#include "nlohmann/json.hpp"

namespace cllm {

// Negative numbers, zero counts and empty words stand for the configuration's own.
struct RecipeOptions {
  uint32_t batch = 0, accumulate = 0, segments = 0;
  uint32_t warmup = kUnset;
  std::string schedule, optimizer, precision;
  double rate = -1, momentum = -1, weight_decay = -1, embedding_decay = -1;
  double dropout = -1, label_smoothing = -1, average = -1, distillation = -1;

  static constexpr uint32_t kUnset = 0xFFFFFFFF;
};

// --rate, --schedule, --batch, ...: `options` must outlive the parse.
void AddRecipeOptions(Flags flags, RecipeOptions* options);

void ApplyTo(const RecipeOptions& options, Recipe* recipe);

// Those that are set, by the names of their options, and back; throws what nlohmann::json throws.
nlohmann::ordered_json RecipeJson(const RecipeOptions& options);
void ReadRecipeJson(const nlohmann::json& json, RecipeOptions* options);

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_TRAIN_RECIPE_H_
