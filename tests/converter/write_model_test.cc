#include "converter/export/write_model.h"

#include <sys/stat.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>

#include "converter/export/panels.h"
#include "converter/import/model_file.h"
#include "converter/import/read_model.h"
#include "converter/quantize/quantize.h"
#include "doctest/doctest.h"
#include "model/tensors.h"
#include "support/file_tools.h"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::RandomArchitecture;
using testing::RandomCheckpoint;
using testing::RandomVariant;
using testing::ReadBytes;
using testing::SmallCheckpoint;
using testing::SmallTokenizer;
using testing::TemporaryDirectory;
using testing::WriteBytes;

float FloatOf(uint16_t bf16) {
  const uint32_t bits = uint32_t{bf16} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

bool SameBits(const FloatTensor& a, const FloatTensor& b) {
  return a.rows == b.rows && a.columns == b.columns && testing::SameBits(a.values, b.values);
}

void CheckSameArchitecture(const Architecture& a, const Architecture& b) {
  CHECK(a.vocabulary_size == b.vocabulary_size);
  CHECK(a.context == b.context);
  CHECK(a.width == b.width);
  CHECK(a.layers == b.layers);
  CHECK(a.heads == b.heads);
  CHECK(a.kv_heads == b.kv_heads);
  CHECK(a.head_size == b.head_size);
  CHECK(a.hidden == b.hidden);
  CHECK(a.norm_epsilon == b.norm_epsilon);
  if (a.variant.rope) CHECK(a.rope_pairs == b.rope_pairs);
  CHECK(a.tied_head == b.tied_head);
  CHECK(a.variant == b.variant);
}

TEST_CASE("float files of random architectures round-trip bit for bit") {
  std::mt19937 random(3);
  for (uint32_t round = 0; round < 60; ++round) {
    Architecture a = round % 2 ? RandomVariant(random) : RandomArchitecture(random);
    a.norm_epsilon = std::ldexp(1.0f, -static_cast<int>(random() % 100));
    a.rope_theta = 1.0 + random() % 1000000;
    const Checkpoint checkpoint = RandomCheckpoint(a, round);
    const auto bytes = WriteModelToString(checkpoint, Dtype::kF32);
    REQUIRE_MESSAGE(bytes.ok(), bytes.status().message());
    const auto file = ModelFile::FromBytes(*bytes, "round trip");
    REQUIRE_MESSAGE(file.ok(), file.status().message());
    const Checkpoint back = ToCheckpoint(*file);
    CheckSameArchitecture(back.architecture, a);
    CHECK(back.architecture.rope_turns == RopeTurns(a.rope_theta, a.variant.rotary(a.head_size)));
    CHECK(back.tensors.size() == checkpoint.tensors.size());
    for (const auto& [key, tensor] : checkpoint.tensors) CHECK(SameBits(back.tensors.at(key), tensor));
    // What was read writes the same bytes again.
    CHECK(*WriteModelToString(back, Dtype::kF32) == *bytes);
  }
}

TEST_CASE("tokenizers and provenance round-trip") {
  for (const TokenizerKind kind :
       {TokenizerKind::kNone, TokenizerKind::kByteBpe, TokenizerKind::kScoredMerges,
        TokenizerKind::kCharacters, TokenizerKind::kWordPiece, TokenizerKind::kWords}) {
    const Checkpoint checkpoint = SmallCheckpoint(kind);
    const auto file = ModelFile::FromBytes(*WriteModelToString(checkpoint, Dtype::kI8), "round trip");
    REQUIRE(file.ok());
    const Checkpoint back = ToCheckpoint(*file);
    const TokenizerTables& expected = checkpoint.tokenizer;
    CHECK(back.tokenizer.kind == expected.kind);
    CHECK(back.tokenizer.begin_token == expected.begin_token);
    CHECK(back.tokenizer.end_token == expected.end_token);
    CHECK(back.tokenizer.byte_token_base == expected.byte_token_base);
    CHECK(back.tokenizer.pieces == expected.pieces);
    CHECK(back.tokenizer.scores == expected.scores);
    CHECK(back.tokenizer.merges.size() == expected.merges.size());
    CHECK(back.provenance.source == "a test");
    CHECK(back.provenance.licence == "none");
    CHECK(back.provenance.recipe == "{}");
  }
}

TEST_CASE("the scale is the smallest bf16 that does not clip") {
  std::mt19937 random(5);
  for (int round = 0; round < 20000; ++round) {
    const float largest =
        std::ldexp(1.0f + static_cast<float>(random() >> 8) * 0x1p-24f, static_cast<int>(random() % 60) - 38);
    const uint16_t scale = WeightScale(largest);
    CHECK(127.0 * FloatOf(scale) >= largest);
    CHECK(127.0 * FloatOf(static_cast<uint16_t>(scale - 1)) < largest);
  }
  CHECK(FloatOf(WeightScale(127.0f)) == 1.0f);
  CHECK(FloatOf(WeightScale(0.0f)) == 0x1p-50f);
}

TEST_CASE("int8: every weight within half a scale, none clipped, padding neutral") {
  std::mt19937 random(9);
  for (uint32_t round = 0; round < 20; ++round) {
    const Checkpoint checkpoint = RandomCheckpoint(RandomVariant(random), round);
    const ModelFile file = testing::MakeModel(checkpoint, Dtype::kI8);
    const Checkpoint back = ToCheckpoint(file);
    for (const auto& [key, tensor] : checkpoint.tensors) {
      if (IsVector(key.first)) {
        CHECK(SameBits(back.tensors.at(key), tensor));
        continue;
      }
      for (uint32_t row = 0; row < tensor.rows; ++row) {
        float largest = 0;
        for (uint32_t k = 0; k < tensor.columns; ++k) {
          largest = std::max(largest, std::abs(tensor.values[row * tensor.columns + k]));
        }
        const double scale = FloatOf(WeightScale(largest));
        for (uint32_t k = 0; k < tensor.columns; ++k) {
          const size_t at = row * tensor.columns + k;
          REQUIRE(std::abs(double{back.tensors.at(key).values[at]} - tensor.values[at]) <= 0.5 * scale);
        }
      }
      const Tensor stored = FindTensor(file.model(), key.first, key.second);
      const uint64_t stored_rows = StoredRows(file.model().config, key.first);
      const auto* bytes = static_cast<const uint8_t*>(stored.data);
      // The last stored row is padding unless the rows fill their panels.
      const uint32_t inputs = file.model().config.variant.feed_forward_inputs();
      const uint32_t rows = key.first == Role::kGateUp ? tensor.rows / inputs : tensor.rows;
      if (rows % 16 != 0) {
        CHECK(stored.scales[stored_rows - 1] == 0);
        CHECK(bytes[I8PanelBytes(stored_rows, tensor.columns) - 1] == 128);
      }
    }
  }
}

TEST_CASE("the same checkpoint gives the same bytes, in memory and on disk, with a new file's permissions") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/model.cllm";
  const Checkpoint checkpoint = SmallCheckpoint();
  WriteBytes(path, "something else");
  REQUIRE(WriteModel(checkpoint, Dtype::kI8, path).ok());
  CHECK(ReadBytes(path) == *WriteModelToString(checkpoint, Dtype::kI8));
  struct stat written, plain;
  REQUIRE(::stat(path.c_str(), &written) == 0);
  WriteBytes(directory.path() + "/plain", "x");
  REQUIRE(::stat((directory.path() + "/plain").c_str(), &plain) == 0);
  CHECK(written.st_mode == plain.st_mode);
}

TEST_CASE("a failed write leaves the target alone and nothing beside it") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/model.cllm";
  WriteBytes(path, "precious");
  Checkpoint checkpoint = SmallCheckpoint();
  checkpoint.tensors[{Role::kDown, 1}].values[0] = NAN;
  const absl::Status status = WriteModel(checkpoint, Dtype::kF32, path);
  CHECK(std::string(status.message()).find("layers.1.down") != std::string::npos);
  CHECK(ReadBytes(path) == "precious");
  const auto entries = std::filesystem::directory_iterator(directory.path());
  CHECK(std::distance(begin(entries), end(entries)) == 1);
  CHECK(!WriteModel(SmallCheckpoint(), Dtype::kF32, directory.path()).ok());
  CHECK(!WriteModel(SmallCheckpoint(), Dtype::kF32, directory.path() + "/none/model.cllm").ok());
}

TEST_CASE("quantize writes the int8 file of the same checkpoint, and refuses int8") {
  const TemporaryDirectory directory;
  const std::string in = directory.path() + "/f.cllm", out = directory.path() + "/q.cllm";
  REQUIRE(WriteModel(SmallCheckpoint(), Dtype::kF32, in).ok());
  REQUIRE(Quantize(in, WeightFormats(Dtype::kI8), out).ok());
  CHECK(ReadBytes(out) == *WriteModelToString(SmallCheckpoint(), Dtype::kI8));
  const absl::Status again = Quantize(out, WeightFormats(Dtype::kI8), directory.path() + "/again.cllm");
  CHECK(std::string(again.message()).find("int8 weights already") != std::string::npos);
  CHECK(!std::filesystem::exists(directory.path() + "/again.cllm"));
}

TEST_CASE("errors of ModelFile name the path and the remedy") {
  const TemporaryDirectory directory;
  const auto message = [&](const std::string& name) {
    const auto file = ModelFile::Open(directory.path() + "/" + name);
    return file.ok() ? std::string() : std::string(file.status().message());
  };
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  CHECK(has(message("absent.cllm"), "absent.cllm"));
  WriteBytes(directory.path() + "/empty.cllm", "");
  CHECK(has(message("empty.cllm"), "is empty"));
  WriteBytes(directory.path() + "/text.cllm", std::string(1000, 'a'));
  CHECK(has(message("text.cllm"), "CLLM_FILE_NOT_CLLM"));
  CHECK(has(message("text.cllm"), "cllm import"));
  const std::string good = *WriteModelToString(SmallCheckpoint(), Dtype::kF32);
  WriteBytes(directory.path() + "/short.cllm", good.substr(0, good.size() / 2));
  CHECK(has(message("short.cllm"), "cut short"));
  CHECK(has(message(""), "not a regular file"));
  WriteBytes(directory.path() + "/good.cllm", good);
  auto file = ModelFile::Open(directory.path() + "/good.cllm");
  REQUIRE(file.ok());
  const ModelFile moved = *std::move(file);
  CHECK(moved.model().config.width == 10);
  CHECK(moved.size() == good.size());
}

}  // namespace
}  // namespace cllm
