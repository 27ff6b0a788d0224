#include "converter/import/hugging_face.h"

#include <cmath>
#include <cstring>
#include <random>

#include "converter/import/llama_tensors.h"
#include "converter/import/safetensors.h"
#include "doctest/doctest.h"
#include "support/file_tools.h"
#include "support/random_model.h"

namespace cllm {
namespace {

using Json = nlohmann::json;
using testing::ReadBytes;
using testing::TemporaryDirectory;
using testing::WriteBytes;

Architecture SmallArchitecture(uint32_t vocabulary_size = 11) {
  Architecture a;
  a.vocabulary_size = vocabulary_size;
  a.context = 32;
  a.width = 12;
  a.layers = 2;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_size = 6;
  a.hidden = 10;
  a.rope_pairs = RopePairs::kHalves;
  a.tied_head = false;
  return a;
}

Json ConfigOf(const Architecture& a) {
  return {{"model_type", "llama"},
          {"hidden_act", "silu"},
          {"vocab_size", a.vocabulary_size},
          {"max_position_embeddings", a.context},
          {"hidden_size", a.width},
          {"intermediate_size", a.hidden},
          {"num_hidden_layers", a.layers},
          {"num_attention_heads", a.heads},
          {"num_key_value_heads", a.kv_heads},
          {"head_dim", a.head_size},
          {"rms_norm_eps", a.norm_epsilon},
          {"rope_theta", 10000.0},
          {"tie_word_embeddings", a.tied_head}};
}

// The bytes of floats as they are (4 a value), or their upper halves (2: bfloat16, exact for values with few
// bits).
std::string Stored(const float* values, size_t count, size_t bytes_each) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i)
    bytes.append(reinterpret_cast<const char*>(values + i) + sizeof(float) - bytes_each, bytes_each);
  return bytes;
}

// A safetensors file of the parts for which `take` says yes.
template <typename Take>
std::string Safetensors(const Checkpoint& checkpoint, size_t bytes_each, const Take& take) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  std::string data;
  for (const auto& [name, part] : LlamaParts(checkpoint.architecture, kHuggingFaceNames)) {
    if (!take(name)) continue;
    const FloatTensor& tensor = checkpoint.tensors.at(part.key);
    const std::string bytes = Stored(tensor.values.data() + size_t{part.first} * tensor.columns,
                                     size_t{part.rows} * tensor.columns, bytes_each);
    const Json shape = part.rows == 1 ? Json{tensor.columns} : Json{part.rows, tensor.columns};
    header[name] = {{"dtype", bytes_each == 4 ? "F32" : "BF16"},
                    {"shape", shape},
                    {"data_offsets", {data.size(), data.size() + bytes.size()}}};
    data += bytes;
  }
  const std::string text = header.dump();
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + text + data;
}

bool All(const std::string&) { return true; }

bool SameTensors(const Checkpoint& a, const Checkpoint& b) {
  if (a.tensors.size() != b.tensors.size()) return false;
  for (const auto& [key, tensor] : a.tensors) {
    const auto found = b.tensors.find(key);
    if (found == b.tensors.end() || found->second.values != tensor.values) return false;
  }
  return true;
}

std::string ErrorOf(const std::string& folder) {
  return std::string(ImportHuggingFace(folder).status().message());
}

TEST_CASE("a folder gives its tensors, in one file or in shards, as floats or bfloat16") {
  const TemporaryDirectory folder;
  Checkpoint checkpoint = testing::RandomCheckpoint(SmallArchitecture(), 3);
  WriteBytes(folder.path() + "/config.json", ConfigOf(checkpoint.architecture).dump());
  WriteBytes(folder.path() + "/model.safetensors", Safetensors(checkpoint, 4, All));
  absl::StatusOr<Checkpoint> back = ImportHuggingFace(folder.path());
  REQUIRE_MESSAGE(back.ok(), back.status().message());
  CHECK(SameTensors(*back, checkpoint));
  CHECK(back->architecture.rope_pairs == RopePairs::kHalves);
  CHECK(back->architecture.rope_turns == RopeTurns(10000.0, 6));
  CHECK(!back->architecture.tied_head);
  CHECK(back->tokenizer.kind == TokenizerKind::kNone);

  std::filesystem::remove(folder.path() + "/model.safetensors");
  CHECK(ErrorOf(folder.path()).find("no model.safetensors") != std::string::npos);
  for (auto& [key, tensor] : checkpoint.tensors) {
    for (float& value : tensor.values) value = std::round(value * 16) / 16;
  }
  const auto first = [](const std::string& name) { return name.find("layers.1.") == std::string::npos; };
  const auto second = [first](const std::string& name) { return !first(name); };
  WriteBytes(folder.path() + "/a.safetensors", Safetensors(checkpoint, 2, first));
  WriteBytes(folder.path() + "/b.safetensors", Safetensors(checkpoint, 2, second));
  const Json index = {{"weight_map", {{"model.norm.weight", "a.safetensors"}, {"x", "b.safetensors"}}}};
  WriteBytes(folder.path() + "/model.safetensors.index.json", index.dump());
  back = ImportHuggingFace(folder.path());
  REQUIRE_MESSAGE(back.ok(), back.status().message());
  CHECK(SameTensors(*back, checkpoint));
  const Json outside = {{"weight_map", {{"x", "../a.safetensors"}}}};
  WriteBytes(folder.path() + "/model.safetensors.index.json", outside.dump());
  CHECK(ErrorOf(folder.path()).find("names no file for x") != std::string::npos);
}

TEST_CASE("a tied head, whether the file repeats it or not") {
  const TemporaryDirectory folder;
  const Checkpoint checkpoint = testing::RandomCheckpoint(SmallArchitecture(), 4);
  Checkpoint tied = checkpoint;
  tied.tensors.erase({Role::kHead, 0});
  Json config = ConfigOf(checkpoint.architecture);
  config["tie_word_embeddings"] = true;
  WriteBytes(folder.path() + "/config.json", config.dump());
  for (const bool repeated : {true, false}) {
    const auto take = [repeated](const std::string& name) {
      return repeated || name != kHuggingFaceNames.head;
    };
    WriteBytes(folder.path() + "/model.safetensors", Safetensors(checkpoint, 4, take));
    const absl::StatusOr<Checkpoint> back = ImportHuggingFace(folder.path());
    REQUIRE_MESSAGE(back.ok(), back.status().message());
    CHECK(back->architecture.tied_head);
    CHECK(SameTensors(*back, tied));
  }
}

TEST_CASE("frequencies: linear scaling and that of Llama 3, in old and new files") {
  const TemporaryDirectory folder;
  Architecture a = SmallArchitecture();
  a.head_size = 64;
  a.heads = a.kv_heads = 1;
  WriteBytes(folder.path() + "/model.safetensors", Safetensors(testing::RandomCheckpoint(a, 1), 4, All));
  Json config = ConfigOf(a);
  const auto turns = [&](const Json& changed) {
    WriteBytes(folder.path() + "/config.json", changed.dump());
    const absl::StatusOr<Checkpoint> back = ImportHuggingFace(folder.path());
    REQUIRE_MESSAGE(back.ok(), back.status().message());
    return back->architecture.rope_turns;
  };
  config["rope_theta"] = 500000.0;
  const std::vector<uint64_t> plain = turns(config);
  CHECK(plain == RopeTurns(500000.0, 64));
  config["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
  const std::vector<uint64_t> quarter = turns(config);
  for (size_t i = 0; i < 32; ++i) {
    // The nearest whole number, but for the 53 bits of a double.
    CHECK(std::abs(static_cast<double>(quarter[i]) * 4 - static_cast<double>(plain[i])) <=
          2 + static_cast<double>(plain[i]) * 0x1p-51);
  }
  config["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", 8.0},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 8192}};
  const std::vector<uint64_t> scaled = turns(config);
  // The rule in radians, as Meta's code for Llama 3.1 states it.
  for (size_t i = 0; i < 32; ++i) {
    const double pi = 3.14159265358979323846;
    double frequency = std::pow(500000.0, -static_cast<double>(i) / 32);
    const double wavelength = 2 * pi / frequency;
    if (wavelength > 8192.0) {
      frequency /= 8;
    } else if (wavelength >= 8192.0 / 4) {
      const double smooth = (8192.0 / wavelength - 1) / 3;
      frequency = (1 - smooth) * frequency / 8 + smooth * frequency;
    }
    CHECK(std::ldexp(static_cast<double>(scaled[i]), -64) ==
          doctest::Approx(frequency / (2 * pi)).epsilon(1e-12));
  }
  Json newer = config;
  newer["rope_parameters"] = config["rope_scaling"];
  newer["rope_parameters"]["rope_theta"] = 500000.0;
  newer.erase("rope_theta");
  newer.erase("rope_scaling");
  CHECK(turns(newer) == scaled);
  config["rope_scaling"] = {{"rope_type", "dynamic"}};
  WriteBytes(folder.path() + "/config.json", config.dump());
  CHECK(ErrorOf(folder.path()).find("scaled by \"dynamic\"") != std::string::npos);
}

TEST_CASE("tokenizers of SentencePiece's kind") {
  Json vocabulary = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (int byte = 0; byte < 256; ++byte) {
    char piece[8];
    std::snprintf(piece, sizeof(piece), "<0x%02X>", byte);
    vocabulary[piece] = 3 + byte;
  }
  int id = 259;
  for (const char* piece : {"a", "b", "\u2581", "ab", "\u2581ab"}) vocabulary[piece] = id++;
  Json tokenizer = {
      {"model",
       {{"type", "BPE"},
        {"byte_fallback", true},
        {"unk_token", "<unk>"},
        {"vocab", vocabulary},
        {"merges", {"a b", "\u2581 ab"}}}},
      {"normalizer", {{"type", "Sequence"}, {"normalizers", {{{"type", "Prepend"}, {"prepend", "\u2581"}}}}}},
      {"added_tokens", {{{"id", 264}, {"content", "<extra>"}}, {{"id", 265}, {"content", "<pad>"}}}}};
  const Json config = {{"bos_token", {{"content", "<s>"}}}, {"eos_token", "</s>"}};
  // As a file has it: parsed, whole numbers are unsigned.
  tokenizer = Json::parse(tokenizer.dump());
  absl::StatusOr<TokenizerTables> tables = ImportHuggingFaceTokenizer(tokenizer, config, 265);
  REQUIRE_MESSAGE(tables.ok(), tables.status().message());
  CHECK(tables->kind == TokenizerKind::kScoredMerges);
  CHECK(tables->prefix_space);
  CHECK(tables->byte_token_base == 3);
  CHECK(tables->unknown_token == 0);
  CHECK(tables->begin_token == 1);
  CHECK(tables->end_token == 2);
  CHECK(tables->pieces[263] == " ab");
  CHECK(tables->pieces[264] == "<extra>");
  CHECK(tables->scores[262] > tables->scores[263]);
  CHECK(tables->scores[264] < -1e10f);
  tokenizer["model"]["merges"] = Json::array({Json::array({"a", "b"}), "\u2581 ab", "a b"});
  CHECK(absl::IsUnimplemented(ImportHuggingFaceTokenizer(tokenizer, config, 265).status()));
  tokenizer["model"]["merges"] = {"a c"};
  CHECK(absl::IsInvalidArgument(ImportHuggingFaceTokenizer(tokenizer, config, 265).status()));
  CHECK(!ImportHuggingFaceTokenizer(tokenizer, config, 263).ok());  // an id beyond the model's vocabulary
  tokenizer["model"]["type"] = "WordLevel";
  CHECK(absl::IsUnimplemented(ImportHuggingFaceTokenizer(tokenizer, config, 265).status()));
}

TEST_CASE("what is wrong is said, and nothing is read beyond the end") {
  const TemporaryDirectory folder;
  const Checkpoint checkpoint = testing::RandomCheckpoint(SmallArchitecture(), 3);
  const std::string weights = folder.path() + "/model.safetensors";
  const std::string good = Safetensors(checkpoint, 4, All);
  WriteBytes(weights, good);
  const auto error = [&](const char* key, const Json& value) {
    Json config = ConfigOf(checkpoint.architecture);
    config[key] = value;
    WriteBytes(folder.path() + "/config.json", config.dump());
    return ErrorOf(folder.path());
  };
  CHECK(error("model_type", "bert").find("\"bert\"") != std::string::npos);
  CHECK(error("attention_bias", true).find("k_proj.bias") != std::string::npos);  // there is none
  CHECK(error("hidden_size", -4).find("hidden_size") != std::string::npos);
  CHECK(error("num_attention_heads", 0).find("num_attention_heads") != std::string::npos);
  CHECK(error("intermediate_size", 12).find("mlp.") != std::string::npos);
  CHECK(error("num_hidden_layers", 3).find("layers.2.") != std::string::npos);
  CHECK(error("hidden_act", "silu").empty());
  for (size_t size = 0; size < good.size(); size += size < 64 ? 1 : 11) {
    const std::string cut(good.data(), size);
    CHECK(!ParseSafetensors(cut, "cut").ok());
  }
  uint64_t length;
  std::memcpy(&length, good.data(), sizeof(length));
  for (size_t at = 0; at < 8 + length; ++at) {
    std::string changed = good;
    for (const char value : {'9', '"', '\xFF', static_cast<char>(good[at] ^ 1)}) {
      changed[at] = value;
      (void)ParseSafetensors(changed, "changed").ok();  // refused or in bounds: the sanitizers look
    }
  }
}

}  // namespace
}  // namespace cllm
