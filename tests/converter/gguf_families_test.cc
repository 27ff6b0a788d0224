// GGUF files of other architectures than Llama's: written here as llama.cpp's converter writes them, from
// folders whose logits a plain forward pass in double has; imported they must give the same.
#include <cstring>
#include <utility>

#include "converter/import/gguf.h"
#include "tests/converter/hugging_face_gpt.h"
#include "tests/converter/hugging_face_llama.h"

namespace cllm {
namespace {

using namespace testing;  // NOLINT: nothing else is here

// The container, version 3.
class GgufWriter {
 public:
  explicit GgufWriter(const std::string& architecture) : prefix_(architecture + ".") {
    Key("general.architecture", 8);
    Text(architecture, &values_);
  }
  void Count(const std::string& key, uint32_t value) {
    Key(prefix_ + key, 4);
    Append(value, &values_);
  }
  void Number(const std::string& key, float value) {
    Key(prefix_ + key, 6);
    Append(value, &values_);
  }
  void Truth(const std::string& key, bool value) {
    Key(prefix_ + key, 7);
    values_ += static_cast<char>(value);
  }
  void Word(const std::string& key, const std::string& value) {
    Key(prefix_ + key, 8);
    Text(value, &values_);
  }
  void Tensor(const std::string& name, const Array& array) {
    Text(name, &tensors_);
    Append(static_cast<uint32_t>(array.shape.size()), &tensors_);
    for (size_t i = array.shape.size(); i-- > 0;) Append(uint64_t{array.shape[i]}, &tensors_);
    Append(uint32_t{0}, &tensors_);  // float32
    Append(uint64_t{data_.size()}, &tensors_);
    data_.append(reinterpret_cast<const char*>(array.values.data()), array.values.size() * sizeof(float));
    data_.resize((data_.size() + 31) / 32 * 32);
    ++tensor_count_;
  }
  std::string Bytes() const {
    std::string bytes = "GGUF";
    Append(uint32_t{3}, &bytes);
    Append(tensor_count_, &bytes);
    Append(value_count_, &bytes);
    bytes += values_ + tensors_;
    bytes.resize((bytes.size() + 31) / 32 * 32);
    return bytes + data_;
  }

 private:
  template <typename T>
  static void Append(T value, std::string* to) {
    to->append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  static void Text(const std::string& text, std::string* to) {
    Append(uint64_t{text.size()}, to);
    *to += text;
  }
  void Key(const std::string& key, uint32_t type) {
    Text(key, &values_);
    Append(type, &values_);
    ++value_count_;
  }

  std::string prefix_, values_, tensors_, data_;
  uint64_t value_count_ = 0, tensor_count_ = 0;
};

// The first of `names` that ends the tensor's name, and what GGUF calls it.
using Names = std::vector<std::pair<std::string, std::string>>;

const Names kLlamaNames = {{"input_layernorm", "attn_norm"},
                           {"self_attn.q_proj", "attn_q"},
                           {"self_attn.k_proj", "attn_k"},
                           {"self_attn.v_proj", "attn_v"},
                           {"self_attn.qkv_proj", "attn_qkv"},
                           {"self_attn.o_proj", "attn_output"},
                           {"self_attn.q_norm", "attn_q_norm"},
                           {"self_attn.k_norm", "attn_k_norm"},
                           {"pre_feedforward_layernorm", "ffn_norm"},
                           {"post_feedforward_layernorm", "post_ffw_norm"},
                           {"mlp.gate_proj", "ffn_gate"},
                           {"mlp.up_proj", "ffn_up"},
                           {"mlp.gate_up_proj", "ffn_up"},
                           {"mlp.down_proj", "ffn_down"},
                           {"embed_tokens", "token_embd"},
                           {"model.norm", "output_norm"},
                           {"lm_head", "output"}};

const Names kGptNames = {{"attn.c_attn", "attn_qkv"},    {"attention.query_key_value", "attn_qkv"},
                         {"attn.c_proj", "attn_output"}, {"attention.dense", "attn_output"},
                         {"mlp.c_fc", "ffn_up"},         {"mlp.dense_h_to_4h", "ffn_up"},
                         {"mlp.c_proj", "ffn_down"},     {"mlp.dense_4h_to_h", "ffn_down"},
                         {"ln_1", "attn_norm"},          {"input_layernorm", "attn_norm"},
                         {"ln_2", "ffn_norm"},           {"post_attention_layernorm", "ffn_norm"},
                         {"ln_f", "output_norm"},        {"final_layer_norm", "output_norm"},
                         {"wte", "token_embd"},          {"embed_in", "token_embd"},
                         {"wpe", "position_embd"},       {"embed_out", "output"}};

// "model.layers.3.mlp.up_proj.weight" becomes "blk.3.ffn_up.weight"; "" if it is no weight.
std::string GgufName(const std::string& name, const Names& names) {
  const size_t dot = name.rfind('.');
  const std::string stem = name.substr(0, dot);
  for (const auto& [end, to] : names) {
    if (stem.size() < end.size() || stem.compare(stem.size() - end.size(), end.size(), end) != 0) continue;
    const size_t number = name.find_first_of("0123456789");
    const bool in_layer = stem.size() > end.size() && number < stem.size() - end.size();
    return (in_layer ? "blk." + name.substr(number, 1) + "." : "") + to + name.substr(dot);
  }
  return "";
}

Array Transposed(const Array& array) {
  const size_t rows = array.shape[0], columns = array.shape[1];
  Array turned = {{columns, rows}, {}};
  for (size_t c = 0; c < columns; ++c) {
    for (size_t r = 0; r < rows; ++r) turned.values.push_back(array.values[r * columns + c]);
  }
  return turned;
}

// Rows in threes of heads become all queries, all keys, all values.
Array Sorted(const Array& array) {
  const size_t rows = array.shape[0], columns = array.values.size() / rows;
  Array sorted = {array.shape, {}};
  for (size_t kind = 0; kind < 3; ++kind) {
    for (size_t row = 0; row < rows; ++row) {
      if (row / kSize % 3 != kind) continue;
      const auto begin = array.values.begin() + static_cast<long>(row * columns);
      sorted.values.insert(sorted.values.end(), begin, begin + static_cast<long>(columns));
    }
  }
  return sorted;
}

Checkpoint Imported(const GgufWriter& file) {
  absl::StatusOr<Checkpoint> checkpoint = ImportGgufBytes(file.Bytes(), "model.gguf");
  REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.status().message());
  return *std::move(checkpoint);
}

GgufWriter LlamaLikeFile(const Family& family, const std::string& architecture, const Folder& folder) {
  GgufWriter file(architecture);
  file.Count("context_length", kContext);
  file.Count("embedding_length", kWidth);
  file.Count("block_count", static_cast<uint32_t>(family.layers()));
  file.Count("feed_forward_length", kHidden);
  file.Count("attention.head_count", kHeads);
  file.Count("attention.head_count_kv", static_cast<uint32_t>(family.kv_heads));
  file.Count("attention.key_length", static_cast<uint32_t>(family.head_size));
  file.Count("attention.value_length", static_cast<uint32_t>(family.head_size));
  file.Count("rope.dimension_count", static_cast<uint32_t>(family.head_size));
  file.Number("attention.layer_norm_rms_epsilon", 1e-6f);
  Names names = kLlamaNames;
  names.push_back({"post_attention_layernorm", family.sandwich ? "post_attention_norm" : "ffn_norm"});
  for (const auto& [name, array] : folder.arrays()) {
    Array stored = array;
    const std::string to = GgufName(name, names);
    // Gemma's norms have the one in them.
    for (float& x : stored.values) x += family.gemma && to.find("norm") != std::string::npos ? 1.0f : 0.0f;
    file.Tensor(to, stored);
  }
  return file;
}

TEST_CASE("GGUF of Qwen2, Qwen3, Phi-3, Gemma 1 to 3: the logits of a plain forward pass in double") {
  const std::vector<uint32_t> tokens = RandomTokens(kVocabulary, kContext, 3);
  Family qwen2 = {"qwen2", 2, 6}, qwen3 = {"qwen3", 2, 10}, phi3 = {"phi3", 2, 6}, gemma = {"gemma", 1, 8},
         gemma2 = {"gemma2", 2, 8}, gemma3 = {"gemma3", 1, 8};
  qwen2.query_key_value_bias = true;
  qwen3.query_key_norm = true;
  phi3.fused = true;
  phi3.windows = {5, 5};
  gemma.gemma = gemma2.gemma = gemma3.gemma = true;
  gemma2.sandwich = gemma3.sandwich = gemma3.query_key_norm = true;
  gemma2.windows = {5, 0, 5};
  gemma2.attention_softcap = 2;
  gemma2.logit_softcap = 1.5;
  gemma3.windows = {5, 5, 5, 5, 5, 0};
  gemma3.frequencies = Frequencies(5000, 4);
  for (double& frequency : gemma3.frequencies) frequency /= 8;
  gemma3.window_frequencies = Frequencies(10000, 4);
  for (const Family& family : {qwen2, qwen3, phi3, gemma, gemma2, gemma3}) {
    CAPTURE(family.type);
    const Folder folder = family.Make();
    GgufWriter file = LlamaLikeFile(family, family.type, folder);
    if (family.windows[0] != 0) file.Count("attention.sliding_window", 5);
    if (family.attention_softcap != 0) file.Number("attn_logit_softcapping", 2.0f);
    if (family.logit_softcap != 0) file.Number("final_logit_softcapping", 1.5f);
    if (family.type == "gemma3") {
      file.Number("rope.freq_base", 5000.0f);
      file.Word("rope.scaling.type", "linear");
      file.Number("rope.scaling.factor", 8.0f);
    }
    CheckLogits(family.type, "GGUF", Imported(file), tokens, family.Logits(folder, tokens));
  }
}

TEST_CASE("GGUF of GPT-2 and GPT-NeoX: the logits of a plain forward pass in double") {
  const std::vector<uint32_t> tokens = RandomTokens(kVocabulary, kContext, 4);
  for (const bool neox : {false, true}) {
    CAPTURE(neox);
    const Folder folder = neox ? MakeNeoX(true) : MakeGpt2("");
    GgufWriter file(neox ? "gptneox" : "gpt2");
    file.Count("context_length", kContext);
    file.Count("embedding_length", kWidth);
    file.Count("block_count", kGptLayers);
    file.Count("feed_forward_length", neox ? kHidden : 4 * kWidth);
    file.Count("attention.head_count", kHeads);
    file.Number("attention.layer_norm_epsilon", 1e-5f);
    if (neox) {
      file.Count("rope.dimension_count", 4);
      file.Number("rope.freq_base", 300.0f);
      file.Truth("use_parallel_residual", true);
    }
    for (const auto& [name, array] : folder.arrays()) {
      const std::string to = GgufName(name, kGptNames);
      const bool matrix = name.find(".weight") != std::string::npos && array.shape.size() == 2;
      const bool turned = !neox && matrix && to.rfind("blk.", 0) == 0;
      if (!to.empty()) {
        file.Tensor(to, neox && to.find("attn_qkv") != std::string::npos ? Sorted(array)
                        : turned                                         ? Transposed(array)
                                                                         : array);
      }
    }
    CheckLogits(neox ? "gpt_neox" : "gpt2", "GGUF", Imported(file), tokens,
                neox ? NeoXLogits(folder, true, tokens) : Gpt2Logits(folder, "", tokens));
  }
}

TEST_CASE("GGUF: what is wrong with a file of another family is named") {
  const Family qwen2 = {"qwen2", 2, 6};
  const Folder folder = qwen2.Make();
  const auto error = [](const GgufWriter& file) {
    return std::string(ImportGgufBytes(file.Bytes(), "model.gguf").status().message());
  };
  CHECK(error(LlamaLikeFile(qwen2, "qwen2", folder)).find("attn_k.bias") != std::string::npos);
  CHECK(error(LlamaLikeFile(qwen2, "mamba", folder)).find("mamba") != std::string::npos);
  GgufWriter empty("qwen2");
  empty.Tensor("token_embd.weight", folder.arrays().at("model.embed_tokens.weight"));
  CHECK(error(empty).find("max_position_embeddings") != std::string::npos);
  GgufWriter factors = LlamaLikeFile(qwen2, "qwen2", folder);
  factors.Tensor("rope_freqs.weight", {{3}, {1, 1, 1}});
  CHECK(error(factors).find("rope_freqs") != std::string::npos);
}

}  // namespace
}  // namespace cllm
