#include "converter/import/llama2c.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "converter/export/write_model.h"
#include "converter/import/model_file.h"
#include "converter/import/read_model.h"
#include "doctest/doctest.h"
#include "support/file_tools.h"
#include "support/random_model.h"
#include "support/reference_model.h"
#include "tests/converter/hugging_face_folder.h"

namespace cllm {
namespace {

using testing::ReadBytes;
using testing::SharedPath;
using testing::TemporaryDirectory;

// Floats of the checkpoint file, counted by hand from its header: 64 wide, hidden 172, 5 layers, 8 heads, 4
// key heads, vocabulary 512, tied. The order is that of llama2.c's legacy export.
struct Stories {
  static constexpr size_t kHeader = 28;
  static constexpr size_t kEmbedding = 512 * 64;
  static constexpr size_t kAttentionNorm = 5 * 64;
  static constexpr size_t kQuery = 64 * 64, kKey = 32 * 64;
  std::string bytes;
  float At(size_t index) const {
    float value;
    std::memcpy(&value, bytes.data() + kHeader + index * sizeof(float), sizeof(value));
    return value;
  }
};

TEST_CASE("stories260K imports to the right shapes and values") {
  const std::string path = SharedPath("data/stories260K/stories260K.bin");
  if (path.empty()) return;
  const auto checkpoint = ImportLlama2c(path, SharedPath("data/stories260K/tok512.bin"));
  REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.status().message());
  const Architecture& a = checkpoint->architecture;
  CHECK(a.vocabulary_size == 512);
  CHECK(a.context == 512);
  CHECK(a.width == 64);
  CHECK(a.layers == 5);
  CHECK(a.heads == 8);
  CHECK(a.kv_heads == 4);
  CHECK(a.head_size == 8);
  CHECK(a.hidden == 172);
  CHECK(a.tied_head);
  CHECK(checkpoint->tensors.size() == 32);
  CHECK(CheckCheckpoint(*checkpoint).ok());

  const Stories stories = {ReadBytes(path)};
  const FloatTensor& qkv = checkpoint->tensors.at({Role::kQueryKeyValue, 3});
  CHECK(qkv.rows == 128);
  CHECK(qkv.columns == 64);
  const size_t queries = Stories::kEmbedding + Stories::kAttentionNorm;
  const size_t keys = queries + 5 * Stories::kQuery;
  const size_t values = keys + 5 * Stories::kKey;
  CHECK(qkv.values[10 * 64 + 7] == stories.At(queries + 3 * Stories::kQuery + 10 * 64 + 7));
  CHECK(qkv.values[(64 + 5) * 64 + 9] == stories.At(keys + 3 * Stories::kKey + 5 * 64 + 9));
  CHECK(qkv.values[(96 + 31) * 64 + 63] == stories.At(values + 3 * Stories::kKey + 31 * 64 + 63));
  const size_t gates = values + 5 * Stories::kKey + 5 * Stories::kQuery + 5 * 64;
  const size_t downs = gates + 5 * 172 * 64;
  const size_t ups = downs + 5 * 172 * 64;
  const FloatTensor& gate_up = checkpoint->tensors.at({Role::kGateUp, 4});
  CHECK(gate_up.rows == 344);
  CHECK(gate_up.values[171 * 64 + 1] == stories.At(gates + 4 * 172 * 64 + 171 * 64 + 1));
  CHECK(gate_up.values[172 * 64] == stories.At(ups + 4 * 172 * 64));
  CHECK(checkpoint->tensors.at({Role::kDown, 0}).values[171] == stories.At(downs + 171));
  CHECK(checkpoint->tensors.at({Role::kFinalNorm, 0}).values[63] == stories.At(ups + 5 * 172 * 64 + 63));

  const TokenizerTables& tokenizer = checkpoint->tokenizer;
  CHECK(tokenizer.kind == TokenizerKind::kScoredMerges);
  CHECK(tokenizer.pieces.size() == 512);
  CHECK(tokenizer.pieces[0] == "<unk>");
  CHECK(tokenizer.pieces[3 + 'A'] == "<0x41>");
  CHECK(tokenizer.begin_token == 1);
  CHECK(tokenizer.end_token == 2);
  CHECK(tokenizer.byte_token_base == 3);
  CHECK(tokenizer.prefix_space);
}

TEST_CASE("stories260K: the float file round-trips bit for bit, the int8 file has at most 290,000 bytes") {
  const std::string path = SharedPath("data/stories260K/stories260K.bin");
  if (path.empty()) return;
  const auto checkpoint = ImportLlama2c(path, SharedPath("data/stories260K/tok512.bin"));
  REQUIRE(checkpoint.ok());
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/s.cllm";
  REQUIRE(WriteModel(*checkpoint, Dtype::kF32, file).ok());
  const auto back = ReadModel(file);
  REQUIRE_MESSAGE(back.ok(), back.status().message());
  for (const auto& [key, tensor] : checkpoint->tensors) {
    const FloatTensor& other = back->tensors.at(key);
    REQUIRE(other.values.size() == tensor.values.size());
    CHECK(std::memcmp(other.values.data(), tensor.values.data(), 4 * tensor.values.size()) == 0);
  }
  CHECK(back->tokenizer.pieces == checkpoint->tokenizer.pieces);
  CHECK(back->tokenizer.scores == checkpoint->tokenizer.scores);

  const auto int8 = WriteModelToString(*checkpoint, Dtype::kI8);
  REQUIRE(int8.ok());
  MESSAGE("int8 file: " << int8->size() << " bytes");
  CHECK(int8->size() <= 290000);
}

// A file of any version, written here as export.py writes it; of version 2 the matrices as int8 in groups of
// four, `stored` then having the floats that these stand for.
class Writer {
 public:
  Writer(const Checkpoint& checkpoint, uint32_t version)
      : version_(version), checkpoint_(checkpoint), stored_(checkpoint) {
    const Architecture& a = checkpoint.architecture;
    const auto number = [](uint32_t value) { return static_cast<int32_t>(value); };
    if (version > 0) Append(std::vector<int32_t>{0x616b3432, number(version)});
    const int32_t vocabulary = number(a.vocabulary_size);
    Append(std::vector<int32_t>{number(a.width), number(a.hidden), number(a.layers), number(a.heads),
                                number(a.kv_heads), version == 0 && !a.tied_head ? -vocabulary : vocabulary,
                                number(a.context)});
    if (version > 0) bytes_ += static_cast<char>(a.tied_head);
    if (version > 1) Append(std::vector<int32_t>{4});
    if (version > 0) bytes_.resize(256);
    const uint32_t queries = a.heads * a.head_size, keys = a.kv_heads * a.head_size;
    if (version == 0) All(Role::kTokenEmbedding);
    All(Role::kAttentionNorm);
    if (version > 0) {
      for (const Role role : {Role::kFeedForwardNorm, Role::kFinalNorm, Role::kTokenEmbedding}) All(role);
    }
    Rows(Role::kQueryKeyValue, 0, queries);
    Rows(Role::kQueryKeyValue, queries, keys);
    Rows(Role::kQueryKeyValue, queries + keys, keys);
    All(Role::kAttentionOutput);
    if (version == 0) All(Role::kFeedForwardNorm);
    Rows(Role::kGateUp, 0, a.hidden);
    All(Role::kDown);
    Rows(Role::kGateUp, a.hidden, a.hidden);
    if (version == 0) {
      All(Role::kFinalNorm);
      Append(std::vector<float>(a.context * a.head_size, 0.5f));  // angles, which are not read
    }
    if (!a.tied_head) All(Role::kHead);
  }
  const std::string& bytes() const { return bytes_; }
  const Checkpoint& stored() const { return stored_; }

 private:
  template <class T>
  void Append(const std::vector<T>& values) {
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }
  void All(Role role) { Rows(role, 0, 0); }
  void Rows(Role role, uint32_t first, uint32_t rows) {
    for (const auto& [key, tensor] : checkpoint_.tensors) {
      if (key.first != role) continue;
      const size_t begin = size_t{first} * tensor.columns;
      const size_t count = size_t{rows == 0 ? tensor.rows : rows} * tensor.columns;
      float* values = stored_.tensors.at(key).values.data() + begin;
      if (version_ < 2 || tensor.rows == 1) {
        Append(std::vector<float>(values, values + count));
      } else {
        AppendGroups(values, count);
      }
    }
  }
  void AppendGroups(float* values, size_t count) {
    std::vector<float> scales;
    for (size_t i = 0; i < count; i += 4) {
      float most = 0;
      for (size_t k = i; k < i + 4; ++k) most = std::max(most, std::abs(values[k]));
      const float scale = most / 127.0f;
      scales.push_back(scale);
      for (size_t k = i; k < i + 4; ++k) {
        const auto rounded = static_cast<int8_t>(std::nearbyint(values[k] / scale));
        bytes_ += static_cast<char>(rounded);
        values[k] = static_cast<float>(rounded) * scale;
      }
    }
    Append(scales);
  }

  uint32_t version_;
  const Checkpoint& checkpoint_;
  Checkpoint stored_;
  std::string bytes_;
};

Checkpoint SmallLlama(bool tied) {
  Architecture a;
  a.vocabulary_size = 20;
  a.context = 9;
  a.width = 8;
  a.layers = 2;
  a.heads = 2;
  a.kv_heads = 1;
  a.head_size = 4;
  a.hidden = 12;
  a.tied_head = tied;
  return testing::RandomCheckpoint(a, 7);
}

TEST_CASE("versions 0, 1 and 2: every tensor, and the logits of a plain forward pass in double") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/m.bin";
  const std::vector<uint32_t> tokens = testing::RandomTokens(20, 9, 4);
  for (const bool tied : {true, false}) {
    for (uint32_t version = 0; version < 3; ++version) {
      CAPTURE(version);
      const Writer written(SmallLlama(tied), version);
      testing::WriteBytes(path, written.bytes());
      const auto read = ImportLlama2c(path, "");
      REQUIRE_MESSAGE(read.ok(), read.status().message());
      CHECK(read->architecture.tied_head == tied);
      REQUIRE(read->tensors.size() == written.stored().tensors.size());
      for (const auto& [key, tensor] : written.stored().tensors)
        CHECK(read->tensors.at(key).values == tensor.values);
      const auto expected = reference::Logits(written.stored().architecture,
                                              reference::Convert<double>(written.stored()), tokens);
      testing::CheckLogits("llama",
                           version == 0   ? "llama2.c, version 0"
                           : version == 1 ? "llama2.c, version 1"
                                          : "llama2.c, version 2",
                           *read, tokens, expected);
    }
  }
}

TEST_CASE("a file that is cut short, too long or of another version says so") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/m.bin";
  const auto error = [&](const std::string& bytes) {
    testing::WriteBytes(path, bytes);
    const auto read = ImportLlama2c(path, "");
    CHECK_FALSE(read.ok());
    return std::string(read.status().message());
  };
  for (uint32_t version = 0; version < 3; ++version) {
    const std::string good = Writer(SmallLlama(false), version).bytes();
    CHECK(error(good.substr(0, good.size() - 1)).find("calls for more") != std::string::npos);
    CHECK(error(good + "x").find("calls for fewer") != std::string::npos);
    CHECK(error(good.substr(0, 20)).find("shorter than a llama2.c header") != std::string::npos);
    CHECK(error(good.substr(0, 300)).find("calls for more") != std::string::npos);
  }
  std::string changed = Writer(SmallLlama(true), 2).bytes();
  changed[4] = 3;
  CHECK(error(changed).find("byte 4: version 3") != std::string::npos);
  changed[4] = 2;
  changed[37] = 0;
  CHECK(error(changed).find("byte 37: groups of 0") != std::string::npos);
  changed[37] = 5;
  CHECK(error(changed).find("groups of 5 weights do not divide") != std::string::npos);
}

}  // namespace
}  // namespace cllm
