// The families that follow GPT-2: folders of small random ones, and their logits by a plain forward pass in
// double.
#ifndef CLLM_TESTS_CONVERTER_HUGGING_FACE_GPT_H_
#define CLLM_TESTS_CONVERTER_HUGGING_FACE_GPT_H_

#include "tests/converter/hugging_face_folder.h"

namespace cllm::testing {

inline constexpr size_t kGptLayers = 2, kSize = kWidth / kHeads;
inline const double kScale = 1 / std::sqrt(static_cast<double>(kSize));

inline Folder MakeGpt2(const std::string& prefix) {
  Folder f;
  f.config = {{"model_type", "gpt2"}, {"vocab_size", kVocabulary},  {"n_positions", kContext},
              {"n_embd", kWidth},     {"n_layer", kGptLayers},      {"n_head", kHeads},
              {"n_inner", nullptr},   {"layer_norm_epsilon", 1e-5}, {"activation_function", "gelu_new"}};
  f.Add(prefix + "wte.weight", {kVocabulary, kWidth});
  f.Add(prefix + "wpe.weight", {kContext, kWidth});
  f.Add(prefix + "ln_f.weight", {kWidth}, 1);
  f.Add(prefix + "ln_f.bias", {kWidth});
  for (size_t layer = 0; layer < kGptLayers; ++layer) {
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
    f.Add(p + "attn.bias", {1, 1, kContext, kContext});  // the mask, which older files have
  }
  return f;
}

inline Vector LayerNorm(const Folder& f, const std::string& name, const Vector& x) {
  const Vector weight = f.All(name + ".weight"), bias = f.All(name + ".bias");
  double mean = 0, variance = 0;
  for (const double v : x) mean += v / kWidth;
  for (const double v : x) variance += (v - mean) * (v - mean) / kWidth;
  Vector y;
  for (size_t i = 0; i < x.size(); ++i)
    y.push_back((x[i] - mean) / std::sqrt(variance + 1e-5) * weight[i] + bias[i]);
  return y;
}

inline std::vector<Vector> Gpt2Logits(const Folder& f, const std::string& prefix,
                                      const std::vector<uint32_t>& tokens) {
  std::vector<std::vector<Vector>> keys(kGptLayers), values(kGptLayers);
  std::vector<Vector> logits;
  for (size_t t = 0; t < tokens.size(); ++t) {
    Vector x = f.Row(prefix + "wte.weight", tokens[t]);
    AddTo(x, f.Row(prefix + "wpe.weight", t));
    for (size_t layer = 0; layer < kGptLayers; ++layer) {
      const std::string p = prefix + "h." + std::to_string(layer) + ".";
      const Vector qkv = f.Linear(p + "attn.c_attn", LayerNorm(f, p + "ln_1", x), true);
      const auto part = [&](size_t i) {
        const auto begin = qkv.begin() + static_cast<long>(i * kWidth);
        return Vector(begin, begin + static_cast<long>(kWidth));
      };
      keys[layer].push_back(part(1));
      values[layer].push_back(part(2));
      const Vector mixed = Attend({kHeads, kSize, kScale}, part(0), keys[layer], values[layer]);
      AddTo(x, f.Linear(p + "attn.c_proj", mixed, true));
      Vector hidden = f.Linear(p + "mlp.c_fc", LayerNorm(f, p + "ln_2", x), true);
      for (double& v : hidden) v = GeluTanh(v);
      AddTo(x, f.Linear(p + "mlp.c_proj", hidden, true));
    }
    logits.push_back(f.Linear(prefix + "wte", LayerNorm(f, prefix + "ln_f", x)));
  }
  return logits;
}

// TinyStories' family: every second layer sees a window, scores have no scale.
inline constexpr size_t kNeoLayers = 3, kNeoWindow = 4;

inline Folder MakeNeo() {
  Folder f;
  f.config = {
      {"model_type", "gpt_neo"},      {"vocab_size", kVocabulary}, {"max_position_embeddings", kContext},
      {"hidden_size", kWidth},        {"num_layers", kNeoLayers},  {"num_heads", kHeads},
      {"intermediate_size", nullptr}, {"window_size", kNeoWindow}, {"activation_function", "gelu_new"}};
  f.config["attention_types"] = Json::parse(R"([[["global", "local"], 1], [["global"], 1]])");
  f.Add("transformer.wte.weight", {kVocabulary, kWidth});
  f.Add("transformer.wpe.weight", {kContext, kWidth});
  const auto norm = [&](const std::string& name) {
    f.Add(name + ".weight", {kWidth}, 1);
    f.Add(name + ".bias", {kWidth});
  };
  norm("transformer.ln_f");
  for (size_t layer = 0; layer < kNeoLayers; ++layer) {
    const std::string p = "transformer.h." + std::to_string(layer) + ".";
    norm(p + "ln_1");
    norm(p + "ln_2");
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      f.Add(p + "attn.attention." + name + ".weight", {kWidth, kWidth});
    }
    f.Add(p + "attn.attention.out_proj.bias", {kWidth});
    f.Add(p + "mlp.c_fc.weight", {4 * kWidth, kWidth});
    f.Add(p + "mlp.c_fc.bias", {4 * kWidth});
    f.Add(p + "mlp.c_proj.weight", {kWidth, 4 * kWidth});
    f.Add(p + "mlp.c_proj.bias", {kWidth});
    f.Add(p + "attn.attention.bias", {1, 1, kContext, kContext});
    f.Add(p + "attn.attention.masked_bias", {});
  }
  return f;
}

inline std::vector<Vector> NeoLogits(const Folder& f, const std::vector<uint32_t>& tokens) {
  std::vector<std::vector<Vector>> keys(kNeoLayers), values(kNeoLayers);
  std::vector<Vector> logits;
  for (size_t t = 0; t < tokens.size(); ++t) {
    Vector x = f.Row("transformer.wte.weight", tokens[t]);
    AddTo(x, f.Row("transformer.wpe.weight", t));
    for (size_t layer = 0; layer < kNeoLayers; ++layer) {
      const std::string p = "transformer.h." + std::to_string(layer) + ".", a = p + "attn.attention.";
      const Vector normed = LayerNorm(f, p + "ln_1", x);
      keys[layer].push_back(f.Linear(a + "k_proj", normed));
      values[layer].push_back(f.Linear(a + "v_proj", normed));
      const Attention attention = {kHeads, kSize, 1, 0, layer % 2 == 1 ? kNeoWindow : 0};
      AddTo(x, f.Linear(a + "out_proj",
                        Attend(attention, f.Linear(a + "q_proj", normed), keys[layer], values[layer])));
      Vector hidden = f.Linear(p + "mlp.c_fc", LayerNorm(f, p + "ln_2", x));
      for (double& v : hidden) v = GeluTanh(v);
      AddTo(x, f.Linear(p + "mlp.c_proj", hidden));
    }
    logits.push_back(f.Linear("transformer.wte", LayerNorm(f, "transformer.ln_f", x)));
  }
  return logits;
}

// Pythia's family. A head of 6 elements, four of which rotate.
inline Folder MakeNeoX(bool parallel) {
  Folder f;
  f.config = {{"model_type", "gpt_neox"},
              {"vocab_size", kVocabulary},
              {"max_position_embeddings", kContext},
              {"hidden_size", kWidth},
              {"num_hidden_layers", kGptLayers},
              {"num_attention_heads", kHeads},
              {"intermediate_size", kHidden},
              {"rotary_pct", 0.7},
              {"rotary_emb_base", 300},
              {"layer_norm_eps", 1e-5},
              {"hidden_act", "gelu"},
              {"use_parallel_residual", parallel},
              {"tie_word_embeddings", false}};
  f.Add("gpt_neox.embed_in.weight", {kVocabulary, kWidth});
  f.Add("embed_out.weight", {kVocabulary, kWidth});
  const auto norm = [&](const std::string& name) {
    f.Add(name + ".weight", {kWidth}, 1);
    f.Add(name + ".bias", {kWidth});
  };
  norm("gpt_neox.final_layer_norm");
  for (size_t layer = 0; layer < kGptLayers; ++layer) {
    const std::string p = "gpt_neox.layers." + std::to_string(layer) + ".";
    const auto linear = [&](const char* name, size_t outputs, size_t inputs) {
      f.Add(p + name + ".weight", {outputs, inputs});
      f.Add(p + name + ".bias", {outputs});
    };
    norm(p + "input_layernorm");
    norm(p + "post_attention_layernorm");
    linear("attention.query_key_value", 3 * kWidth, kWidth);
    linear("attention.dense", kWidth, kWidth);
    linear("mlp.dense_h_to_4h", kHidden, kWidth);
    linear("mlp.dense_4h_to_h", kWidth, kHidden);
    f.Add(p + "attention.bias", {1, 1, kContext, kContext});
    f.Add(p + "attention.masked_bias", {});
    f.Add(p + "attention.rotary_emb.inv_freq", {2});
  }
  return f;
}

inline std::vector<Vector> NeoXLogits(const Folder& f, bool parallel, const std::vector<uint32_t>& tokens) {
  std::vector<std::vector<Vector>> keys(kGptLayers), values(kGptLayers);
  std::vector<Vector> logits;
  for (size_t t = 0; t < tokens.size(); ++t) {
    Vector x = f.Row("gpt_neox.embed_in.weight", tokens[t]);
    for (size_t layer = 0; layer < kGptLayers; ++layer) {
      const std::string p = "gpt_neox.layers." + std::to_string(layer) + ".";
      const Vector before = x;
      // A head's query, key and value follow each other.
      const Vector qkv = f.Linear(p + "attention.query_key_value", LayerNorm(f, p + "input_layernorm", x));
      Vector parts[3];
      for (size_t i = 0; i < qkv.size(); ++i) parts[i / kSize % 3].push_back(qkv[i]);
      Rotate(Frequencies(300, 2), t, kSize, 1, parts[0]);
      Rotate(Frequencies(300, 2), t, kSize, 1, parts[1]);
      keys[layer].push_back(parts[1]);
      values[layer].push_back(parts[2]);
      AddTo(x, f.Linear(p + "attention.dense",
                        Attend({kHeads, kSize, kScale}, parts[0], keys[layer], values[layer])));
      Vector hidden = f.Linear(p + "mlp.dense_h_to_4h",
                               LayerNorm(f, p + "post_attention_layernorm", parallel ? before : x));
      for (double& v : hidden) v *= 0.5 * (1 + std::erf(v / std::sqrt(2.0)));
      AddTo(x, f.Linear(p + "mlp.dense_4h_to_h", hidden));
    }
    logits.push_back(f.Linear("embed_out", LayerNorm(f, "gpt_neox.final_layer_norm", x)));
  }
  return logits;
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_CONVERTER_HUGGING_FACE_GPT_H_
