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

}  // namespace
}  // namespace cllm
