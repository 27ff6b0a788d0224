#include "converter/import/hugging_face_gpt.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "converter/import/hugging_face_json.h"
#include "converter/import/hugging_face_window.h"
#include "converter/import/wrong.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

// Layer norms, blocks without a gate, biases; heads that divide the width.
absl::Status TakeCommon(const Json& config, const char* epsilon, const char* activation, Activation usual,
                        Architecture* a) {
  if (a->heads == 0 || a->width % a->heads != 0)
    return Wrong("the number of heads, ", a->heads, ", does not divide the width, ", a->width);
  a->kv_heads = a->heads;
  a->head_size = a->width / a->heads;
  a->norm_epsilon = static_cast<float>(JsonNumberOr(config, epsilon, 1e-5));
  Variant& variant = a->variant;
  variant.norm = Norm::kLayer;
  variant.gated = false;
  variant.attention_output_bias = variant.feed_forward_bias = true;
  return TakeActivation(config, activation, usual, &variant);
}

absl::Status TakeGpt2(const Json& config, Architecture* a) {
  absl::Status status = TakeCounts(config, {{"vocab_size", &a->vocabulary_size},
                                            {"n_positions", &a->context},
                                            {"n_embd", &a->width},
                                            {"n_layer", &a->layers},
                                            {"n_head", &a->heads}});
  if (!status.ok()) return status;
  if (status = TakeCount(config, "n_inner", 4 * a->width, &a->hidden); !status.ok()) return status;
  if (JsonAt(config, "scale_attn_weights") == Json(false) ||
      IsJsonTrue(config, "scale_attn_by_inverse_layer_idx"))
    return Wrong("attention is scaled in a way that is not supported");
  a->variant.rope = false;
  a->variant.learned_positions = a->variant.query_key_value_bias = true;
  return TakeCommon(config, "layer_norm_epsilon", "activation_function", Activation::kGeluTanh, a);
}

// "attention_types" is a list of [list of kinds, how often it comes].
absl::Status TakeNeoWindow(const Json& config, Architecture* a) {
  // Before a list is made of as many layers.
  if (absl::Status status = CheckSizes(*a); !status.ok()) return status;
  std::vector<bool> local;
  const Json& types = JsonAt(config, "attention_types");
  for (const Json& group : types.is_array() ? types : Json::array()) {
    const bool list = group.is_array() && group.size() == 2 && group[0].is_array();
    if (!list || !group[1].is_number_unsigned()) return Wrong("attention_types is not understood");
    for (uint64_t i = 0; i < group[1].get<uint64_t>() && local.size() < a->layers; ++i) {
      for (const Json& kind : group[0]) local.push_back(kind == "local");
      if (group[0].empty()) break;
    }
  }
  if (local.size() != a->layers) return Wrong("attention_types does not say what ", a->layers, " layers are");
  uint32_t window = 0;
  if (absl::Status status = TakeCount(config, "window_size", 256, &window); !status.ok()) return status;
  return TakeWindow(local, window, a);
}

absl::Status TakeGptNeo(const Json& config, Architecture* a) {
  absl::Status status = TakeCounts(config, {{"vocab_size", &a->vocabulary_size},
                                            {"max_position_embeddings", &a->context},
                                            {"hidden_size", &a->width},
                                            {"num_layers", &a->layers},
                                            {"num_heads", &a->heads}});
  if (!status.ok()) return status;
  if (status = TakeCount(config, "intermediate_size", 4 * a->width, &a->hidden); !status.ok()) return status;
  a->variant.rope = false;
  a->variant.learned_positions = true;
  a->variant.attention_scale = 1.0f;
  status = TakeCommon(config, "layer_norm_epsilon", "activation_function", Activation::kGeluTanh, a);
  return status.ok() ? TakeNeoWindow(config, a) : status;
}

absl::Status TakeGptNeoX(const Json& config, Architecture* a) {
  absl::Status status = TakeSizes(config, a);
  if (!status.ok()) return status;
  status = TakeCommon(config, "layer_norm_eps", "hidden_act", Activation::kGeluErf, a);
  if (!status.ok()) return status;
  a->rope_pairs = RopePairs::kHalves;
  Variant& variant = a->variant;
  variant.query_key_value_bias = variant.attention_output_bias =
      JsonAt(config, "attention_bias") != Json(false);
  variant.parallel_block = JsonAt(config, "use_parallel_residual") != Json(false);
  return TakeRotarySize(config, 0.25, a);
}

using Parts = std::vector<std::pair<std::string, LlamaPart>>;

// weight and bias of a layer norm.
void AddNorm(const std::string& name, const TensorKey& key, Parts* parts) {
  parts->push_back({name + ".weight", {key, 0, 1}});
  parts->push_back({name + ".bias", {key, 1, 1}});
}

LlamaPart Transposed(LlamaPart part) {
  part.transposed = true;
  return part;
}

LlamaPart Interleaved(LlamaPart part, const Architecture& a) {
  part.interleaved = a.head_size;
  return part;
}

Parts Gpt2Layer(const Architecture& a, uint32_t i) {
  return {{"attn.c_attn.weight", Transposed({{Role::kQueryKeyValue, i}, 0, 3 * a.width})},
          {"attn.c_attn.bias", {{Role::kQueryKeyValueBias, i}, 0, 1}},
          {"attn.c_proj.weight", Transposed({{Role::kAttentionOutput, i}, 0, a.width})},
          {"attn.c_proj.bias", {{Role::kAttentionOutputBias, i}, 0, 1}},
          {"mlp.c_fc.weight", Transposed({{Role::kGateUp, i}, 0, a.hidden})},
          {"mlp.c_proj.weight", Transposed({{Role::kDown, i}, 0, a.width})}};
}

Parts NeoLayer(const Architecture& a, uint32_t i) {
  const TensorKey attention(Role::kQueryKeyValue, i);
  return {{"attn.attention.q_proj.weight", {attention, 0, a.width}},
          {"attn.attention.k_proj.weight", {attention, a.width, a.width}},
          {"attn.attention.v_proj.weight", {attention, 2 * a.width, a.width}},
          {"attn.attention.out_proj.weight", {{Role::kAttentionOutput, i}, 0, a.width}},
          {"attn.attention.out_proj.bias", {{Role::kAttentionOutputBias, i}, 0, 1}},
          {"mlp.c_fc.weight", {{Role::kGateUp, i}, 0, a.hidden}},
          {"mlp.c_proj.weight", {{Role::kDown, i}, 0, a.width}}};
}

Parts NeoXLayer(const Architecture& a, uint32_t i) {
  Parts parts = {
      {"attention.query_key_value.weight", Interleaved({{Role::kQueryKeyValue, i}, 0, 3 * a.width}, a)},
      {"attention.dense.weight", {{Role::kAttentionOutput, i}, 0, a.width}},
      {"mlp.dense_h_to_4h.weight", {{Role::kGateUp, i}, 0, a.hidden}},
      {"mlp.dense_h_to_4h.bias", {{Role::kGateUpBias, i}, 0, 1}},
      {"mlp.dense_4h_to_h.weight", {{Role::kDown, i}, 0, a.width}},
      {"mlp.dense_4h_to_h.bias", {{Role::kDownBias, i}, 0, 1}}};
  AddNorm("input_layernorm", {Role::kAttentionNorm, i}, &parts);
  AddNorm("post_attention_layernorm", {Role::kFeedForwardNorm, i}, &parts);
  if (!a.variant.query_key_value_bias) return parts;
  parts.push_back({"attention.query_key_value.bias", Interleaved({{Role::kQueryKeyValueBias, i}, 0, 1}, a)});
  parts.push_back({"attention.dense.bias", {{Role::kAttentionOutputBias, i}, 0, 1}});
  return parts;
}

Parts LayerParts(const Json& config, const Architecture& a, uint32_t i) {
  if (IsFamily(config, "gpt_neox")) return NeoXLayer(a, i);
  Parts parts = IsFamily(config, "gpt2") ? Gpt2Layer(a, i) : NeoLayer(a, i);
  parts.push_back({"mlp.c_fc.bias", {{Role::kGateUpBias, i}, 0, 1}});
  parts.push_back({"mlp.c_proj.bias", {{Role::kDownBias, i}, 0, 1}});
  AddNorm("ln_1", {Role::kAttentionNorm, i}, &parts);
  AddNorm("ln_2", {Role::kFeedForwardNorm, i}, &parts);
  return parts;
}

}  // namespace

bool IsGptFamily(const Json& config) {
  return IsFamily(config, "gpt2") || IsFamily(config, "gpt_neo") || IsFamily(config, "gpt_neox");
}

absl::Status TakeGptSizes(const Json& config, Architecture* a) {
  if (IsFamily(config, "gpt2")) return TakeGpt2(config, a);
  return IsFamily(config, "gpt_neo") ? TakeGptNeo(config, a) : TakeGptNeoX(config, a);
}

std::map<std::string, LlamaPart> GptParts(const Json& config, const Architecture& a) {
  const bool neox = IsFamily(config, "gpt_neox");
  Parts outside = {
      {neox ? "embed_in.weight" : "wte.weight", {{Role::kTokenEmbedding, 0}, 0, a.vocabulary_size}},
      {"lm_head.weight", {{Role::kHead, 0}, 0, a.vocabulary_size}}};
  AddNorm(neox ? "final_layer_norm" : "ln_f", {Role::kFinalNorm, 0}, &outside);
  std::map<std::string, LlamaPart> parts(outside.begin(), outside.end());
  if (!neox) parts["wpe.weight"] = {{Role::kPositionEmbedding, 0}, 0, a.context};
  for (uint32_t layer = 0; layer < a.layers; ++layer) {
    for (const auto& [name, part] : LayerParts(config, a, layer)) {
      parts[absl::StrCat(neox ? "layers." : "h.", layer, ".", name)] = part;
    }
  }
  return parts;
}

}  // namespace cllm
