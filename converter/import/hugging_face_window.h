// Room: converter/import. Which layers of a Hugging Face model see a window of the text only, and how many of
// a head's elements rotate.
#ifndef CLLM_CONVERTER_IMPORT_HUGGING_FACE_WINDOW_H_
#define CLLM_CONVERTER_IMPORT_HUGGING_FACE_WINDOW_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "converter/checkpoint/checkpoint.h"
#include "nlohmann/json.hpp"

namespace cllm {

// The period and phase after which some layers, here false, have no part in something that the others have.
// Errors: the list repeats in no such way.
struct LayerPattern {
  uint32_t period = 1, phase = 0;
};
absl::Status FitLayerPattern(const std::vector<bool>& layers, LayerPattern* pattern);

// A window of `window` positions in the layers that are local.
absl::Status TakeWindow(const std::vector<bool>& local, uint32_t window, Architecture* architecture);

// "sliding_window", in the layers that "layer_types", or else the family's habit, says.
absl::Status TakeSlidingWindow(const nlohmann::json& config, Architecture* architecture);

// "rotary_pct" or "partial_rotary_factor" of the head size.
absl::Status TakeRotarySize(const nlohmann::json& config, double usual, Architecture* architecture);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_HUGGING_FACE_WINDOW_H_
