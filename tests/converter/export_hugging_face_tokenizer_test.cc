#include "converter/export/hugging_face_tokenizer.h"

#include <random>
#include <set>

#include "converter/import/hugging_face.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/encode_text.h"
#include "converter/tokenizer/sentencepiece.h"
#include "converter/tokenizer/train.h"
#include "doctest/doctest.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

// <unk>, <s>, </s>, the bytes, some characters, and pieces of two others each, the later the lower their
// score.
TokenizerTables RandomScoredMerges(std::mt19937& random, bool prefix_space) {
  TokenizerTables tables;
  tables.kind = TokenizerKind::kScoredMerges;
  tables.prefix_space = prefix_space;
  tables.pieces = {"<unk>", "\n<s>\n", "\n</s>\n"};
  for (uint32_t byte = 0; byte < 256; ++byte) tables.pieces.push_back(BytePiece(byte));
  std::set<std::string> known = {" ", "a", "b", "c", "\xC3\xA9"};
  tables.pieces.insert(tables.pieces.end(), known.begin(), known.end());
  while (tables.pieces.size() < 330) {
    const size_t first = 259, count = tables.pieces.size() - first;
    const std::string piece =
        tables.pieces[first + random() % count] + tables.pieces[first + random() % count];
    if (piece.size() < 7 && known.insert(piece).second) tables.pieces.push_back(piece);
  }
  for (size_t i = 0; i < tables.pieces.size(); ++i) tables.scores.push_back(-0.5f * static_cast<float>(i));
  tables.unknown_token = 0;
  tables.begin_token = 1;
  tables.end_token = 2;
  tables.byte_token_base = 3;
  return tables;
}

TokenizerTables Again(const TokenizerTables& tables) {
  // As a file has it: parsed, whole numbers are unsigned.
  const Json tokenizer = ParseJson(JsonText(HuggingFaceTokenizer(tables))),
             config = ParseJson(JsonText(HuggingFaceTokenizerConfig(tables, 64)));
  const auto size = static_cast<uint32_t>(tables.pieces.size());
  absl::StatusOr<TokenizerTables> again = ImportHuggingFaceTokenizer(tokenizer, config, size);
  REQUIRE_MESSAGE(again.ok(), again.status().message());
  return *std::move(again);
}

TEST_CASE("scored merges encode alike after a way through tokenizer.json") {
  std::mt19937 random(2);
  for (const bool prefix_space : {false, true}) {
    const TokenizerTables tables = RandomScoredMerges(random, prefix_space), again = Again(tables);
    CHECK(again.prefix_space == prefix_space);
    CHECK(again.begin_token == 1);
    CHECK(again.end_token == 2);
    CHECK(again.unknown_token == 0);
    CHECK(again.byte_token_base == 3);
    const char* const parts[] = {"a", "b", "c", " ", "\xC3\xA9", "x"};
    for (int i = 0; i < 200; ++i) {
      std::string text;
      for (size_t length = random() % 30; text.size() < length;) text += parts[random() % 6];
      const auto tokens = EncodeText(tables, text);
      REQUIRE(tokens.ok());
      CHECK(*tokens == EncodeText(again, text).value());
    }
  }
}

TEST_CASE("byte-level BPE: GPT-2's characters, merges by rank, words as the runtime cuts them") {
  const TokenizerTables tables =
      TrainByteBpe({"the cat and the hat, the cat and the hat; 12 12 12 \xC3\xA9t\xC3\xA9"}, 270).value();
  REQUIRE(HasHuggingFaceTokenizer(tables));
  const Json json = HuggingFaceTokenizer(tables);
  CHECK(json["model"]["vocab"].size() == tables.pieces.size());
  CHECK(json["model"]["merges"].size() == tables.merges.size());
  CHECK(json["model"]["vocab"]["\xC4\xA0"] == tables.byte_token_base + ' ');  // U+0120
  CHECK(json["model"]["byte_fallback"] == false);
  CHECK(json["pre_tokenizer"]["pretokenizers"][0]["type"] == "Split");
  CHECK(json["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] == false);
}

TEST_CASE("imported byte-level BPE comes back with its pattern, added tokens and words") {
  TokenizerTables tables;
  tables.kind = TokenizerKind::kByteBpe;
  for (int byte = 0; byte < 256; ++byte) tables.pieces.emplace_back(1, static_cast<char>(byte * 5));
  for (int byte = 0; byte < 256; ++byte)
    tables.byte_tokens.push_back(static_cast<uint32_t>(byte * 205 % 256));
  for (const char* piece : {" a", "<|end|>", "  ", "", "xyz"}) tables.pieces.emplace_back(piece);
  tables.merges = {{tables.byte_tokens[' '], tables.byte_tokens['a'], 256}};
  tables.added = {{257, AddedToken::kControl | AddedToken::kStripRight}, {258, AddedToken::kLate}};
  tables.end_token = 257;
  for (const Pretokenizer pretokenizer :
       {Pretokenizer::kWhole, Pretokenizer::kWords, Pretokenizer::kGpt2, Pretokenizer::kQwen2,
        Pretokenizer::kDigits, Pretokenizer::kLlama3}) {
    tables.pretokenizer = pretokenizer;
    tables.words.clear();
    if (pretokenizer == Pretokenizer::kLlama3) tables.words = {260};
    const TokenizerTables again = Again(tables);
    CHECK(again.pretokenizer == pretokenizer);
    CHECK(again.pieces == tables.pieces);
    CHECK(again.byte_tokens == tables.byte_tokens);
    CHECK(again.words == tables.words);
    CHECK(again.added == tables.added);
    CHECK(again.begin_token == CLLM_NO_TOKEN);
    CHECK(again.end_token == 257);
  }
}

TEST_CASE("characters are a vocabulary without merges, others have no counterpart") {
  const TokenizerTables tables = TrainCharacters({"abc \xC3\xA9"}).value();
  REQUIRE(HasHuggingFaceTokenizer(tables));
  const Json json = HuggingFaceTokenizer(tables);
  CHECK(json["model"]["merges"].empty());
  CHECK(json["model"]["vocab"].contains("\xC3\xA9"));
  CHECK(json["pre_tokenizer"].is_null());
  TokenizerTables words = tables;
  words.kind = TokenizerKind::kWords;
  CHECK(!HasHuggingFaceTokenizer(words));
}

}  // namespace
}  // namespace cllm
