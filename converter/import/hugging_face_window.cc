#include "converter/import/hugging_face_window.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "converter/import/hugging_face_json.h"
#include "converter/import/wrong.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

// Gemma 2: every second layer sees all; Gemma 3: every sixth; Qwen: those from max_window_layers on do not.
bool IsLocalByHabit(const Json& config, uint32_t layer) {
  if (IsFamily(config, "gemma2")) return layer % 2 == 0;
  if (IsFamily(config, "gemma3_text")) {
    const double period = std::max(1.0, JsonNumberOr(config, "sliding_window_pattern", 6));
    return std::fmod(layer + 1, period) != 0;
  }
  return layer >= JsonNumberOr(config, "max_window_layers", 0);
}

}  // namespace

absl::Status FitLayerPattern(const std::vector<bool>& layers, LayerPattern* pattern) {
  for (uint32_t period = 1; period <= layers.size() + 1; ++period) {
    for (uint32_t phase = 0; phase < period; ++phase) {
      bool fits = true;
      for (size_t i = 0; fits && i < layers.size(); ++i) {
        fits = layers[i] == (period == 1 || (i + 1 + phase) % period != 0);
      }
      if (!fits) continue;
      *pattern = {period, phase};
      return absl::OkStatus();
    }
  }
  return Wrong("which layers see a window of the text, or rotate, follows no period, which is not supported");
}

absl::Status TakeWindow(const std::vector<bool>& local, uint32_t window, Architecture* a) {
  if (std::find(local.begin(), local.end(), true) == local.end()) return absl::OkStatus();
  if (window == 0) return Wrong("the window of attention is 0");
  LayerPattern pattern;
  if (absl::Status status = FitLayerPattern(local, &pattern); !status.ok()) return status;
  a->variant.sliding_window = std::min(window, a->context);
  a->variant.sliding_window_period = pattern.period;
  a->variant.sliding_window_phase = pattern.phase;
  return absl::OkStatus();
}

absl::Status TakeSlidingWindow(const Json& config, Architecture* a) {
  const bool used = !config.contains("use_sliding_window") || IsJsonTrue(config, "use_sliding_window");
  if (!used || JsonAt(config, "sliding_window").is_null()) return absl::OkStatus();
  uint32_t window = 0;
  if (absl::Status status = TakeCount(config, "sliding_window", 0, &window); !status.ok()) return status;
  const Json& types = JsonAt(config, "layer_types");
  if (!types.is_null() && (!types.is_array() || types.size() != a->layers))
    return Wrong("layer_types does not say what each of ", a->layers, " layers is");
  std::vector<bool> local;
  for (uint32_t layer = 0; layer < a->layers; ++layer) {
    local.push_back(types.is_null() ? IsLocalByHabit(config, layer) : types[layer] == "sliding_attention");
  }
  // Where it holds the whole context, and layers differ in nothing else, it is none.
  if (window >= a->context && !a->variant.window_rope) return absl::OkStatus();
  return TakeWindow(local, window, a);
}

absl::Status TakeRotarySize(const Json& config, double usual, Architecture* a) {
  const Json& newer = JsonAt(config, "rope_parameters");
  const Json& holder = newer.is_object() && newer.contains("partial_rotary_factor") ? newer : config;
  const double share =
      JsonNumberOr(holder, "rotary_pct", JsonNumberOr(holder, "partial_rotary_factor", usual));
  const double size = std::floor(share * a->head_size);
  if (!(size >= 2 && size <= a->head_size && std::fmod(size, 2) == 0))
    return Wrong(share, " of a head's ", a->head_size, " elements rotate, which is no even number of them");
  a->variant.rotary_size = size == a->head_size ? 0 : static_cast<uint32_t>(size);
  return absl::OkStatus();
}

}  // namespace cllm
