#include "converter/import/hugging_face_json.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "converter/json/json_text.h"

namespace cllm {

using Json = nlohmann::json;

const Json& JsonAt(const Json& object, const char* key) {
  static const Json* const null = new Json();
  const auto found = object.find(key);
  return found == object.end() ? *null : *found;
}

double JsonNumberOr(const Json& object, const char* key, double fallback) {
  const Json& value = JsonAt(object, key);
  return value.is_number() ? value.get<double>() : fallback;
}

bool IsJsonTrue(const Json& object, const char* key) { return JsonAt(object, key) == Json(true); }

bool IsFamily(const Json& config, const char* type) { return JsonAt(config, "model_type") == type; }

absl::Status TakeCount(const Json& config, const char* key, uint32_t fallback, uint32_t* out) {
  const Json& value = JsonAt(config, key);
  if (value.is_null() && fallback != 0) {
    *out = fallback;
    return absl::OkStatus();
  }
  if (!value.is_number_unsigned() || value.get<uint64_t>() > std::numeric_limits<uint32_t>::max())
    return absl::InvalidArgumentError(absl::StrCat(key, " is missing, or no whole number"));
  *out = value.get<uint32_t>();
  return absl::OkStatus();
}

absl::Status TakeCounts(const Json& config, std::initializer_list<NamedCount> counts) {
  for (const NamedCount& count : counts) {
    if (absl::Status status = TakeCount(config, count.key, 0, count.out); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Gemma's older files say "gelu" and mean the approximation.
absl::Status TakeSizes(const Json& config, Architecture* architecture) {
  Architecture& a = *architecture;
  return TakeCounts(config, {{"vocab_size", &a.vocabulary_size},
                             {"max_position_embeddings", &a.context},
                             {"hidden_size", &a.width},
                             {"num_hidden_layers", &a.layers},
                             {"num_attention_heads", &a.heads},
                             {"intermediate_size", &a.hidden}});
}

absl::Status TakeActivation(const Json& config, const char* key, Activation fallback, Variant* variant) {
  const Json& name = JsonAt(config, key);
  variant->activation = fallback;
  if (name.is_null()) return absl::OkStatus();
  if (name == "silu" || name == "swish") {
    variant->activation = Activation::kSilu;
  } else if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast" ||
             (name == "gelu" && IsFamily(config, "gemma"))) {
    variant->activation = Activation::kGeluTanh;
  } else if (name == "gelu") {
    variant->activation = Activation::kGeluErf;
  } else if (name == "relu") {
    variant->activation = Activation::kRelu;
  } else if (name == "relu2") {
    variant->activation = Activation::kReluSquared;
  } else {
    return absl::InvalidArgumentError(absl::StrCat(key, " is ", JsonText(name), ", which is not supported"));
  }
  return absl::OkStatus();
}

}  // namespace cllm
