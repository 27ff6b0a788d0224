// Folders that the exporter writes, read by the importer: the same tensors, bit for bit.
#include "converter/export/hugging_face.h"

#include "converter/export/hugging_face_tokenizer.h"
#include "converter/export/turns.h"
#include "converter/import/safetensors.h"
#include "converter/tokenizer/train.h"
#include "support/letter_model.h"
#include "tests/converter/hugging_face_gpt.h"
#include "tests/converter/hugging_face_llama.h"

namespace cllm {
namespace {

using namespace testing;  // NOLINT: nothing else is here

Checkpoint Imported(const std::string& path) {
  absl::StatusOr<Checkpoint> checkpoint = ImportHuggingFace(path);
  REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.status().message());
  return *std::move(checkpoint);
}

// What a folder holds that was exported and read again; `family` becomes its model_type.
Checkpoint Again(const Checkpoint& checkpoint, std::string* family,
                 const WeightFormats& stored = Dtype::kF32) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/folder";
  const absl::StatusOr<std::string> written = ExportHuggingFace(checkpoint, stored, path);
  REQUIRE_MESSAGE(written.ok(), written.status().message());
  *family = *written;
  return Imported(path);
}

void CheckSame(const Checkpoint& a, const Checkpoint& b) {
  const Architecture &x = a.architecture, &y = b.architecture;
  CHECK(x.variant == y.variant);
  CHECK(x.tied_head == y.tied_head);
  CHECK(x.context == y.context);
  CHECK(x.window_rope_turns == y.window_rope_turns);
  REQUIRE(x.rope_turns.size() == y.rope_turns.size());
  for (size_t i = 0; i < x.rope_turns.size(); ++i) {
    const double turns = static_cast<double>(x.rope_turns[i]);
    CHECK(std::abs(turns - static_cast<double>(y.rope_turns[i])) <= turns * 0x1p-51);
  }
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (const auto& named : a.tensors) {
    CAPTURE(TensorName(named.first));
    CHECK(SameBits(named.second.values, b.tensors.at(named.first).values));
  }
}

void CheckRoundTrip(const Folder& folder) {
  const TemporaryDirectory directory;
  folder.Write(directory.path());
  const Checkpoint checkpoint = Imported(directory.path());
  std::string family;
  CheckSame(checkpoint, Again(checkpoint, &family));
  CHECK(Json(family) == folder.config["model_type"]);
}

TEST_CASE("families that follow Llama go out as what they came in as") {
  Family llama = {"llama", 2, 6}, mistral = {"mistral", 2, 6}, qwen2 = {"qwen2", 4, 6},
         qwen3 = {"qwen3", 2, 10}, phi3 = {"phi3", 2, 8}, smollm3 = {"smollm3", 2, 6};
  llama.all_biases = true;
  mistral.more = {{"sliding_window", 4}};
  qwen2.query_key_value_bias = true;
  qwen2.more = {{"sliding_window", 3}, {"use_sliding_window", true}, {"max_window_layers", 1}};
  qwen3.query_key_norm = true;
  phi3.fused = true;
  phi3.more = {{"sliding_window", 5}, {"partial_rotary_factor", 0.5}};
  smollm3.more = {{"no_rope_layer_interval", 2}};
  for (const Family& family : {llama, mistral, qwen2, qwen3, phi3, smollm3}) {
    CAPTURE(family.type);
    CheckRoundTrip(family.Make());
  }
}

TEST_CASE("Gemma 1, 2 and 3") {
  Family gemma = {"gemma", 1, 8}, gemma2 = {"gemma2", 2, 8}, gemma3 = {"gemma3_text", 1, 8};
  for (Family* each : {&gemma, &gemma2, &gemma3}) each->gemma = true;
  for (Family* each : {&gemma2, &gemma3}) {
    each->sandwich = true;
    each->windows = {5, 0, 5};
  }
  gemma2.more = {{"sliding_window", 5},
                 {"query_pre_attn_scalar", 12},
                 {"attn_logit_softcapping", 2.0},
                 {"final_logit_softcapping", 1.5}};
  gemma3.query_key_norm = true;
  gemma3.more = {{"sliding_window", 5},
                 {"layer_types", {"sliding_attention", "full_attention", "sliding_attention"}},
                 {"rope_theta", 5000.0},
                 {"rope_local_base_freq", 70.0},
                 {"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}};
  for (const Family& family : {gemma, gemma2, gemma3}) {
    CAPTURE(family.type);
    CheckRoundTrip(family.Make());
  }
}

TEST_CASE("GPT-2, GPT-Neo, GPT-NeoX") {
  CheckRoundTrip(MakeGpt2("transformer."));
  CheckRoundTrip(MakeNeo());
  CheckRoundTrip(MakeNeoX(true));
  CheckRoundTrip(MakeNeoX(false));
}

TEST_CASE("scaled rotations, with names of their own or as a factor for each pair") {
  const Json llama3 = {{"rope_type", "llama3"}, {"factor", 8.0}},
             yarn = {{"rope_type", "yarn"},
                     {"factor", 8.0},
                     {"beta_fast", 4},
                     {"beta_slow", 1},
                     {"original_max_position_embeddings", 100}},
             linear = {{"type", "linear"}, {"factor", 4.0}};
  for (const Json& scaling : {linear, llama3, yarn}) {
    Family family = {"llama", 2, 16};
    family.more = {{"rope_theta", 50.0}, {"rope_scaling", scaling}};
    CheckRoundTrip(family.Make());
  }
}

TEST_CASE("models of our own: the plainest family, pairs as halves, bfloat16 stays") {
  std::string family;
  Checkpoint letters = LetterCheckpoint(true);
  const Checkpoint again = Again(letters, &family);
  CHECK(family == "llama");
  RotateByHalves(&letters);
  letters.architecture.rope_turns = TurnsOf(letters.architecture);
  CheckSame(letters, again);

  // What is bfloat16 is not touched, and half as large.
  for (auto& [key, tensor] : letters.tensors) {
    for (float& value : tensor.values) value = std::round(value * 16) / 16;
  }
  CheckSame(letters, Again(letters, &family, Dtype::kBf16));
  const TemporaryDirectory directory;
  REQUIRE(ExportHuggingFace(letters, Dtype::kBf16, directory.path()).ok());
  const std::string bytes = ReadBytes(directory.path() + "/model.safetensors");
  const auto tensors = ParseSafetensors(bytes, "it").value();
  CHECK(std::string(tensors.at("model.embed_tokens.weight").type->name) == "BF16");
}

TEST_CASE("architectures of no family are refused in words, and folders with files") {
  const TemporaryDirectory directory;
  Checkpoint checkpoint = LetterCheckpoint(true);
  absl::Status status = ExportHuggingFace(checkpoint, Dtype::kF32, directory.path() + "/no/folder").status();
  CHECK(status.message().find("no/folder") != absl::string_view::npos);
  WriteBytes(directory.path() + "/a", "");
  status = ExportHuggingFace(checkpoint, Dtype::kF32, directory.path()).status();
  CHECK(status.message().find("files in it") != absl::string_view::npos);
  checkpoint.architecture.variant.residual_scale = 0.5f;
  status = ExportHuggingFace(checkpoint, Dtype::kF32, directory.path() + "/b").status();
  CHECK(status.message().find("residual scale 0.5") != absl::string_view::npos);
  CHECK(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 1);
}

}  // namespace
}  // namespace cllm
