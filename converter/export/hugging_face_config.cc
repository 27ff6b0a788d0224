#include "converter/export/hugging_face_config.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "converter/checkpoint/variant.h"
#include "converter/export/hugging_face_rope.h"
#include "converter/export/turns.h"
#include "converter/import/hugging_face_families.h"
#include "converter/import/hugging_face_rope.h"
#include "converter/json/json_text.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

// The double that people would write for a float: the shortest that gives it.
double Short(float value) {
  double number = 0;
  const bool read = absl::SimpleAtod(absl::StrCat(value), &number);
  return read && static_cast<float>(number) == value ? number : double{value};
}

const char* ActivationName(Activation activation) {
  switch (activation) {
    case Activation::kSilu: return "silu";
    case Activation::kGeluTanh: return "gelu_pytorch_tanh";
    case Activation::kGeluErf: return "gelu";
    case Activation::kRelu: return "relu";
    case Activation::kReluSquared: return "relu2";
  }
  return "";
}

// A list of what each layer is, by whether it has a window.
Json ByLayer(const Architecture& a, const Json& window, const Json& all) {
  Json list = Json::array();
  for (uint32_t layer = 0; layer < a.layers; ++layer)
    list.push_back(a.variant.window(layer) != 0 ? window : all);
  return list;
}

void SetSizes(const Architecture& a, Json* config) {
  config->update({{"vocab_size", a.vocabulary_size},
                  {"max_position_embeddings", a.context},
                  {"hidden_size", a.width},
                  {"num_hidden_layers", a.layers},
                  {"num_attention_heads", a.heads},
                  {"intermediate_size", a.hidden}});
}

void SetLlama(const Architecture& a, Json* config) {
  SetSizes(a, config);
  config->update({{"num_key_value_heads", a.kv_heads},
                  {"head_dim", a.head_size},
                  {"rms_norm_eps", Short(a.norm_epsilon)},
                  {"hidden_act", ActivationName(a.variant.activation)}});
}

// What the model class of a family lacks must not be in its config: the importer takes more than it has.
void SetBiases(const Architecture& a, Json* config) {
  (*config)["attention_bias"] = a.variant.attention_output_bias;
  (*config)["mlp_bias"] = a.variant.feed_forward_bias;
}

void SetWindow(const Architecture& a, Json* config) {
  if (a.variant.sliding_window != 0) (*config)["sliding_window"] = a.variant.sliding_window;
}

void SetLayerTypes(const Architecture& a, Json* config) {
  SetWindow(a, config);
  (*config)["layer_types"] = ByLayer(a, "sliding_attention", "full_attention");
}

void SetPlainLlama(const Architecture& a, Json* config) {
  SetLlama(a, config);
  SetBiases(a, config);
}

void SetMistral(const Architecture& a, Json* config) {
  SetLlama(a, config);
  SetWindow(a, config);
}

void SetQwen(const Architecture& a, Json* config) {
  SetLlama(a, config);
  SetLayerTypes(a, config);
  (*config)["use_sliding_window"] = a.variant.sliding_window != 0;
}

void SetQwen3(const Architecture& a, Json* config) {
  SetQwen(a, config);
  (*config)["attention_bias"] = a.variant.attention_output_bias;
}

// So that a share of the head's elements, rounded down, is `rotary` of them.
double RotaryShare(const Architecture& a) {
  const double rotary = a.variant.rotary(a.head_size), size = a.head_size;
  return std::floor(rotary / size * size) == rotary ? rotary / size : (rotary + 0.5) / size;
}

void SetPhi3(const Architecture& a, Json* config) {
  SetMistral(a, config);
  (*config)["partial_rotary_factor"] = RotaryShare(a);
}

void SetGemma(const Architecture& a, Json* config) {
  SetLlama(a, config);
  (*config)["hidden_activation"] = (*config)["hidden_act"];
  (*config)["attention_bias"] = a.variant.attention_output_bias;
}

void SetGemma2(const Architecture& a, Json* config) {
  SetGemma(a, config);
  SetLayerTypes(a, config);
  const Variant& variant = a.variant;
  const double scale = variant.attention_scale;
  const double scalar = scale != 0 ? 1 / (scale * scale) : a.head_size, whole = std::round(scalar);
  const bool is_whole = static_cast<float>(1 / std::sqrt(whole)) == variant.attention_scale;
  (*config)["query_pre_attn_scalar"] = is_whole ? whole : scalar;
  const auto cap = [&](float value) { return value != 0 ? Json(Short(value)) : Json(); };
  (*config)["attn_logit_softcapping"] = cap(variant.attention_softcap);
  (*config)["final_logit_softcapping"] = cap(variant.logit_softcap);
}

void SetGemma3(const Architecture& a, Json* config) {
  SetGemma2(a, config);
  if (!a.window_rope_turns.empty())
    (*config)["rope_local_base_freq"] = RopeBase(a.window_rope_turns).value_or(10000.0);
}

void SetSmolLm3(const Architecture& a, Json* config) {
  SetPlainLlama(a, config);
  // 1: it rotates.
  (*config)["no_rope_layers"] =
      a.variant.window_rope ? ByLayer(a, 1, 0) : Json(std::vector<int>(a.layers, 1));
}

void SetGpt2(const Architecture& a, Json* config) {
  *config = {{"vocab_size", a.vocabulary_size},
             {"n_positions", a.context},
             {"n_embd", a.width},
             {"n_layer", a.layers},
             {"n_head", a.heads},
             {"n_inner", a.hidden},
             {"layer_norm_epsilon", Short(a.norm_epsilon)},
             {"activation_function", ActivationName(a.variant.activation)}};
}

void SetGptNeo(const Architecture& a, Json* config) {
  *config = {{"vocab_size", a.vocabulary_size},
             {"max_position_embeddings", a.context},
             {"hidden_size", a.width},
             {"num_layers", a.layers},
             {"num_heads", a.heads},
             {"intermediate_size", a.hidden},
             {"layer_norm_epsilon", Short(a.norm_epsilon)},
             {"activation_function", ActivationName(a.variant.activation)},
             {"attention_types", Json::array({Json::array({ByLayer(a, "local", "global"), 1})})}};
  if (a.variant.sliding_window != 0) (*config)["window_size"] = a.variant.sliding_window;
}

void SetGptNeoX(const Architecture& a, Json* config) {
  SetSizes(a, config);
  config->update({{"layer_norm_eps", Short(a.norm_epsilon)},
                  {"hidden_act", ActivationName(a.variant.activation)},
                  {"attention_bias", a.variant.query_key_value_bias},
                  {"use_parallel_residual", a.variant.parallel_block},
                  {"rotary_pct", RotaryShare(a)}});
}

struct Family {
  const char* type;
  const char* model_class;
  void (*set)(const Architecture& a, Json* config);
};
constexpr Family kFamilies[] = {
    {"llama", "LlamaForCausalLM", SetPlainLlama},  {"mistral", "MistralForCausalLM", SetMistral},
    {"qwen2", "Qwen2ForCausalLM", SetQwen},        {"qwen3", "Qwen3ForCausalLM", SetQwen3},
    {"phi3", "Phi3ForCausalLM", SetPhi3},          {"gemma", "GemmaForCausalLM", SetGemma},
    {"gemma2", "Gemma2ForCausalLM", SetGemma2},    {"gemma3_text", "Gemma3ForCausalLM", SetGemma3},
    {"smollm3", "SmolLM3ForCausalLM", SetSmolLm3}, {"gpt2", "GPT2LMHeadModel", SetGpt2},
    {"gpt_neo", "GPTNeoForCausalLM", SetGptNeo},   {"gpt_neox", "GPTNeoXForCausalLM", SetGptNeoX}};

// All but the rounding of a double.
bool SameTurns(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](uint64_t x, uint64_t y) {
           return (x > y ? x - y : y - x) <= std::max(x, y) >> 51;
         });
}

bool SameWindows(const Architecture& a, const Architecture& b) {
  for (uint32_t layer = 0; layer < a.layers; ++layer) {
    if (a.variant.window(layer) != b.variant.window(layer)) return false;
  }
  return true;
}

bool IsSame(const Architecture& a, const Architecture& b) {
  const auto sizes = [](const Architecture& x) {
    return std::vector<uint32_t>{x.vocabulary_size, x.context,  x.width,     x.layers,
                                 x.heads,           x.kv_heads, x.head_size, x.hidden};
  };
  const auto scale = [&](const Variant& variant) {
    return variant.attention_scale != 0 ? variant.attention_scale
                                        : static_cast<float>(1 / std::sqrt(static_cast<double>(a.head_size)));
  };
  if (scale(a.variant) != scale(b.variant)) return false;
  Variant with_windows_of_a = b.variant;
  with_windows_of_a.attention_scale = a.variant.attention_scale;
  with_windows_of_a.sliding_window = a.variant.sliding_window;
  with_windows_of_a.sliding_window_period = a.variant.sliding_window_period;
  with_windows_of_a.sliding_window_phase = a.variant.sliding_window_phase;
  const bool turns = !a.variant.rope || SameTurns(TurnsOf(a), TurnsOf(b));
  return sizes(a) == sizes(b) && a.norm_epsilon == b.norm_epsilon && a.variant == with_windows_of_a &&
         SameWindows(a, b) && turns && SameTurns(a.window_rope_turns, b.window_rope_turns);
}

// Whether the importer would make this architecture of the file.
bool Says(const Json& written, const Architecture& wanted) {
  const Json config = ParseJson(JsonText(written));
  Architecture read;
  if (!TakeHuggingFaceSizes(config, &read).ok() || !TakeHuggingFaceRope(config, &read).ok()) return false;
  return IsHuggingFaceHeadTied(config) == wanted.tied_head && IsSame(wanted, read);
}

// The magnitude that makes the usual scale of scores this one.
double Magnitude(const Architecture& a) {
  const double scale = a.variant.attention_scale;
  return scale == 0 ? 1 : std::sqrt(scale * std::sqrt(static_cast<double>(a.head_size)));
}

// The family's config.json if it can say it; null otherwise.
Json ConfigOf(const Family& family, const Architecture& a) {
  Json config = Json::object();
  family.set(a, &config);
  config["model_type"] = family.type;
  config["architectures"] = Json::array({family.model_class});
  config["tie_word_embeddings"] = a.tied_head;
  if (!a.variant.rope) return Says(config, a) ? config : Json();
  const std::string type = family.type;
  const bool own_scale = type == "gemma2" || type == "gemma3_text";
  const auto& turns = type == "smollm3" && a.variant.window_rope ? a.window_rope_turns : TurnsOf(a);
  for (const RopeWords& words : RopeCandidates(turns, own_scale ? 1 : Magnitude(a), a.context)) {
    config[type == "gpt_neox" ? "rotary_emb_base" : "rope_theta"] = words.theta;
    config["rope_scaling"] = words.scaling;
    if (Says(config, a)) return config;
  }
  return Json();
}

}  // namespace

absl::StatusOr<Json> HuggingFaceConfig(const Architecture& a, const std::string& preferred) {
  for (const bool only_preferred : {true, false}) {
    for (const Family& family : kFamilies) {
      if (only_preferred != (family.type == preferred)) continue;
      if (Json config = ConfigOf(family, a); !config.is_null()) return config;
    }
  }
  return absl::UnimplementedError(
      absl::StrCat("no family of transformers has this architecture: ", VariantWords(a.variant)));
}

}  // namespace cllm
