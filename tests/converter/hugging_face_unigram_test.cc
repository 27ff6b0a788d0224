// tokenizer.json of unigram models and of BERT's WordPiece, and what of them is refused.
#include <string>
#include <vector>

#include "converter/import/hugging_face.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/encode_text.h"
#include "converter/tokenizer/sentencepiece.h"
#include "converter/tokenizer/tokenizer_file.h"
#include "converter/tokenizer/unicode_forms.h"
#include "doctest/doctest.h"

namespace cllm {
namespace {

using Json = nlohmann::json;
using Tokens = std::vector<uint32_t>;

absl::StatusOr<TokenizerTables> Import(const Json& tokenizer, uint32_t size) {
  return ImportHuggingFaceTokenizer(ParseJson(JsonText(tokenizer)), Json(), size);
}

std::string Why(const Json& tokenizer) {
  const absl::Status status = Import(tokenizer, 12).status();
  CHECK(absl::IsUnimplemented(status));
  return std::string(status.message());
}

Json Unigram() {
  const Json vocabulary = ParseJson(
      "[[\"<unk>\", 0], [\"</s>\", 0], [\"\u2581\", -2.5], [\"a\", -3], [\"b\", -3], [\"\u2581ab\", -4]]");
  const Json end = {{"id", 1}, {"content", "</s>"}, {"special", true}};
  return {{"model", {{"type", "Unigram"}, {"unk_id", 0}, {"vocab", vocabulary}}},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "Metaspace"}, {"prepend_scheme", "always"}, {"split", true}}},
          {"added_tokens", Json::array({end})}};
}

TEST_CASE("a unigram model of a tokenizer.json") {
  Json json = Unigram();
  const auto tables = Import(json, 7);
  REQUIRE_MESSAGE(tables.ok(), tables.status().message());
  CHECK(tables->kind == TokenizerKind::kUnigram);
  CHECK(tables->log_probabilities == std::vector<double>{kNeverFound, 0, -2.5, -3, -3, -4, kNeverFound, -14});
  CHECK(*EncodeText(*tables, "ab ba") == Tokens{5, 2, 4, 3});
  CHECK(*EncodeText(*tables, " ab") == Tokens{5});
  CHECK(*EncodeText(*tables, "a \u00E9\u4E2D b") == Tokens{2, 3, 2, 0, 2, 4});
  const auto again = TokenizerFromJson(TokenizerToJson(*tables));
  REQUIRE_MESSAGE(again.ok(), again.status().message());
  CHECK(again->log_probabilities == tables->log_probabilities);
  json["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers", {{{"type", "WhitespaceSplit"}}, {{"type", "Metaspace"}}}}};
  CHECK(*EncodeText(*Import(json, 6), "\n ab \t ab\n") == Tokens{5, 5});
}

TEST_CASE("a unigram model with bytes") {
  Json json = Unigram();
  for (uint32_t byte = 0; byte < 256; ++byte)
    json["model"]["vocab"].push_back(Json::array({BytePiece(byte), 0}));
  json["model"]["byte_fallback"] = true;
  const auto tables = Import(json, 262);
  REQUIRE_MESSAGE(tables.ok(), tables.status().message());
  CHECK(*EncodeText(*tables, "\u00E9") == Tokens{2, 6 + 0xC3, 6 + 0xA9});
}

Json WordPiece() {
  const Json ids = {{"[UNK]", 0}, {"go", 1}, {"##ing", 2}, {".", 3}, {"e", 4}, {"##e", 5}, {"[SEP]", 6}};
  const Json end = {{"id", 6}, {"content", "[SEP]"}, {"special", true}};
  return {{"model", {{"type", "WordPiece"}, {"unk_token", "[UNK]"}, {"vocab", ids}}},
          {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", true}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"added_tokens", Json::array({end})}};
}

TEST_CASE("BERT's WordPiece") {
  Json json = WordPiece();
  if (!kHasUnicodeForms) json["normalizer"] = nullptr;
  const auto tables = Import(json, 7);
  REQUIRE_MESSAGE(tables.ok(), tables.status().message());
  CHECK(tables->pieces == std::vector<std::string>{" [UNK]", " go", "ing", " .", " e", "e", "[SEP]"});
  const char* const text = kHasUnicodeForms ? "Going. \u00C9e gox!" : "going. ee gox!";
  CHECK(*EncodeText(*tables, text) == Tokens{1, 2, 3, 4, 5, 0, 0});
  json["model"]["vocab"]["##" + std::string(65, 'x')] = 7;
  CHECK(Why(json).find("64 bytes") != std::string::npos);
}

TEST_CASE("what is refused is named") {
  Json json = WordPiece();
  json["normalizer"] = nullptr;
  json["model"]["continuing_subword_prefix"] = "@@";
  CHECK(Why(json).find("continuing_subword_prefix") != std::string::npos);
  json["model"]["continuing_subword_prefix"] = "##";
  json["model"]["max_input_chars_per_word"] = 50;
  CHECK(Why(json).find("max_input_chars_per_word") != std::string::npos);
  json["model"]["max_input_chars_per_word"] = 100;
  json["pre_tokenizer"] = {{"type", "Whitespace"}};
  CHECK(Why(json).find("Whitespace") != std::string::npos);
  json = Unigram();
  json["normalizer"] = {{"type", "Nmt"}};
  CHECK(Why(json).find("Nmt") != std::string::npos);
  json["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", "x"}}}, {"content", "y"}};
  json["added_tokens"][0] = {{"id", 1}, {"content", "x"}, {"normalized", true}};
  CHECK(Why(json).find("added token 'x'") != std::string::npos);
  json = Unigram();
  json["model"]["type"] = "WordLevel";
  CHECK(Why(json).find("WordLevel") != std::string::npos);
  for (const Json& bad :
       {Json::object(), Json::array({3}), ParseJson("[[\"a\", \"b\"]]"),
        ParseJson("[[\"a\", 1], [\"a\", 2]]"), Json::array({Json::array({"a", -1e300})}), Json(3)}) {
    json = Unigram();
    json["model"]["vocab"] = bad;
    CHECK(!Import(json, 12).ok());
  }
  json = Unigram();
  json["model"]["unk_id"] = 12;
  CHECK(!Import(json, 12).ok());
}

}  // namespace
}  // namespace cllm
