#include "converter/export/gguf.h"
#include "converter/tokenizer/byte_alphabet.h"

#include <cmath>
#include <cstring>
#include <map>
#include <random>

#include "converter/export/gguf_tokenizer.h"
#include "converter/export/sha256.h"
#include "converter/import/gguf.h"
#include "doctest/doctest.h"
#include "support/file_tools.h"
#include "support/random_model.h"
#include "support/reference_model.h"
#include "tests/converter/hugging_face_folder.h"

namespace cllm {
namespace {

using testing::ReadBytes;
using testing::TemporaryDirectory;

std::string Exported(const Checkpoint& checkpoint) {
  const TemporaryDirectory folder;
  const std::string path = folder.path() + "/model.gguf";
  const absl::Status status = ExportGguf(checkpoint, Dtype::kF32, path);
  REQUIRE_MESSAGE(status.ok(), status.message());
  return ReadBytes(path);
}

Checkpoint Imported(const std::string& bytes) {
  absl::StatusOr<Checkpoint> checkpoint = ImportGgufBytes(bytes, "model.gguf");
  REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.status().message());
  return *std::move(checkpoint);
}

// <unk>, <s>, </s>, the bytes and some pieces, as SentencePiece's vocabularies have them.
TokenizerTables ScoredTables() {
  TokenizerTables tables;
  tables.kind = TokenizerKind::kScoredMerges;
  tables.pieces = {"<unk>", "<s>", "</s>"};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    char piece[8];
    std::snprintf(piece, sizeof(piece), "<0x%02X>", byte);
    tables.pieces.emplace_back(piece);
  }
  tables.pieces.insert(tables.pieces.end(), {" ", "a", "b", " a", "ab", "\xC3\xA9"});
  for (size_t i = 0; i < tables.pieces.size(); ++i) tables.scores.push_back(-0.5f * static_cast<float>(i));
  tables.unknown_token = 0;
  tables.begin_token = 1;
  tables.end_token = 2;
  tables.byte_token_base = 3;
  tables.prefix_space = true;
  return tables;
}

// Bytes of a linear congruential generator, in blocks whose half floats (`halves` says where) are between
// 2^-7 and 2^-5 or the negatives of that.
std::string RandomBlocks(const StoredType& type, const std::vector<size_t>& halves, size_t elements) {
  std::string bytes;
  uint32_t state = 1;
  for (size_t block = 0; block < elements / type.block_elements; ++block) {
    const size_t start = bytes.size();
    for (size_t i = 0; i < type.block_bytes; ++i) {
      state = state * 1664525u + 1013904223u;
      bytes += static_cast<char>(state >> 24);
    }
    for (const size_t half : halves) {
      char& upper = bytes[start + half + 1];
      upper = static_cast<char>(0x24 | (upper & 0x83));
    }
  }
  return bytes;
}

TEST_CASE("each format gives the very floats that llama.cpp makes of the same blocks") {
  // SHA-256 of the 16,384 floats that llama-quantize (Debian's llama.cpp 0.7.0, --allow-requantize, F32)
  // wrote.
  const struct {
    uint32_t type;
    std::vector<size_t> halves;
    const char* sha256;
  } cases[] = {{1, {0}, "61c9ae86fc56eca50802853a7e83d1d738c7a5ce5d2bba8f920440ff1612d32b"},
               {30, {0}, "055c1b53176c297d0d3196ba0e0fc35fc19ab218a4d8f9b7eced0217ae8602b0"},
               {2, {0}, "efd6ffa9b5e7f8f1893e9a3e74b08475810971d8a8caac0b79f5946c33f17d2f"},
               {3, {0, 2}, "4693c70d7bbe9dede032e06d2287af95b263657b00cd4197facf346aa402bf2b"},
               {6, {0}, "5287a35eddf58109dada2c95aa9f0e815b25a78f79c6329374c4aeb8975c50ef"},
               {7, {0, 2}, "81cb3ec3f5cee4566af71875213590374b7639885455ceed657652f23fbd2d32"},
               {8, {0}, "a801e89897fc9a178a827400798fee934e4d5539e42fb2cbd052e4c61f350dae"},
               {10, {80, 82}, "6ea0ad40d90acf2a96ebf3fad5abdd0fba2e7b945b64204faa6fbaef103e6986"},
               {11, {108}, "79e89f6dbcc75f3947264d5fb337d995c6479368e95e46912e01fce5e4d231ba"},
               {12, {0, 2}, "945e7edbaebe6b04073a41efbd497b205f66c01e4f74dd6987613fb0db589a89"},
               {13, {0, 2}, "48f2a48102df31625b091f343087c53c6348a5e34406d41a98422db61f21cdc5"},
               {14, {208}, "1a01f1cf6b0ad15bd50ad7c5fe0f8cd7080c7f43077928526fa6a895fb78a8de"}};
  for (const auto& c : cases) {
    const StoredType* type = FindStoredType(c.type);
    REQUIRE(type != nullptr);
    CAPTURE(type->name);
    const std::string blocks = RandomBlocks(*type, c.halves, 16384);
    const std::vector<float> values = Dequantize({64, 256, type, blocks});
    const auto* bytes = reinterpret_cast<const char*>(values.data());
    CHECK(Hexadecimal(Sha256({bytes, values.size() * sizeof(float)})) == c.sha256);
    std::printf("exact|%s\n", type->name);  // for README's list: tests/peers/families
  }
}

TEST_CASE("half floats of every kind") {
  const auto float_of = [](uint16_t half) {
    const std::string bytes{static_cast<char>(half & 255), static_cast<char>(half >> 8)};
    return Dequantize({1, 1, FindStoredType(1), bytes})[0];
  };
  CHECK(float_of(0x0000) == 0.0f);
  CHECK(std::signbit(float_of(0x8000)));
  CHECK(float_of(0x0001) == 0x1p-24f);
  CHECK(float_of(0x83FF) == -1023 * 0x1p-24f);
  CHECK(float_of(0x0400) == 0x1p-14f);
  CHECK(float_of(0x3C01) == 1.0f + 0x1p-10f);
  CHECK(float_of(0x7BFF) == 65504.0f);
  CHECK(float_of(0xFC00) == -INFINITY);
  CHECK(std::isnan(float_of(0x7C01)));
}

TEST_CASE("export and import give the same model back") {
  std::mt19937 random(5);
  for (uint32_t seed = 0; seed < 40; ++seed) {
    Architecture architecture = testing::RandomArchitecture(random);
    architecture.rope_theta = seed % 3 == 0 ? 10000.0 : 500000.0;
    Checkpoint checkpoint = testing::RandomCheckpoint(architecture, seed);
    checkpoint.provenance.source = "random";
    checkpoint.provenance.licence = "MIT";
    const Checkpoint back = Imported(Exported(checkpoint));
    CHECK(back.provenance.source == "random");
    CHECK(back.provenance.licence == "MIT");
    CHECK(back.architecture.context == architecture.context);
    CHECK(back.architecture.tied_head == architecture.tied_head);
    CHECK(back.architecture.norm_epsilon == architecture.norm_epsilon);
    CHECK(back.architecture.rope_turns == RopeTurns(architecture.rope_theta, architecture.head_size));
    // Halves come back as adjacent pairs: other rows, the same logits.
    const auto tokens =
        testing::RandomTokens(architecture.vocabulary_size, std::min(9u, architecture.context), seed);
    const auto logits = [&tokens](const Checkpoint& c) {
      return reference::Logits(c.architecture, reference::Convert<double>(c), tokens);
    };
    Checkpoint explicit_turns = checkpoint;
    explicit_turns.architecture.rope_turns = back.architecture.rope_turns;
    const auto expected = logits(explicit_turns), actual = logits(back);
    double worst = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      for (size_t v = 0; v < expected[i].size(); ++v)
        worst = std::max(worst, std::abs(expected[i][v] - actual[i][v]));
    }
    CHECK(worst < 1e-9);
    if (seed == 5) testing::CheckLogits("llama", "GGUF", back, tokens, expected);
    if (architecture.rope_pairs == RopePairs::kHalves && architecture.head_size > 2) {
      CHECK(back.tensors.at({Role::kQueryKeyValue, 0}).values !=
            checkpoint.tensors.at({Role::kQueryKeyValue, 0}).values);
    }
  }
}

TEST_CASE("scaled frequencies travel as factors") {
  std::mt19937 random(9);
  Architecture architecture = testing::RandomArchitecture(random);
  architecture.head_size = 8;
  Checkpoint checkpoint = testing::RandomCheckpoint(architecture, 1);
  std::vector<uint64_t> turns = RopeTurns(10000.0, 8);
  turns[2] /= 3;
  turns[3] /= 8;
  checkpoint.architecture.rope_turns = turns;
  const std::vector<uint64_t> back = Imported(Exported(checkpoint)).architecture.rope_turns;
  CHECK(back[0] == turns[0]);
  CHECK(back[1] == turns[1]);
  for (const size_t i : {2, 3})
    CHECK(std::abs(static_cast<double>(back[i]) / static_cast<double>(turns[i]) - 1) < 1e-7);
}

TEST_CASE("tokenizers: scored merges come back, bytes of a BPE are GPT-2's characters") {
  const TokenizerTables tables = ScoredTables();
  std::mt19937 random(3);
  Architecture architecture = testing::RandomArchitecture(random);
  architecture.vocabulary_size = static_cast<uint32_t>(tables.pieces.size());
  Checkpoint checkpoint = testing::RandomCheckpoint(architecture, 1);
  checkpoint.tokenizer = tables;
  const TokenizerTables back = Imported(Exported(checkpoint)).tokenizer;
  CHECK(back.kind == TokenizerKind::kScoredMerges);
  CHECK(back.pieces == tables.pieces);
  CHECK(back.scores == tables.scores);
  CHECK(back.prefix_space);
  CHECK(back.unknown_token == 0);
  CHECK(back.begin_token == 1);
  CHECK(back.end_token == 2);
  CHECK(back.byte_token_base == 3);
  // From the table of GPT-2's encoder: space, newline, letters, the first byte that is no character of its
  // own.
  CHECK(Gpt2Characters(" a\n!\x7F\xAD") ==
        "\xC4\xA0"
        "a"
        "\xC4\x8A"
        "!"
        "\xC4\xA1"
        "\xC5\x83");
}

TEST_CASE("a byte-level BPE with added tokens comes back, and so does its chat template") {
  TokenizerTables tables;
  tables.kind = TokenizerKind::kByteBpe;
  for (int byte = 0; byte < 256; ++byte) tables.pieces.emplace_back(1, static_cast<char>(byte * 5));
  for (int byte = 0; byte < 256; ++byte)
    tables.byte_tokens.push_back(static_cast<uint32_t>(byte * 205 % 256));
  for (const char* piece : {" a", " ab", "<|im_start|>", "<|im_end|>", "  ", "", "xyz"})
    tables.pieces.emplace_back(piece);
  const auto byte = [&](char c) { return tables.byte_tokens[static_cast<uint8_t>(c)]; };
  tables.merges = {{byte(' '), byte('a'), 256}, {256, byte('b'), 257}};
  tables.added = {{258, AddedToken::kControl}, {259, AddedToken::kControl | AddedToken::kEnds}, {260, 0}};
  tables.end_token = 258;
  tables.chat_template = "{{ '<|im_start|>' }}";
  Architecture architecture;
  std::mt19937 random(3);
  architecture = testing::RandomArchitecture(random);
  architecture.vocabulary_size = static_cast<uint32_t>(tables.pieces.size());
  Checkpoint checkpoint = testing::RandomCheckpoint(architecture, 1);
  for (const Pretokenizer pretokenizer :
       {Pretokenizer::kGpt2, Pretokenizer::kQwen2, Pretokenizer::kDigits, Pretokenizer::kLlama3}) {
    tables.pretokenizer = pretokenizer;
    tables.words.clear();
    if (pretokenizer == Pretokenizer::kLlama3) tables.words = {262};  // ignores merges
    checkpoint.tokenizer = tables;
    const TokenizerTables back = Imported(Exported(checkpoint)).tokenizer;
    CHECK(back.pretokenizer == pretokenizer);
    CHECK(back.byte_tokens == tables.byte_tokens);
    CHECK(back.merges.size() == 2);
    CHECK(back.merges[1].result == 257);
    CHECK(back.words == tables.words);
    CHECK(back.added == tables.added);
    CHECK(back.begin_token == CLLM_NO_TOKEN);
    CHECK(back.end_token == 258);
    CHECK(back.chat_template == tables.chat_template);
    CHECK(back.pieces[259] == "<|im_end|>");
  }
}

TEST_CASE("a broken file is refused with its place, and never read beyond its end") {
  std::mt19937 random(3);
  Architecture architecture = testing::RandomArchitecture(random);
  const TokenizerTables tables = ScoredTables();
  architecture.vocabulary_size = static_cast<uint32_t>(tables.pieces.size());
  architecture.width = 4;
  architecture.layers = 1;
  architecture.hidden = 4;
  Checkpoint checkpoint = testing::RandomCheckpoint(architecture, 1);
  checkpoint.tokenizer = tables;
  const std::string good = Exported(checkpoint);
  const size_t head = good.size() - 4 * tables.pieces.size() * 4;  // at least: values, tensor table
  // Truncations are copies, so that a sanitizer sees a read beyond the end. The last bytes may be padding.
  for (size_t size = 0; size < good.size() - 32; size += size < 300 ? 1 : 7) {
    const std::string cut(good.data(), size);
    CHECK(!ImportGgufBytes(cut, "cut").ok());
  }
  size_t refused = 0;
  for (size_t at = 0; at < head; ++at) {
    std::string changed = good;
    for (const uint8_t value : {0x00, 0x7F, 0xFF, static_cast<uint8_t>(good[at]) ^ 1}) {
      changed[at] = static_cast<char>(value);
      refused += ImportGgufBytes(changed, "changed").ok() ? 0 : 1;
    }
  }
  CHECK(refused > 100);
  const auto message = [&good](size_t at, char byte) {
    std::string changed = good;
    changed[at] = byte;
    return std::string(ImportGgufBytes(changed, "m.gguf").status().message());
  };
  CHECK(message(0, 'X') == "m.gguf, byte 0: not a GGUF file");
  CHECK(message(4, 9).find("version 9") != std::string::npos);
  CHECK(message(good.find("llama", 20), 'x').find("'xlama'") != std::string::npos);
  CHECK(message(good.find("blk.0.attn_k.weight"), 'x').find("xlk.0.attn_k.weight") != std::string::npos);
}

}  // namespace
}  // namespace cllm
