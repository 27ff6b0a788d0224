#include "converter/import/hugging_face_families.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "converter/import/hugging_face_gpt.h"
#include "converter/import/hugging_face_json.h"
#include "converter/import/hugging_face_window.h"
#include "converter/import/wrong.h"
#include "converter/json/json_text.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

constexpr const char* kLlamaLike[] = {"llama", "mistral", "qwen2",       "qwen3",  "phi3",
                                      "gemma", "gemma2",  "gemma3_text", "smollm3"};

bool IsGemma(const Json& config) {
  return IsFamily(config, "gemma") || IsFamily(config, "gemma2") || IsFamily(config, "gemma3_text");
}

// Norms before and after each half.
bool IsSandwich(const Json& config) { return IsFamily(config, "gemma2") || IsFamily(config, "gemma3_text"); }

absl::Status TakeGemma(const Json& config, Architecture* a) {
  Variant& variant = a->variant;
  variant.embedding_scale = std::sqrt(static_cast<float>(a->width));
  if (!IsSandwich(config)) return absl::OkStatus();
  variant.norm_placement = NormPlacement::kBeforeAndAfter;
  const double scalar = JsonNumberOr(config, "query_pre_attn_scalar", a->head_size);
  if (!(scalar > 0)) return Wrong("query_pre_attn_scalar is ", scalar);
  variant.attention_scale = static_cast<float>(1 / std::sqrt(scalar));
  variant.attention_softcap = static_cast<float>(JsonNumberOr(config, "attn_logit_softcapping", 0));
  variant.logit_softcap = static_cast<float>(JsonNumberOr(config, "final_logit_softcapping", 0));
  variant.query_key_norm = variant.window_rope = IsFamily(config, "gemma3_text");
  return absl::OkStatus();
}

// In SmolLM3 one layer of some does not rotate: it is the one that sees all, by turns of zero, and the window
// of the others holds the whole context.
absl::Status TakeLayersWithoutRope(const Json& config, Architecture* a) {
  std::vector<bool> rotates;
  const Json& list = JsonAt(config, "no_rope_layers");
  const double interval = std::max(1.0, JsonNumberOr(config, "no_rope_layer_interval", 4));
  if (!list.is_null() && (!list.is_array() || list.size() != a->layers))
    return Wrong("no_rope_layers does not say what each of ", a->layers, " layers is");
  for (uint32_t layer = 0; layer < a->layers; ++layer) {
    rotates.push_back(list.is_null() ? std::fmod(layer + 1, interval) != 0 : list[layer] != 0);
  }
  a->variant.window_rope = a->variant.rope = std::find(rotates.begin(), rotates.end(), true) != rotates.end();
  return TakeWindow(rotates, a->context, a);
}

absl::Status TakeLayers(const Json& config, Architecture* a) {
  // The numbers so far, before lists are made of as many layers.
  if (absl::Status status = CheckSizes(*a); !status.ok()) return status;
  absl::Status status =
      IsFamily(config, "smollm3") ? TakeLayersWithoutRope(config, a) : TakeSlidingWindow(config, a);
  if (a->variant.sliding_window == 0) a->variant.window_rope = false;
  return status;
}

absl::Status TakeLlamaLike(const Json& config, Architecture* a) {
  absl::Status status = TakeSizes(config, a);
  if (!status.ok()) return status;
  if (a->heads == 0) return Wrong("num_attention_heads is 0");
  const bool gemma = IsGemma(config), qwen2 = IsFamily(config, "qwen2");
  const uint32_t usual_size = IsSandwich(config) ? 256 : a->width / a->heads;
  if (status = TakeCount(config, "num_key_value_heads", a->heads, &a->kv_heads); !status.ok()) return status;
  if (status = TakeCount(config, "head_dim", usual_size, &a->head_size); !status.ok()) return status;
  a->norm_epsilon = static_cast<float>(JsonNumberOr(config, "rms_norm_eps", 1e-6));
  a->rope_pairs = RopePairs::kHalves;
  Variant& variant = a->variant;
  const bool attention_bias = IsJsonTrue(config, "attention_bias");
  variant.query_key_value_bias = attention_bias || qwen2;
  variant.attention_output_bias = attention_bias && !qwen2;
  variant.feed_forward_bias = IsJsonTrue(config, "mlp_bias");
  variant.query_key_norm = IsFamily(config, "qwen3");
  if (gemma) status = TakeGemma(config, a);
  if (!status.ok()) return status;
  const char* key =
      gemma && !JsonAt(config, "hidden_activation").is_null() ? "hidden_activation" : "hidden_act";
  const Activation usual = gemma ? Activation::kGeluTanh : Activation::kSilu;
  if (status = TakeActivation(config, key, usual, &variant); !status.ok()) return status;
  if (IsFamily(config, "phi3")) status = TakeRotarySize(config, 1, a);
  return status.ok() ? TakeLayers(config, a) : status;
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
  if (a.variant.norms_after()) {
    add("post_attention_layernorm.weight", Role::kAttentionPostNorm, 0, a.width);
    add("post_feedforward_layernorm.weight", Role::kFeedForwardPostNorm, 0, a.width);
    add("pre_feedforward_layernorm.weight", Role::kFeedForwardNorm, 0, a.width);
  }
  if (a.variant.query_key_norm) {
    add("self_attn.q_norm.weight", Role::kQueryNorm, 0, a.head_size);
    add("self_attn.k_norm.weight", Role::kKeyNorm, 0, a.head_size);
  }
}

// Phi-3 has queries, keys and values in one tensor, and gate and up.
void Fuse(const Architecture& a, uint32_t layer, std::map<std::string, LlamaPart>* parts) {
  const std::string prefix = absl::StrCat("model.layers.", layer, ".");
  for (const char* name :
       {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj"}) {
    parts->erase(absl::StrCat(prefix, name, ".weight"));
  }
  (*parts)[prefix + "self_attn.qkv_proj.weight"] = {
      {Role::kQueryKeyValue, layer}, 0, (a.heads + 2 * a.kv_heads) * a.head_size};
  (*parts)[prefix + "mlp.gate_up_proj.weight"] = {{Role::kGateUp, layer}, 0, 2 * a.hidden};
}

}  // namespace

Json HuggingFaceTextConfig(const Json& config) {
  if (!IsFamily(config, "gemma3") || !JsonAt(config, "text_config").is_object()) return config;
  Json text = config["text_config"];
  text["model_type"] = "gemma3_text";
  const std::pair<const char*, uint32_t> usual[] = {
      {"vocab_size", 262208},        {"max_position_embeddings", 131072},
      {"hidden_size", 2304},         {"num_hidden_layers", 26},
      {"num_attention_heads", 8},    {"num_key_value_heads", 4},
      {"intermediate_size", 9216},   {"sliding_window", 4096},
      {"query_pre_attn_scalar", 256}};
  for (const auto& [key, value] : usual) {
    if (!text.contains(key)) text[key] = value;
  }
  if (!text.contains("rope_theta")) text["rope_theta"] = 1e6;
  return text;
}

absl::Status TakeHuggingFaceSizes(const Json& config, Architecture* a) {
  absl::Status status;
  if (IsGptFamily(config)) {
    status = TakeGptSizes(config, a);
    return status.ok() ? CheckArchitecture(*a) : status;
  }
  for (const char* type : kLlamaLike) {
    if (IsFamily(config, type)) return TakeLlamaLike(config, a);
  }
  return Wrong("model_type is ", JsonText(JsonAt(config, "model_type")), "; ",
               absl::StrJoin(kLlamaLike, ", "), ", gemma3, gpt2, gpt_neo and gpt_neox are supported so far");
}

bool IsHuggingFaceHeadTied(const Json& config) {
  const bool usual = IsGemma(config) || IsFamily(config, "gpt2") || IsFamily(config, "gpt_neo");
  return config.contains("tie_word_embeddings") ? IsJsonTrue(config, "tie_word_embeddings") : usual;
}

std::map<std::string, LlamaPart> HuggingFaceParts(const Json& config, const Architecture& architecture) {
  if (IsGptFamily(config)) return GptParts(config, architecture);
  Architecture untied = architecture;
  untied.tied_head = false;
  std::map<std::string, LlamaPart> parts = LlamaParts(untied, kHuggingFaceNames);
  for (uint32_t layer = 0; layer < architecture.layers; ++layer) {
    AddVectors(architecture, layer, &parts);
    if (IsFamily(config, "phi3")) Fuse(architecture, layer, &parts);
  }
  if (!IsGemma(config)) return parts;
  // Its norms multiply by one more than the weight.
  for (auto& [name, part] : parts) {
    if (absl::EndsWith(name, "norm.weight")) part.added = 1.0f;
  }
  return parts;
}

std::string HuggingFaceTensorName(const std::string& name) {
  if (name == "embed_out.weight") return "lm_head.weight";
  for (const char* prefix : {"transformer.", "gpt_neox.", "language_model."}) {
    if (absl::StartsWith(name, prefix)) return std::string(absl::StripPrefix(name, prefix));
  }
  if (absl::StartsWith(name, "model.language_model."))
    return absl::StrCat("model.", absl::StripPrefix(name, "model.language_model."));
  return name;
}

bool IsHuggingFaceBuffer(const std::string& name) {
  for (const char* end : {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", ".attention.bias",
                          ".attention.masked_bias"}) {
    if (absl::EndsWith(name, end)) return true;
  }
  // What a model of text and pictures has for the latter.
  return absl::StrContains(name, "vision_tower.") || absl::StrContains(name, "multi_modal_projector.");
}

}  // namespace cllm
