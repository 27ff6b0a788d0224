#include "converter/import/hugging_face_families.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

template <typename... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// fallback 0: there must be one.
absl::Status TakeCount(const Json& config, const char* key, uint32_t fallback, uint32_t* out) {
  const Json& value = JsonAt(config, key);
  if (value.is_null() && fallback != 0) {
    *out = fallback;
    return absl::OkStatus();
  }
  if (!value.is_number_unsigned() || value.get<uint64_t>() > std::numeric_limits<uint32_t>::max())
    return Wrong(key, " is missing, or no whole number");
  *out = value.get<uint32_t>();
  return absl::OkStatus();
}

bool Is(const Json& config, const char* type) { return JsonAt(config, "model_type") == type; }

// Gemma's older files say "gelu" and mean the approximation.
absl::Status TakeActivation(const Json& config, const char* key, Activation fallback, Variant* variant) {
  const Json& name = JsonAt(config, key);
  variant->activation = fallback;
  if (name.is_null()) return absl::OkStatus();
  if (name == "silu" || name == "swish") {
    variant->activation = Activation::kSilu;
  } else if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast" ||
             (name == "gelu" && Is(config, "gemma"))) {
    variant->activation = Activation::kGeluTanh;
  } else if (name == "gelu") {
    variant->activation = Activation::kGeluErf;
  } else if (name == "relu") {
    variant->activation = Activation::kRelu;
  } else if (name == "relu2") {
    variant->activation = Activation::kReluSquared;
  } else {
    return Wrong(key, " is ", name.dump(), ", which is not supported");
  }
  return absl::OkStatus();
}

absl::Status CheckWindow(const Json& config, uint32_t context) {
  const Json& window = JsonAt(config, "sliding_window");
  const bool used = !config.contains("use_sliding_window") || IsJsonTrue(config, "use_sliding_window");
  if (used && window.is_number() && window.get<double>() < context)
    return Wrong("sliding_window is ", window.dump(), ", less than the context, which is not supported");
  return absl::OkStatus();
}

absl::Status TakeGpt2(const Json& config, Architecture* a) {
  const struct {
    const char* key;
    uint32_t* out;
  } counts[] = {{"vocab_size", &a->vocabulary_size},
                {"n_positions", &a->context},
                {"n_embd", &a->width},
                {"n_layer", &a->layers},
                {"n_head", &a->heads}};
  for (const auto& [key, out] : counts) {
    if (absl::Status status = TakeCount(config, key, 0, out); !status.ok()) return status;
  }
  if (a->heads == 0 || a->width % a->heads != 0) return Wrong("n_head does not divide n_embd");
  if (absl::Status s = TakeCount(config, "n_inner", 4 * a->width, &a->hidden); !s.ok()) return s;
  if (JsonAt(config, "scale_attn_weights") == Json(false) ||
      IsJsonTrue(config, "scale_attn_by_inverse_layer_idx"))
    return Wrong("attention is scaled in a way that is not supported");
  a->kv_heads = a->heads;
  a->head_size = a->width / a->heads;
  a->norm_epsilon = static_cast<float>(JsonNumberOr(config, "layer_norm_epsilon", 1e-5));
  Variant& variant = a->variant;
  variant.norm = Norm::kLayer;
  variant.gated = variant.rope = false;
  variant.learned_positions = true;
  variant.query_key_value_bias = variant.attention_output_bias = variant.feed_forward_bias = true;
  if (absl::Status s = TakeActivation(config, "activation_function", Activation::kGeluTanh, &variant);
      !s.ok())
    return s;
  return CheckArchitecture(*a);
}

absl::Status TakeLlamaLike(const Json& config, Architecture* a) {
  const struct {
    const char* key;
    uint32_t* out;
  } counts[] = {{"vocab_size", &a->vocabulary_size}, {"max_position_embeddings", &a->context},
                {"hidden_size", &a->width},          {"num_hidden_layers", &a->layers},
                {"num_attention_heads", &a->heads},  {"intermediate_size", &a->hidden}};
  for (const auto& [key, out] : counts) {
    if (absl::Status status = TakeCount(config, key, 0, out); !status.ok()) return status;
  }
  if (a->heads == 0) return Wrong("num_attention_heads is 0");
  if (absl::Status s = TakeCount(config, "num_key_value_heads", a->heads, &a->kv_heads); !s.ok()) return s;
  if (absl::Status s = TakeCount(config, "head_dim", a->width / a->heads, &a->head_size); !s.ok()) return s;
  a->norm_epsilon = static_cast<float>(JsonNumberOr(config, "rms_norm_eps", 1e-6));
  a->rope_pairs = RopePairs::kHalves;
  Variant& variant = a->variant;
  const bool gemma = Is(config, "gemma");
  const bool attention_bias = IsJsonTrue(config, "attention_bias");
  variant.query_key_value_bias = attention_bias || Is(config, "qwen2");
  variant.attention_output_bias = attention_bias && !Is(config, "qwen2");
  variant.feed_forward_bias = IsJsonTrue(config, "mlp_bias");
  variant.query_key_norm = Is(config, "qwen3");
  if (gemma) variant.embedding_scale = std::sqrt(static_cast<float>(a->width));
  const char* key =
      gemma && !JsonAt(config, "hidden_activation").is_null() ? "hidden_activation" : "hidden_act";
  const Activation fallback = gemma ? Activation::kGeluTanh : Activation::kSilu;
  if (absl::Status s = TakeActivation(config, key, fallback, &variant); !s.ok()) return s;
  if (absl::Status s = CheckWindow(config, a->context); !s.ok()) return s;
  return CheckArchitecture(*a);
}

std::map<std::string, LlamaPart> Gpt2Parts(const Architecture& a) {
  std::map<std::string, LlamaPart> parts = {
      {"wte.weight", {{Role::kTokenEmbedding, 0}, 0, a.vocabulary_size}},
      {"wpe.weight", {{Role::kPositionEmbedding, 0}, 0, a.context}},
      {"ln_f.weight", {{Role::kFinalNorm, 0}, 0, 1}},
      {"ln_f.bias", {{Role::kFinalNorm, 0}, 1, 1}},
      {"lm_head.weight", {{Role::kHead, 0}, 0, a.vocabulary_size}}};
  for (uint32_t layer = 0; layer < a.layers; ++layer) {
    const auto matrix = [&](Role role, uint32_t rows) {
      LlamaPart part = {{role, layer}, 0, rows};
      part.transposed = true;
      return part;
    };
    const std::pair<const char*, LlamaPart> of_layer[] = {
        {"ln_1.weight", {{Role::kAttentionNorm, layer}, 0, 1}},
        {"ln_1.bias", {{Role::kAttentionNorm, layer}, 1, 1}},
        {"attn.c_attn.weight", matrix(Role::kQueryKeyValue, 3 * a.width)},
        {"attn.c_attn.bias", {{Role::kQueryKeyValueBias, layer}, 0, 1}},
        {"attn.c_proj.weight", matrix(Role::kAttentionOutput, a.width)},
        {"attn.c_proj.bias", {{Role::kAttentionOutputBias, layer}, 0, 1}},
        {"ln_2.weight", {{Role::kFeedForwardNorm, layer}, 0, 1}},
        {"ln_2.bias", {{Role::kFeedForwardNorm, layer}, 1, 1}},
        {"mlp.c_fc.weight", matrix(Role::kGateUp, a.hidden)},
        {"mlp.c_fc.bias", {{Role::kGateUpBias, layer}, 0, 1}},
        {"mlp.c_proj.weight", matrix(Role::kDown, a.width)},
        {"mlp.c_proj.bias", {{Role::kDownBias, layer}, 0, 1}}};
    for (const auto& [name, part] : of_layer) parts[absl::StrCat("h.", layer, ".", name)] = part;
  }
  return parts;
}

// What Llama's own lack.
void AddVectors(const Architecture& a, uint32_t layer, std::map<std::string, LlamaPart>* parts) {
  const uint32_t queries = a.heads * a.head_size, keys = a.kv_heads * a.head_size;
  const std::string prefix = absl::StrCat("model.layers.", layer, ".");
  const auto add = [&](const char* name, Role role, uint32_t first, uint32_t columns) {
    (*parts)[prefix + name] = {{role, layer}, 0, 1, first, columns};
  };
  if (a.variant.query_key_value_bias) {
    add("self_attn.q_proj.bias", Role::kQueryKeyValueBias, 0, queries);
    add("self_attn.k_proj.bias", Role::kQueryKeyValueBias, queries, keys);
    add("self_attn.v_proj.bias", Role::kQueryKeyValueBias, queries + keys, keys);
  }
  if (a.variant.attention_output_bias) add("self_attn.o_proj.bias", Role::kAttentionOutputBias, 0, a.width);
  if (a.variant.feed_forward_bias) {
    add("mlp.gate_proj.bias", Role::kGateUpBias, 0, a.hidden);
    add("mlp.up_proj.bias", Role::kGateUpBias, a.hidden, a.hidden);
    add("mlp.down_proj.bias", Role::kDownBias, 0, a.width);
  }
  if (a.variant.query_key_norm) {
    add("self_attn.q_norm.weight", Role::kQueryNorm, 0, a.head_size);
    add("self_attn.k_norm.weight", Role::kKeyNorm, 0, a.head_size);
  }
}

}  // namespace

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

absl::Status TakeHuggingFaceSizes(const Json& config, Architecture* a) {
  if (Is(config, "gpt2")) return TakeGpt2(config, a);
  for (const char* type : {"llama", "mistral", "qwen2", "qwen3", "gemma"}) {
    if (Is(config, type)) return TakeLlamaLike(config, a);
  }
  return Wrong("model_type is ", JsonAt(config, "model_type").dump(),
               "; llama, mistral, qwen2, qwen3, gemma and gpt2 are supported so far");
}

bool IsHuggingFaceHeadTied(const Json& config) {
  const bool usual = Is(config, "gemma") || Is(config, "gpt2");
  return config.contains("tie_word_embeddings") ? IsJsonTrue(config, "tie_word_embeddings") : usual;
}

std::map<std::string, LlamaPart> HuggingFaceParts(const Json& config, const Architecture& architecture) {
  if (Is(config, "gpt2")) return Gpt2Parts(architecture);
  Architecture untied = architecture;
  untied.tied_head = false;
  std::map<std::string, LlamaPart> parts = LlamaParts(untied, kHuggingFaceNames);
  for (uint32_t layer = 0; layer < architecture.layers; ++layer) AddVectors(architecture, layer, &parts);
  if (!Is(config, "gemma")) return parts;
  // Its norms multiply by one more than the weight.
  for (auto& [name, part] : parts) {
    const Role role = part.key.first;
    if (role == Role::kAttentionNorm || role == Role::kFeedForwardNorm || role == Role::kFinalNorm)
      part.added = 1.0f;
  }
  return parts;
}

bool IsHuggingFaceBuffer(const std::string& name) {
  return absl::EndsWith(name, ".rotary_emb.inv_freq") || absl::EndsWith(name, ".attn.bias") ||
         absl::EndsWith(name, ".attn.masked_bias");
}

}  // namespace cllm
