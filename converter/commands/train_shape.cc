#include "converter/commands/train_shape.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "converter/commands/options.h"

namespace cllm {
namespace {

// Calls visit(name, value) for each option.
template <class Options, class Visit>
void VisitAll(Options& options, const Visit& visit) {
  visit("layers", options.layers);
  visit("width", options.width);
  visit("heads", options.heads);
  visit("kv-heads", options.kv_heads);
  visit("hidden", options.hidden);
  visit("context", options.context);
}

uint32_t InProportion(uint32_t hidden, uint32_t width, uint32_t before) {
  constexpr uint64_t kMultiple = 32;
  const uint64_t units = uint64_t{hidden} * width / before / kMultiple * kMultiple;
  return static_cast<uint32_t>(std::max(kMultiple, units));
}

}  // namespace

void AddShapeOptions(Flags flags, ShapeOptions* options) {
  const char* const own = "the configuration's";
  const char* const follows = "follows the width";
  AddCount(flags, "--layers", &options->layers, 1, 1024, "layers", own);
  AddCount(flags, "--width", &options->width, 2, 1u << 16, "numbers a token has between layers", own);
  AddCount(flags, "--heads", &options->heads, 1, 1024, "attention heads; they divide the width", follows);
  AddCount(flags, "--kv-heads", &options->kv_heads, 1, 1024,
           "heads of keys and values; they divide the heads", follows);
  AddCount(flags, "--hidden", &options->hidden, 1, 1u << 18, "units of a feed-forward block", follows);
  AddCount(flags, "--context", &options->context, 1, 1u << 20,
           "positions that the model is made for, and tokens of a training sequence", own);
}

absl::Status ApplyTo(const ShapeOptions& options, Architecture* architecture) {
  Architecture& a = *architecture;
  const Architecture before = a;
  if (options.layers != 0) a.layers = options.layers;
  if (options.context != 0) a.context = options.context;
  if (options.width != 0) {
    a.width = options.width;
    a.hidden = InProportion(before.hidden, a.width, before.width);
    if (a.width % before.head_size == 0) a.heads = a.width / before.head_size;
  }
  if (options.hidden != 0) a.hidden = options.hidden;
  if (options.heads != 0) a.heads = options.heads;
  a.kv_heads =
      options.kv_heads != 0 ? options.kv_heads : std::max(1u, a.heads * before.kv_heads / before.heads);
  if (a.width % a.heads != 0 || a.width / a.heads % 2 != 0) {
    return absl::InvalidArgumentError(absl::StrCat("--heads: ", a.heads, " heads do not cut a width of ",
                                                   a.width, " into parts of an even size"));
  }
  a.head_size = a.width / a.heads;
  if (a.heads % a.kv_heads != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--kv-heads: ", a.kv_heads, " does not divide the ", a.heads, " heads"));
  }
  return absl::OkStatus();
}

std::string FirstSet(const ShapeOptions& options) {
  std::string first;
  VisitAll(options, [&](const char* name, uint32_t value) {
    if (value != 0 && first.empty()) first = absl::StrCat("--", name);
  });
  return first;
}

nlohmann::ordered_json ShapeJson(const ShapeOptions& options) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  VisitAll(options, [&](const char* name, uint32_t value) {
    if (value != 0) json[name] = value;
  });
  return json;
}

void ReadShapeJson(const nlohmann::json& json, ShapeOptions* options) {
  VisitAll(*options, [&](const char* name, uint32_t& value) { value = json.value(name, 0u); });
}

}  // namespace cllm
