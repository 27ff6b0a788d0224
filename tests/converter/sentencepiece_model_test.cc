// tokenizer.model, written here byte by byte as its format says.
#include "converter/import/sentencepiece_model.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "converter/tokenizer/encode_text.h"
#include "converter/tokenizer/sentencepiece.h"
#include "support/sentencepiece_file.h"

namespace cllm {
namespace {

using testing::StoredFloat;
using testing::StoredNumber;
using testing::StoredPiece;
using testing::StoredText;
using testing::StoredVarint;

struct Options {
  uint64_t model_type = 2;
  std::string rules;
  bool prefix = true, squeezes = false, byte_fallback = false, symbols = true;
  uint32_t bytes = 256;
};

std::string Model(const Options& options = {}) {
  std::string model = StoredPiece("<unk>", 0, 2) + StoredPiece("<s>", 0, 3) + StoredPiece("</s>", 0, 3);
  for (uint32_t byte = 0; byte < options.bytes; ++byte) model += StoredPiece(BytePiece(byte), 0, 6);
  if (options.symbols) model += StoredPiece("<turn>", 0, 4);
  float score = 0;
  for (const char* piece : {"ab", "\u2581ab", "a", "b", "\u2581"}) model += StoredPiece(piece, score -= 1, 1);
  model += StoredText(2, StoredText(1, "corpus.txt") + StoredNumber(3, options.model_type) +
                             StoredNumber(4, 300) + (options.byte_fallback ? StoredNumber(35, 1) : ""));
  model += StoredText(3, StoredText(1, "identity") + StoredText(2, options.rules) +
                             StoredNumber(3, options.prefix) + StoredNumber(4, options.squeezes));
  return model;
}

std::string Why(const Options& options) {
  const absl::Status status = ImportSentencePieceModel(Model(options), 0).status();
  CHECK(absl::IsUnimplemented(status));
  return std::string(status.message());
}

TEST_CASE("a BPE model: pieces, special tokens, user-defined symbols") {
  const auto tables = ImportSentencePieceModel(Model(), 270);
  REQUIRE_MESSAGE(tables.ok(), tables.status().message());
  CHECK(tables->kind == TokenizerKind::kScoredMerges);
  CHECK(tables->pieces.size() == 270);
  CHECK(tables->unknown_token == 0);
  CHECK(tables->begin_token == 1);
  CHECK(tables->end_token == 2);
  CHECK(tables->byte_token_base == 3);
  CHECK(tables->prefix_space);
  const uint32_t turn = 259, ab = 260, space_ab = 261, a = 262;
  CHECK(*EncodeText(*tables, "ab ab<turn>a\u2581ab") ==
        std::vector<uint32_t>{space_ab, space_ab, turn, 264, a, space_ab});
  CHECK(*EncodeText(*tables, "aab\n") == std::vector<uint32_t>{264, a, ab, 3 + '\n'});
  Options options;
  options.prefix = false;
  CHECK(*EncodeText(*ImportSentencePieceModel(Model(options), 0), "ab") == std::vector<uint32_t>{ab});
  CHECK(absl::IsInvalidArgument(ImportSentencePieceModel(Model(), 264).status()));
}

TEST_CASE("a unigram model: scores, symbols, unknown characters, spaces") {
  Options options;
  options.model_type = 1;
  options.bytes = 0;
  options.squeezes = true;
  const auto tables = ImportSentencePieceModel(Model(options), 12);
  REQUIRE_MESSAGE(tables.ok(), tables.status().message());
  CHECK(tables->kind == TokenizerKind::kUnigram);
  CHECK(tables->byte_token_base == CLLM_NO_TOKEN);
  CHECK(tables->float_sums);
  CHECK(tables->log_probabilities.size() == 13);
  CHECK(tables->log_probabilities[12] == -5.0 - 10.0);
  CHECK(tables->log_probabilities[3] == doctest::Approx(-0.1));
  const uint32_t turn = 3, space_ab = 5, a = 6, space = 8;
  CHECK(*EncodeText(*tables, "  ab   ab<turn>a ") == std::vector<uint32_t>{space_ab, space_ab, turn, a});
  CHECK(*EncodeText(*tables, "xy<s>a") == std::vector<uint32_t>{space, 0, a});  // no control token in a text
  options.byte_fallback = true;
  CHECK(Why(options).find("bytes") != std::string::npos);
  options.bytes = 256;
  const auto bytes = ImportSentencePieceModel(Model(options), 0);
  REQUIRE(bytes.ok());
  CHECK(*EncodeText(*bytes, "x") == std::vector<uint32_t>{260 + 4, 3 + 'x'});
}

TEST_CASE("spaces that a BPE model drops") {
  Options options;
  options.squeezes = true;
  CHECK(Why(options).find("user_defined_symbols") != std::string::npos);
  options.symbols = false;
  const auto tables = ImportSentencePieceModel(Model(options), 0);
  REQUIRE_MESSAGE(tables.ok(), tables.status().message());
  CHECK(tables->text_form == TextForm::kSteps);
  CHECK(*EncodeText(*tables, "  ab  ab ") == std::vector<uint32_t>{260, 260});
}

TEST_CASE("what is not supported is said") {
  Options options;
  options.model_type = 3;
  CHECK(Why(options).find("model_type") != std::string::npos);
  options = {};
  options.rules = "xyz";
  CHECK(ImportSentencePieceModel(Model(options), 0).status().message().find("precompiled_charsmap") !=
        std::string::npos);
  options = {};
  options.bytes = 255;
  CHECK(Why(options).find("bytes") != std::string::npos);
}

TEST_CASE("broken files are refused with the byte, and never read beyond their end") {
  const std::string model = Model();
  for (size_t size = 0; size < model.size(); size += size < 200 ? 1 : 13) {
    const std::string cut(model, 0, size);
    CHECK(!ImportSentencePieceModel(cut, 0).ok());
  }
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::string changed = model;
    for (int i = 0; i < 3; ++i) changed[random() % changed.size()] = static_cast<char>(random());
    const auto tables = ImportSentencePieceModel(changed, 0);
    if (tables.ok() && tables->kind == TokenizerKind::kScoredMerges)
      CHECK(tables->scores.size() == tables->pieces.size());
  }
  CHECK(ImportSentencePieceModel("\x0A\xFF\xFF\x03", 0)
            .status()
            .message()
            .find("byte 4: a field goes beyond") != std::string::npos);
}

}  // namespace
}  // namespace cllm
