// Each family of Hugging Face folders: a small random one is written, imported, and run in float32; the
// logits must be those of a plain forward pass in double over the folder's own tensors, written from the
// families' papers and reference code, which shares nothing with the importer.
#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "converter/import/hugging_face.h"
#include "doctest/doctest.h"
#include "nlohmann/json.hpp"
#include "support/file_tools.h"
#include "support/random_model.h"

namespace cllm {
namespace {

using Json = nlohmann::json;
using Vector = std::vector<double>;
using testing::TemporaryDirectory;
using testing::WriteBytes;

struct Array {
  std::vector<size_t> shape;
  std::vector<float> values;
};

// A folder's tensors by name.
class Folder {
 public:
  Json config;

  // Values of about unit gain, around `center`.
  void Add(const std::string& name, const std::vector<size_t>& shape, float center = 0) {
    Array& array = arrays_[name];
    array.shape = shape;
    const size_t inputs = shape.size() == 2 ? std::min(shape[0], shape[1]) : 9;
    size_t count = 1;
    for (const size_t n : shape) count *= n;
    for (size_t i = 0; i < count; ++i) {
      const float uniform = static_cast<float>(random_() >> 8) / 8388608.0f - 1.0f;
      array.values.push_back(center + uniform * 1.7f / std::sqrt(static_cast<float>(inputs)));
    }
  }
  // x times the transposed matrix [outputs][inputs], or with `turned` times one of [inputs][outputs]; plus a
  // bias, if there is one.
  Vector Linear(const std::string& name, const Vector& x, bool turned = false) const {
    const Array& w = arrays_.at(name + ".weight");
    const size_t outputs = w.shape[turned ? 1 : 0];
    Vector y(outputs);
    for (size_t n = 0; n < outputs; ++n) {
      for (size_t k = 0; k < x.size(); ++k) {
        y[n] += x[k] * static_cast<double>(w.values[turned ? k * outputs + n : n * x.size() + k]);
      }
    }
    const auto bias = arrays_.find(name + ".bias");
    for (size_t n = 0; bias != arrays_.end() && n < outputs; ++n)
      y[n] += static_cast<double>(bias->second.values[n]);
    return y;
  }
  Vector Row(const std::string& name, size_t row) const {
    const Array& array = arrays_.at(name);
    const auto begin = array.values.begin() + static_cast<long>(row * array.shape[1]);
    return Vector(begin, begin + static_cast<long>(array.shape[1]));
  }
  Vector All(const std::string& name) const {
    const Array& array = arrays_.at(name);
    return Vector(array.values.begin(), array.values.end());
  }
  void Write(const std::string& path) const {
    Json header;
    std::string data;
    for (const auto& [name, array] : arrays_) {
      const size_t begin = data.size();
      data.append(reinterpret_cast<const char*>(array.values.data()), array.values.size() * sizeof(float));
      header[name] = {{"dtype", "F32"}, {"shape", array.shape}, {"data_offsets", {begin, data.size()}}};
    }
    const std::string text = header.dump();
    const uint64_t length = text.size();
    WriteBytes(path + "/model.safetensors",
               std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + text + data);
    WriteBytes(path + "/config.json", config.dump());
  }

 private:
  std::map<std::string, Array> arrays_;
  std::mt19937 random_{7};
};

constexpr size_t kVocabulary = 23, kWidth = 24, kLayers = 2, kHeads = 4, kHidden = 20, kContext = 12;

void AddTo(Vector& x, const Vector& change) {
  for (size_t i = 0; i < x.size(); ++i) x[i] += change[i];
}

double GeluTanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

// Attention of the last of the positions: one head after the other, keys shared by groups.
Vector Attend(const Vector& queries, const std::vector<Vector>& keys, const std::vector<Vector>& values,
              size_t kv_heads, size_t size) {
  Vector out;
  for (size_t h = 0; h < kHeads; ++h) {
    const size_t at = h / (kHeads / kv_heads) * size;
    Vector weights;
    double sum = 0;
    for (const Vector& key : keys) {
      double score = 0;
      for (size_t d = 0; d < size; ++d) score += queries[h * size + d] * key[at + d];
      weights.push_back(std::exp(score / std::sqrt(static_cast<double>(size))));
      sum += weights.back();
    }
    for (size_t d = 0; d < size; ++d) {
      double mixed = 0;
      for (size_t t = 0; t < values.size(); ++t) mixed += weights[t] / sum * values[t][at + d];
      out.push_back(mixed);
    }
  }
  return out;
}

// Llama and the families that follow it.
struct LlamaLike {
  std::string type;
  size_t kv_heads, head_size;
  bool query_key_norm = false, gemma = false, query_key_value_bias = false, all_biases = false;

  Folder Make() const {
    Folder f;
    f.config = {{"model_type", type},
                {"vocab_size", kVocabulary},
                {"max_position_embeddings", kContext},
                {"hidden_size", kWidth},
                {"intermediate_size", kHidden},
                {"num_hidden_layers", kLayers},
                {"num_attention_heads", kHeads},
                {"num_key_value_heads", kv_heads},
                {"head_dim", head_size},
                {"rms_norm_eps", 1e-6},
                {"rope_theta", 10000.0},
                {"hidden_act", gemma ? "gelu_pytorch_tanh" : "silu"}};
    if (all_biases) f.config["attention_bias"] = f.config["mlp_bias"] = true;
    f.Add("model.embed_tokens.weight", {kVocabulary, kWidth});
    f.Add("model.norm.weight", {kWidth}, gemma ? 0 : 1);
    if (!gemma) f.Add("lm_head.weight", {kVocabulary, kWidth});
    for (size_t layer = 0; layer < kLayers; ++layer) {
      const std::string prefix = "model.layers." + std::to_string(layer) + ".";
      const auto linear = [&](const char* name, size_t outputs, size_t inputs, bool bias) {
        f.Add(prefix + name + ".weight", {outputs, inputs});
        if (bias) f.Add(prefix + name + ".bias", {outputs});
      };
      f.Add(prefix + "input_layernorm.weight", {kWidth}, gemma ? 0 : 1);
      f.Add(prefix + "post_attention_layernorm.weight", {kWidth}, gemma ? 0 : 1);
      linear("self_attn.q_proj", kHeads * head_size, kWidth, query_key_value_bias || all_biases);
      linear("self_attn.k_proj", kv_heads * head_size, kWidth, query_key_value_bias || all_biases);
      linear("self_attn.v_proj", kv_heads * head_size, kWidth, query_key_value_bias || all_biases);
      linear("self_attn.o_proj", kWidth, kHeads * head_size, all_biases);
      linear("mlp.gate_proj", kHidden, kWidth, all_biases);
      linear("mlp.up_proj", kHidden, kWidth, all_biases);
      linear("mlp.down_proj", kWidth, kHidden, all_biases);
      if (!query_key_norm) continue;
      f.Add(prefix + "self_attn.q_norm.weight", {head_size}, 1);
      f.Add(prefix + "self_attn.k_norm.weight", {head_size}, 1);
    }
    return f;
  }

  Vector Norm(const Vector& weight, const Vector& x) const {
    double squares = 0;
    for (const double v : x) squares += v * v;
    Vector y;
    for (size_t i = 0; i < x.size(); ++i) {
      y.push_back(x[i] / std::sqrt(squares / static_cast<double>(x.size()) + 1e-6) *
                  (gemma ? 1 + weight[i] : weight[i]));
    }
    return y;
  }
  // Norms of heads, if there are any, then the rotation by halves.
  void Turn(const Folder& f, const std::string& norm, size_t position, Vector& heads) const {
    for (size_t at = 0; at < heads.size(); at += head_size) {
      const auto begin = heads.begin() + static_cast<long>(at);
      Vector head(begin, begin + static_cast<long>(head_size));
      if (query_key_norm) head = Norm(f.All(norm), head);
      for (size_t i = 0; i < head_size / 2; ++i) {
        const double angle =
            static_cast<double>(position) *
            std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(head_size));
        const double a = head[i], b = head[i + head_size / 2];
        heads[at + i] = a * std::cos(angle) - b * std::sin(angle);
        heads[at + i + head_size / 2] = b * std::cos(angle) + a * std::sin(angle);
      }
    }
  }
  std::vector<Vector> Logits(const Folder& f, const std::vector<uint32_t>& tokens) const {
    std::vector<std::vector<Vector>> keys(kLayers), values(kLayers);
    std::vector<Vector> logits;
    for (size_t t = 0; t < tokens.size(); ++t) {
      Vector x = f.Row("model.embed_tokens.weight", tokens[t]);
      for (double& v : x) v *= gemma ? std::sqrt(static_cast<double>(kWidth)) : 1;
      for (size_t layer = 0; layer < kLayers; ++layer) {
        const std::string p = "model.layers." + std::to_string(layer) + ".";
        const Vector n = Norm(f.All(p + "input_layernorm.weight"), x);
        Vector q = f.Linear(p + "self_attn.q_proj", n), k = f.Linear(p + "self_attn.k_proj", n);
        Turn(f, p + "self_attn.q_norm.weight", t, q);
        Turn(f, p + "self_attn.k_norm.weight", t, k);
        keys[layer].push_back(k);
        values[layer].push_back(f.Linear(p + "self_attn.v_proj", n));
        AddTo(x,
              f.Linear(p + "self_attn.o_proj", Attend(q, keys[layer], values[layer], kv_heads, head_size)));
        const Vector m = Norm(f.All(p + "post_attention_layernorm.weight"), x);
        Vector gate = f.Linear(p + "mlp.gate_proj", m);
        const Vector up = f.Linear(p + "mlp.up_proj", m);
        for (size_t i = 0; i < gate.size(); ++i) {
          gate[i] = (gemma ? GeluTanh(gate[i]) : gate[i] / (1 + std::exp(-gate[i]))) * up[i];
        }
        AddTo(x, f.Linear(p + "mlp.down_proj", gate));
      }
      logits.push_back(
          f.Linear(gemma ? "model.embed_tokens" : "lm_head", Norm(f.All("model.norm.weight"), x)));
    }
    return logits;
  }
};

Folder MakeGpt2(const std::string& prefix) {
  Folder f;
  f.config = {{"model_type", "gpt2"}, {"vocab_size", kVocabulary},  {"n_positions", kContext},
              {"n_embd", kWidth},     {"n_layer", kLayers},         {"n_head", kHeads},
              {"n_inner", nullptr},   {"layer_norm_epsilon", 1e-5}, {"activation_function", "gelu_new"}};
  f.Add(prefix + "wte.weight", {kVocabulary, kWidth});
  f.Add(prefix + "wpe.weight", {kContext, kWidth});
  f.Add(prefix + "ln_f.weight", {kWidth}, 1);
  f.Add(prefix + "ln_f.bias", {kWidth});
  for (size_t layer = 0; layer < kLayers; ++layer) {
    const std::string p = prefix + "h." + std::to_string(layer) + ".";
    const auto linear = [&](const char* name, size_t outputs, size_t inputs) {
      f.Add(p + name + ".weight", {inputs, outputs});
      f.Add(p + name + ".bias", {outputs});
    };
    for (const char* norm : {"ln_1", "ln_2"}) {
      f.Add(p + norm + ".weight", {kWidth}, 1);
      f.Add(p + norm + ".bias", {kWidth});
    }
    linear("attn.c_attn", 3 * kWidth, kWidth);
    linear("attn.c_proj", kWidth, kWidth);
    linear("mlp.c_fc", 4 * kWidth, kWidth);
    linear("mlp.c_proj", kWidth, 4 * kWidth);
    f.Add(p + "attn.bias", {kContext, kContext});  // the mask, which older files have
  }
  return f;
}

Vector LayerNorm(const Folder& f, const std::string& name, const Vector& x) {
  const Vector weight = f.All(name + ".weight"), bias = f.All(name + ".bias");
  double mean = 0, variance = 0;
  for (const double v : x) mean += v / kWidth;
  for (const double v : x) variance += (v - mean) * (v - mean) / kWidth;
  Vector y;
  for (size_t i = 0; i < x.size(); ++i)
    y.push_back((x[i] - mean) / std::sqrt(variance + 1e-5) * weight[i] + bias[i]);
  return y;
}

std::vector<Vector> Gpt2Logits(const Folder& f, const std::string& prefix,
                               const std::vector<uint32_t>& tokens) {
  std::vector<std::vector<Vector>> keys(kLayers), values(kLayers);
  std::vector<Vector> logits;
  for (size_t t = 0; t < tokens.size(); ++t) {
    Vector x = f.Row(prefix + "wte.weight", tokens[t]);
    AddTo(x, f.Row(prefix + "wpe.weight", t));
    for (size_t layer = 0; layer < kLayers; ++layer) {
      const std::string p = prefix + "h." + std::to_string(layer) + ".";
      const Vector qkv = f.Linear(p + "attn.c_attn", LayerNorm(f, p + "ln_1", x), true);
      const auto part = [&](size_t i) {
        const auto begin = qkv.begin() + static_cast<long>(i * kWidth);
        return Vector(begin, begin + static_cast<long>(kWidth));
      };
      keys[layer].push_back(part(1));
      values[layer].push_back(part(2));
      const Vector mixed = Attend(part(0), keys[layer], values[layer], kHeads, kWidth / kHeads);
      AddTo(x, f.Linear(p + "attn.c_proj", mixed, true));
      Vector hidden = f.Linear(p + "mlp.c_fc", LayerNorm(f, p + "ln_2", x), true);
      for (double& v : hidden) v = GeluTanh(v);
      AddTo(x, f.Linear(p + "mlp.c_proj", hidden, true));
    }
    logits.push_back(f.Linear(prefix + "wte", LayerNorm(f, prefix + "ln_f", x)));
  }
  return logits;
}

void CheckLogits(const Folder& folder, const std::vector<uint32_t>& tokens,
                 const std::vector<Vector>& expected) {
  const TemporaryDirectory directory;
  folder.Write(directory.path());
  const absl::StatusOr<Checkpoint> checkpoint = ImportHuggingFace(directory.path());
  REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.status().message());
  const ModelFile file = testing::MakeModel(*checkpoint, Dtype::kF32);
  testing::TestSession session(file, testing::Limits(0, 1));
  double error = 0, size = 0;
  for (size_t t = 0; t < tokens.size(); ++t) {
    const std::vector<float> logits = session.Feed(tokens, t, t + 1);
    REQUIRE(logits.size() == kVocabulary);
    for (size_t v = 0; v < kVocabulary; ++v) {
      error = std::max(error, std::abs(static_cast<double>(logits[v]) - expected[t][v]));
      size = std::max(size, std::abs(expected[t][v]));
    }
  }
  CHECK(size > 0.1);
  CHECK(error < 1e-4);
}

TEST_CASE("Llama with biases, Mistral, Qwen2, Qwen3, Gemma: the logits of a plain forward pass in double") {
  LlamaLike llama = {"llama", 2, 6}, qwen2 = {"qwen2", 2, 6}, qwen3 = {"qwen3", 2, 10},
            gemma = {"gemma", 1, 8};
  llama.all_biases = true;
  qwen2.query_key_value_bias = true;
  qwen3.query_key_norm = true;
  gemma.gemma = true;
  const std::vector<uint32_t> tokens = testing::RandomTokens(kVocabulary, kContext, 3);
  for (const LlamaLike& family : {llama, LlamaLike{"mistral", 2, 6}, qwen2, qwen3, gemma}) {
    CAPTURE(family.type);
    const Folder folder = family.Make();
    CheckLogits(folder, tokens, family.Logits(folder, tokens));
  }
}

TEST_CASE("GPT-2, with the prefix of some files and without: the logits of a plain forward pass in double") {
  const std::vector<uint32_t> tokens = testing::RandomTokens(kVocabulary, kContext, 4);
  for (const std::string prefix : {"", "transformer."}) {
    CAPTURE(prefix);
    const Folder folder = MakeGpt2(prefix);
    CheckLogits(folder, tokens, Gpt2Logits(folder, prefix, tokens));
  }
}

TEST_CASE("what a family needs and the runtime lacks is named") {
  const TemporaryDirectory directory;
  const auto error = [&](Folder folder, const char* key, const Json& value) {
    folder.config[key] = value;
    folder.Write(directory.path());
    return std::string(ImportHuggingFace(directory.path()).status().message());
  };
  const Folder qwen2 = LlamaLike{"qwen2", 2, 6}.Make();
  CHECK(error(qwen2, "model_type", "gemma2").find("gemma2") != std::string::npos);
  CHECK(error(qwen2, "hidden_act", "mish").find("mish") != std::string::npos);
  CHECK(error(qwen2, "vocab_size", kVocabulary).find("k_proj.bias") != std::string::npos);  // it has none
  CHECK(error(qwen2, "sliding_window", 4).find("sliding_window") != std::string::npos);
  CHECK(error(MakeGpt2(""), "scale_attn_by_inverse_layer_idx", true).find("attention") != std::string::npos);
  CHECK(error(MakeGpt2(""), "n_head", 5).find("n_head") != std::string::npos);
  CHECK(error(MakeGpt2(""), "n_inner", 40).find("c_fc") != std::string::npos);
}

}  // namespace
}  // namespace cllm
