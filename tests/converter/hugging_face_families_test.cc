// Hugging Face folders of the families that follow Llama: imported and run in float32 they give the logits of
// a plain forward pass in double.
#include "tests/converter/hugging_face_llama.h"

namespace cllm {
namespace {

using namespace testing;  // NOLINT: nothing else is here

TEST_CASE("Llama with biases, Qwen2, Qwen3, Phi-3, Gemma: the logits of a plain forward pass in double") {
  Family llama = {"llama", 2, 6}, qwen2 = {"qwen2", 2, 6}, qwen3 = {"qwen3", 2, 10}, phi3 = {"phi3", 2, 6},
         gemma = {"gemma", 1, 8};
  llama.all_biases = true;
  qwen2.query_key_value_bias = true;
  qwen2.more = {{"use_sliding_window", false}, {"sliding_window", 3}};
  qwen3.query_key_norm = true;
  phi3.fused = true;
  phi3.windows = {5, 5};
  phi3.more = {{"sliding_window", 5}};
  gemma.gemma = true;
  for (const Family& family : {llama, qwen2, qwen3, phi3, gemma}) family.Check();
}

TEST_CASE("Mistral, Qwen2 with a window, Gemma 2 and 3, SmolLM3: layers that see or rotate differently") {
  Family mistral = {"mistral", 2, 6}, qwen2 = {"qwen2", 4, 6}, gemma2 = {"gemma2", 2, 8},
         gemma3 = {"gemma3_text", 1, 8}, smollm3 = {"smollm3", 2, 6};
  mistral.windows = {4, 4};
  mistral.more = {{"sliding_window", 4}};
  qwen2.query_key_value_bias = true;
  qwen2.windows = {0, 3};
  qwen2.more = {{"sliding_window", 3}, {"use_sliding_window", true}, {"max_window_layers", 1}};
  for (Family* gemma : {&gemma2, &gemma3}) {
    gemma->gemma = gemma->sandwich = true;
    gemma->attention_scale = 1 / std::sqrt(12.0);
    gemma->windows = {5, 0, 5};
  }
  gemma2.attention_softcap = 2;
  gemma2.logit_softcap = 1.5;
  gemma2.more = {{"sliding_window", 5},
                 {"query_pre_attn_scalar", 12},
                 {"attn_logit_softcapping", 2.0},
                 {"final_logit_softcapping", 1.5}};
  gemma3.query_key_norm = true;
  gemma3.frequencies = Frequencies(5000, 4);
  for (double& frequency : gemma3.frequencies) frequency /= 8;
  gemma3.window_frequencies = Frequencies(70, 4);
  gemma3.more = {{"sliding_window", 5},
                 {"query_pre_attn_scalar", 12},
                 {"layer_types", {"sliding_attention", "full_attention", "sliding_attention"}},
                 {"rope_theta", 5000.0},
                 {"rope_local_base_freq", 70.0},
                 {"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}};
  smollm3.windows = {0, 0, 0};
  smollm3.rotates = {true, false, true};
  smollm3.more = {{"no_rope_layer_interval", 2}};
  for (const Family& family : {mistral, qwen2, gemma2, gemma3, smollm3}) family.Check();
}

// The folder of a model of text and pictures: the numbers lie deeper, the names have a prefix.
TEST_CASE("Gemma 3 with pictures: its text") {
  Family family = {"gemma3_text", 1, 8};
  family.gemma = family.sandwich = family.query_key_norm = true;
  family.attention_scale = 1 / std::sqrt(256.0);
  family.windows = {4, 0};
  family.more = {{"sliding_window", 4}, {"sliding_window_pattern", 2}, {"rope_local_base_freq", 10000.0}};
  const std::vector<uint32_t> tokens = RandomTokens(kVocabulary, kContext, 3);
  Folder folder = family.Make();
  const std::vector<Vector> logits = family.Logits(folder, tokens);
  folder.config = {{"model_type", "gemma3"}, {"text_config", folder.config}};
  folder.config["text_config"].erase("model_type");
  folder.config["text_config"]["query_pre_attn_scalar"] = 256;
  folder.AddPrefix("language_model.");
  folder.Add("vision_tower.patch.weight", {2, 3, 2, 2});
  CheckLogits(folder, tokens, logits);
}

TEST_CASE("scaled rotations: linear, YaRN, LongRoPE") {
  const Vector plain = Frequencies(50, 8);
  Family linear = {"llama", 2, 16}, yarn = linear, longer = {"phi3", 2, 16};
  linear.frequencies = yarn.frequencies = longer.frequencies = plain;
  longer.fused = true;
  for (double& frequency : linear.frequencies) frequency /= 4;
  linear.more = {{"rope_theta", 50.0}, {"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}};
  // Pair i turns 100 / (2 pi 50^(i / 8)) times in 100 positions: 4 times at i = 2.8, once at 5.7. So pairs to
  // 2 stay, those from 6 on are slowed by the factor, and those between change from the one to the other.
  const double kept[] = {1, 1, 1, 0.75, 0.5, 0.25, 0, 0};
  for (size_t i = 0; i < 8; ++i) yarn.frequencies[i] *= kept[i] + (1 - kept[i]) / 8;
  yarn.magnitude = 0.1 * std::log(8.0) + 1;
  yarn.more = {{"rope_theta", 50.0},
               {"rope_scaling",
                {{"rope_type", "yarn"},
                 {"factor", 8.0},
                 {"beta_fast", 4},
                 {"beta_slow", 1},
                 {"original_max_position_embeddings", 100}}}};
  Json factors;
  for (size_t i = 0; i < 8; ++i) {
    longer.frequencies[i] /= 1 + 0.25 * static_cast<double>(i);
    factors.push_back(1 + 0.25 * static_cast<double>(i));
  }
  longer.magnitude = std::sqrt(1 + std::log(4.0) / std::log(static_cast<double>(kContext)));
  longer.more = {
      {"rope_theta", 50.0},
      {"max_position_embeddings", 4 * kContext},
      {"original_max_position_embeddings", kContext},
      {"rope_scaling", {{"type", "longrope"}, {"short_factor", factors}, {"long_factor", factors}}}};
  for (const Family& family : {linear, yarn, longer}) family.Check();
}

TEST_CASE("what a family needs and the runtime lacks is named") {
  const TemporaryDirectory directory;
  const auto error = [&](Folder folder, const char* key, const Json& value) {
    folder.config[key] = value;
    folder.Write(directory.path());
    return std::string(ImportHuggingFace(directory.path()).status().message());
  };
  const Folder qwen2 = Family{"qwen2", 2, 6}.Make(), phi3 = Family{"phi3", 2, 6}.Make();
  CHECK(error(qwen2, "model_type", "mamba").find("mamba") != std::string::npos);
  CHECK(error(qwen2, "hidden_act", "mish").find("mish") != std::string::npos);
  CHECK(error(qwen2, "vocab_size", kVocabulary).find("k_proj.bias") != std::string::npos);  // it has none
  CHECK(error(qwen2, "sliding_window", -4).find("sliding_window") != std::string::npos);
  CHECK(error(qwen2, "sliding_window", 0).find("window") != std::string::npos);
  Folder windowed = qwen2;
  windowed.config["sliding_window"] = 4;
  CHECK(error(windowed, "layer_types", {"sliding_attention"}).find("layer_types") != std::string::npos);
  CHECK(error(windowed, "num_hidden_layers", 4000000000u).find("layers") != std::string::npos);
  CHECK(error(phi3, "partial_rotary_factor", 0.5).find("rotate") != std::string::npos);  // 3 of 6 elements
  CHECK(error(phi3, "rope_scaling", {{"type", "longrope"}, {"short_factor", {1}}}).find("original_max") !=
        std::string::npos);
  CHECK(error(qwen2, "rope_scaling", {{"type", "dynamic"}}).find("dynamic") != std::string::npos);
  CHECK(error(qwen2, "rope_scaling", {{"type", "yarn"}, {"factor", 0.5}}).find("factor") !=
        std::string::npos);
}

}  // namespace
}  // namespace cllm
