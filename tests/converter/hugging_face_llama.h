// The families that follow Llama: folders of small random ones, and their logits by a plain forward pass in
// double.
#ifndef CLLM_TESTS_CONVERTER_HUGGING_FACE_LLAMA_H_
#define CLLM_TESTS_CONVERTER_HUGGING_FACE_LLAMA_H_

#include "tests/converter/hugging_face_folder.h"

namespace cllm::testing {

// What a family does unlike Llama.
struct Family {
  std::string type;
  size_t kv_heads, head_size;
  bool query_key_norm = false, query_key_value_bias = false, all_biases = false;
  bool fused = false;     // queries, keys and values are one tensor, gate and up another
  bool gemma = false;     // norms by one more than their weight, GELU, embeddings scaled, tied
  bool sandwich = false;  // norms before and after
  double attention_scale = 0, attention_softcap = 0, logit_softcap = 0;
  std::vector<size_t> windows = {0, 0};  // by layer
  Vector frequencies = {}, window_frequencies = {};
  double magnitude = 1;
  std::vector<bool> rotates = {};  // by layer; empty: all do
  Json more = Json::object();      // of config.json

  size_t layers() const { return windows.size(); }

  Folder Make() const {
    Folder f;
    f.config = {{"model_type", type},
                {"vocab_size", kVocabulary},
                {"max_position_embeddings", kContext},
                {"hidden_size", kWidth},
                {"intermediate_size", kHidden},
                {"num_hidden_layers", layers()},
                {"num_attention_heads", kHeads},
                {"num_key_value_heads", kv_heads},
                {"head_dim", head_size},
                {"rms_norm_eps", 1e-6},
                {"rope_theta", 10000.0},
                {"hidden_act", gemma ? "gelu_pytorch_tanh" : "silu"}};
    if (all_biases) f.config["attention_bias"] = f.config["mlp_bias"] = true;
    f.config.update(more);
    f.Add("model.embed_tokens.weight", {kVocabulary, kWidth});
    f.Add("model.norm.weight", {kWidth}, gemma ? 0 : 1);
    if (!gemma) f.Add("lm_head.weight", {kVocabulary, kWidth});
    for (size_t layer = 0; layer < layers(); ++layer) {
      AddLayer("model.layers." + std::to_string(layer) + ".", &f);
    }
    return f;
  }

  void AddLayer(const std::string& prefix, Folder* f) const {
    const auto linear = [&](const std::string& name, size_t outputs, size_t inputs, bool bias) {
      f->Add(prefix + name + ".weight", {outputs, inputs});
      if (bias) f->Add(prefix + name + ".bias", {outputs});
    };
    const auto norm = [&](const std::string& name, size_t size) {
      f->Add(prefix + name + ".weight", {size}, gemma ? 0 : 1);
    };
    const size_t queries = kHeads * head_size, keys = kv_heads * head_size;
    norm("input_layernorm", kWidth);
    norm("post_attention_layernorm", kWidth);
    if (sandwich) norm("pre_feedforward_layernorm", kWidth);
    if (sandwich) norm("post_feedforward_layernorm", kWidth);
    if (query_key_norm) norm("self_attn.q_norm", head_size);
    if (query_key_norm) norm("self_attn.k_norm", head_size);
    if (fused) {
      linear("self_attn.qkv_proj", queries + 2 * keys, kWidth, false);
      linear("mlp.gate_up_proj", 2 * kHidden, kWidth, false);
    } else {
      linear("self_attn.q_proj", queries, kWidth, query_key_value_bias || all_biases);
      linear("self_attn.k_proj", keys, kWidth, query_key_value_bias || all_biases);
      linear("self_attn.v_proj", keys, kWidth, query_key_value_bias || all_biases);
      linear("mlp.gate_proj", kHidden, kWidth, all_biases);
      linear("mlp.up_proj", kHidden, kWidth, all_biases);
    }
    linear("self_attn.o_proj", kWidth, queries, all_biases);
    linear("mlp.down_proj", kWidth, kHidden, all_biases);
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

  // Norms of heads, if there are any, then the rotation.
  void Turn(const Folder& f, const std::string& norm, size_t layer, size_t position, Vector& heads) const {
    for (size_t at = 0; query_key_norm && at < heads.size(); at += head_size) {
      const auto begin = heads.begin() + static_cast<long>(at);
      const Vector head = Norm(f.All(norm), Vector(begin, begin + static_cast<long>(head_size)));
      std::copy(head.begin(), head.end(), begin);
    }
    if (!rotates.empty() && !rotates[layer]) return;
    const bool local = windows[layer] != 0 && !window_frequencies.empty();
    const Vector plain = Frequencies(10000, head_size / 2);
    const Vector& turns = local ? window_frequencies : frequencies.empty() ? plain : frequencies;
    Rotate(turns, position, head_size, magnitude, heads);
  }

  // Queries, keys and values; gate and up.
  std::vector<Vector> Products(const Folder& f, const std::string& p, const std::vector<std::string>& names,
                               const std::string& all, const std::vector<size_t>& sizes,
                               const Vector& x) const {
    std::vector<Vector> parts;
    if (!fused) {
      for (const std::string& name : names) parts.push_back(f.Linear(p + name, x));
      return parts;
    }
    const Vector y = f.Linear(p + all, x);
    auto begin = y.begin();
    for (const size_t size : sizes) {
      parts.emplace_back(begin, begin + static_cast<long>(size));
      begin += static_cast<long>(size);
    }
    return parts;
  }

  // What a half adds, after its norm if it has one.
  void AddHalf(const Folder& f, const std::string& norm, Vector added, Vector& x) const {
    AddTo(x, sandwich ? Norm(f.All(norm), added) : added);
  }

  std::vector<Vector> Logits(const Folder& f, const std::vector<uint32_t>& tokens) const {
    std::vector<std::vector<Vector>> keys(layers()), values(layers());
    std::vector<Vector> logits;
    const size_t query = kHeads * head_size, key = kv_heads * head_size;
    const double scale =
        attention_scale != 0 ? attention_scale : 1 / std::sqrt(static_cast<double>(head_size));
    for (size_t t = 0; t < tokens.size(); ++t) {
      Vector x = f.Row("model.embed_tokens.weight", tokens[t]);
      for (double& v : x) v *= gemma ? std::sqrt(static_cast<double>(kWidth)) : 1;
      for (size_t layer = 0; layer < layers(); ++layer) {
        const std::string p = "model.layers." + std::to_string(layer) + ".";
        std::vector<Vector> qkv =
            Products(f, p, {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}, "self_attn.qkv_proj",
                     {query, key, key}, Norm(f.All(p + "input_layernorm.weight"), x));
        Turn(f, p + "self_attn.q_norm.weight", layer, t, qkv[0]);
        Turn(f, p + "self_attn.k_norm.weight", layer, t, qkv[1]);
        keys[layer].push_back(qkv[1]);
        values[layer].push_back(qkv[2]);
        const Attention attention = {kv_heads, head_size, scale, attention_softcap, windows[layer]};
        AddHalf(f, p + "post_attention_layernorm.weight",
                f.Linear(p + "self_attn.o_proj", Attend(attention, qkv[0], keys[layer], values[layer])), x);
        const char* before =
            sandwich ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight";
        std::vector<Vector> fed = Products(f, p, {"mlp.gate_proj", "mlp.up_proj"}, "mlp.gate_up_proj",
                                           {kHidden, kHidden}, Norm(f.All(p + before), x));
        for (size_t i = 0; i < kHidden; ++i) {
          const double gate = fed[0][i];
          fed[0][i] = (gemma ? GeluTanh(gate) : gate / (1 + std::exp(-gate))) * fed[1][i];
        }
        AddHalf(f, p + "post_feedforward_layernorm.weight", f.Linear(p + "mlp.down_proj", fed[0]), x);
      }
      Vector row = f.Linear(gemma ? "model.embed_tokens" : "lm_head", Norm(f.All("model.norm.weight"), x));
      for (double& z : row) z = logit_softcap != 0 ? logit_softcap * std::tanh(z / logit_softcap) : z;
      logits.push_back(row);
    }
    return logits;
  }

  void Check() const {
    CAPTURE(type);
    const std::vector<uint32_t> tokens = RandomTokens(kVocabulary, kContext, 3);
    const Folder folder = Make();
    CheckLogits(folder, tokens, Logits(folder, tokens));
  }
};

}  // namespace cllm::testing

#endif  // CLLM_TESTS_CONVERTER_HUGGING_FACE_LLAMA_H_
