#include "converter/import/gguf_families.h"

#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "converter/import/hugging_face_families.h"
#include "converter/import/hugging_face_json.h"
#include "converter/import/hugging_face_rope.h"
#include "converter/import/wrong.h"
#include "converter/json/json_text.h"
#include "model/tensors.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

// llama.cpp's name, and model_type.
constexpr std::pair<const char*, const char*> kFamilies[] = {
    {"qwen2", "qwen2"},   {"qwen3", "qwen3"},        {"phi3", "phi3"}, {"gemma", "gemma"},
    {"gemma2", "gemma2"}, {"gemma3", "gemma3_text"}, {"gpt2", "gpt2"}, {"gptneox", "gpt_neox"}};

struct KeyPair {
  const char *gguf, *json;
};
constexpr KeyPair kGpt2Keys[] = {
    {"context_length", "n_positions"},  {"embedding_length", "n_embd"},
    {"block_count", "n_layer"},         {"feed_forward_length", "n_inner"},
    {"attention.head_count", "n_head"}, {"attention.layer_norm_epsilon", "layer_norm_epsilon"}};
constexpr KeyPair kKeys[] = {{"context_length", "max_position_embeddings"},
                             {"embedding_length", "hidden_size"},
                             {"block_count", "num_hidden_layers"},
                             {"feed_forward_length", "intermediate_size"},
                             {"attention.head_count", "num_attention_heads"},
                             {"attention.head_count_kv", "num_key_value_heads"},
                             {"attention.key_length", "head_dim"},
                             {"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
                             {"attention.layer_norm_epsilon", "layer_norm_eps"},
                             {"attention.sliding_window", "sliding_window"},
                             {"attn_logit_softcapping", "attn_logit_softcapping"},
                             {"final_logit_softcapping", "final_logit_softcapping"},
                             {"use_parallel_residual", "use_parallel_residual"},
                             {"rope.freq_base", "rope_theta"}};

// A number or a truth; null: there is none.
Json ValueAt(const GgufContents& contents, const std::string& key) {
  if (const auto* count = FindGguf<uint64_t>(contents, key)) return *count;
  if (const auto* number = FindGguf<double>(contents, key)) return *number;
  if (const auto* truth = FindGguf<bool>(contents, key)) return *truth;
  return nullptr;
}

// As config.json's "rope_scaling".
absl::Status TakeScaling(const GgufContents& contents, const std::string& prefix, Json* config) {
  Json scaling = Json::object();
  const Json factor = ValueAt(contents, prefix + "rope.scaling.factor"),
             original = ValueAt(contents, prefix + "rope.scaling.original_context_length"),
             magnitude = ValueAt(contents, prefix + "rope.scaling.attn_factor");
  const auto* kind = FindGguf<std::string_view>(contents, prefix + "rope.scaling.type");
  if (kind != nullptr && *kind != "none") scaling["rope_type"] = std::string(*kind);
  if (factor.is_number()) scaling["factor"] = factor;
  if (original.is_number())
    (*config)["original_max_position_embeddings"] = scaling["original_max_position_embeddings"] = original;
  const auto factors = contents.tensors.find("rope_factors_short.weight");
  if (factors != contents.tensors.end()) {
    scaling["rope_type"] = "longrope";
    scaling["short_factor"] = Dequantize(factors->second);
  }
  if (magnitude.is_number()) {
    // YaRN's own comes on top of this one.
    const bool yarn = JsonAt(scaling, "rope_type") == "yarn" && factor.is_number();
    const double own = yarn ? 0.1 * std::log(factor.get<double>()) + 1 : 1;
    scaling["attention_factor"] = magnitude.get<double>() * own;
  }
  if (contents.tensors.contains("rope_freqs.weight"))
    return Wrong("tensor rope_freqs.weight has no place in this architecture");
  if (scaling.contains("rope_type")) (*config)["rope_scaling"] = scaling;
  return absl::OkStatus();
}

// The elements of a head that rotate, as a share of them; the larger Gemmas' scale of attention.
absl::Status TakeHeads(const GgufContents& contents, const std::string& prefix, Json* config) {
  const double width = JsonNumberOr(*config, "hidden_size", 0);
  const double heads = JsonNumberOr(*config, "num_attention_heads", 0);
  const double size = JsonNumberOr(*config, "head_dim", heads > 0 ? width / heads : 0);
  const Json rotating = ValueAt(contents, prefix + "rope.dimension_count");
  if (rotating.is_number() && size > 0) {
    const double share = rotating.get<double>() / size;
    if (share != 1 && !IsFamily(*config, "phi3") && !IsFamily(*config, "gpt_neox"))
      return Wrong(prefix, "rope.dimension_count is ", JsonText(rotating), " of ", size,
                   ", which is not supported");
    // So that no rounding takes an element away when it is multiplied again.
    (*config)["partial_rotary_factor"] = share == 1 ? 1 : std::nextafter(share, 2.0);
  }
  const Json values = ValueAt(contents, prefix + "attention.value_length");
  if (values.is_number() && values.get<double>() != size)
    return Wrong("values have ", JsonText(values), " elements a head, keys ", size,
                 "; they must be one number");
  const double layers = JsonNumberOr(*config, "num_hidden_layers", 0);
  const bool largest =
      (IsFamily(*config, "gemma2") && layers == 46) || (IsFamily(*config, "gemma3_text") && layers == 62);
  if (largest && heads > 0) (*config)["query_pre_attn_scalar"] = width / heads;
  return absl::OkStatus();
}

bool IsBias(Role role) {
  return role == Role::kQueryKeyValueBias || role == Role::kAttentionOutputBias ||
         role == Role::kGateUpBias || role == Role::kDownBias;
}

// The name without the layer and what it is of the product; nullptr: several tensors.
const char* StemOf(Role role) {
  switch (role) {
    case Role::kTokenEmbedding: return "token_embd";
    case Role::kPositionEmbedding: return "position_embd";
    case Role::kAttentionNorm: return "attn_norm";
    case Role::kQueryNorm: return "attn_q_norm";
    case Role::kKeyNorm: return "attn_k_norm";
    case Role::kAttentionOutput:
    case Role::kAttentionOutputBias: return "attn_output";
    case Role::kAttentionPostNorm: return "post_attention_norm";
    case Role::kFeedForwardNorm: return "ffn_norm";
    case Role::kDown:
    case Role::kDownBias: return "ffn_down";
    case Role::kFeedForwardPostNorm: return "post_ffw_norm";
    case Role::kFinalNorm: return "output_norm";
    case Role::kHead: return "output";
    case Role::kQueryKeyValue:
    case Role::kQueryKeyValueBias:
    case Role::kGateUp:
    case Role::kGateUpBias: break;
  }
  return nullptr;
}

struct Piece {
  const char* stem;
  uint32_t first, count;
};

// What a product of several parts is called, part by part.
std::vector<Piece> PiecesOf(const GgufContents& contents, const Architecture& a, Role role) {
  const uint32_t queries = a.heads * a.head_size, keys = a.kv_heads * a.head_size;
  if (role == Role::kQueryKeyValue || role == Role::kQueryKeyValueBias) {
    if (contents.tensors.contains("blk.0.attn_qkv.weight")) return {{"attn_qkv", 0, queries + 2 * keys}};
    return {{"attn_q", 0, queries}, {"attn_k", queries, keys}, {"attn_v", queries + keys, keys}};
  }
  const bool apart = a.variant.gated && contents.tensors.contains("blk.0.ffn_gate.weight");
  if (!apart) return {{"ffn_up", 0, a.variant.feed_forward_inputs() * a.hidden}};
  return {{"ffn_gate", 0, a.hidden}, {"ffn_up", a.hidden, a.hidden}};
}

}  // namespace

bool IsGgufFamily(const std::string& architecture) {
  for (const auto& [gguf, type] : kFamilies) {
    if (architecture == gguf) return true;
  }
  return false;
}

absl::Status TakeGgufFamily(const GgufContents& contents, const std::string& architecture,
                            Architecture* out) {
  Json config = Json::object();
  for (const auto& [gguf, type] : kFamilies) {
    if (architecture == gguf) config["model_type"] = type;
  }
  const std::string prefix = architecture + ".";
  const auto take = [&](const KeyPair& key) {
    Json value = ValueAt(contents, prefix + key.gguf);
    if (!value.is_null()) config[key.json] = std::move(value);
  };
  if (architecture == "gpt2") {
    for (const KeyPair& key : kGpt2Keys) take(key);
  } else {
    for (const KeyPair& key : kKeys) take(key);
  }
  const auto embedding = contents.tensors.find("token_embd.weight");
  if (embedding == contents.tensors.end()) return Wrong("tensor token_embd.weight is missing");
  config["vocab_size"] = embedding->second.rows;
  absl::Status status = TakeHeads(contents, prefix, &config);
  if (status.ok()) status = TakeScaling(contents, prefix, &config);
  if (status.ok()) status = TakeHuggingFaceSizes(config, out);
  if (status.ok()) status = TakeHuggingFaceRope(config, out);
  out->tied_head = !contents.tensors.contains("output.weight");
  return status.ok() ? CheckArchitecture(*out) : status;
}

std::map<std::string, LlamaPart> GgufParts(const GgufContents& contents, const Architecture& a) {
  std::map<std::string, LlamaPart> parts;
  for (const auto& [key, shape] : TensorShapes(a)) {
    const Role role = key.first;
    const bool outside = role == Role::kTokenEmbedding || role == Role::kPositionEmbedding ||
                         role == Role::kFinalNorm || role == Role::kHead;
    const std::string prefix = outside ? "" : absl::StrCat("blk.", key.second, ".");
    const char* const stem = StemOf(role);
    const std::string end = IsBias(role) ? ".bias" : ".weight";
    if (stem == nullptr) {
      for (const Piece& piece : PiecesOf(contents, a, role)) {
        parts[prefix + piece.stem + end] = IsBias(role) ? LlamaPart{key, 0, 1, piece.first, piece.count}
                                                        : LlamaPart{key, piece.first, piece.count};
      }
    } else if (IsVector(role) && shape.first == 2) {
      parts[prefix + stem + ".weight"] = {key, 0, 1};
      parts[prefix + stem + ".bias"] = {key, 1, 1};
    } else {
      parts[prefix + stem + end] = {key, 0, shape.first};
    }
  }
  return parts;
}

bool IsGgufBuffer(const std::string& name) {
  return name == "rope_freqs.weight" || name == "rope_factors_long.weight" ||
         name == "rope_factors_short.weight";
}

}  // namespace cllm
