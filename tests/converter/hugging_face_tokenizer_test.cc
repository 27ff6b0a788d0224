// tokenizer.json of byte-level BPE: vocabularies made at random, encoded as the file's own words say,
// plainly.
#include <map>
#include <random>
#include <string>
#include <vector>

#include "converter/import/hugging_face.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/byte_alphabet.h"
#include "converter/tokenizer/segments.h"
#include "converter/tokenizer/text_encoder.h"
#include "converter/tokenizer/tokenizer_file.h"
#include "doctest/doctest.h"
#include "tests/support/rounds.h"

namespace cllm {
namespace {

using Json = nlohmann::json;
using Tokens = std::vector<uint32_t>;
using Strings = std::vector<std::string>;

// Characters of GPT-2's alphabet for bytes, one string each.
Strings Characters(const std::string& bytes) {
  Strings characters;
  for (const char byte : bytes) characters.push_back(Gpt2Characters(std::string(1, byte)));
  return characters;
}

struct Vocabulary {
  std::map<std::string, uint32_t> ids;  // as the file spells them
  std::vector<std::pair<std::string, std::string>> merges;
};

// The bytes in GPT-2's own order, so that they do not stand in a row, then merges of random pieces; some
// results twice.
Vocabulary RandomVocabulary(std::mt19937& random, size_t merges) {
  Vocabulary v;
  Strings used;
  for (int byte = 0; byte < 256; ++byte)
    v.ids.emplace(Gpt2Characters(std::string(1, static_cast<char>(byte * 7))), byte);
  for (const char c : std::string("abc '\xC3\xA9\n")) used.push_back(Gpt2Characters(std::string(1, c)));
  std::map<std::pair<std::string, std::string>, bool> seen;
  while (v.merges.size() < merges) {
    const std::string left = used[random() % used.size()], right = used[random() % used.size()];
    if (left.size() + right.size() > 24 || seen[{left, right}]) continue;
    seen[{left, right}] = true;
    v.merges.emplace_back(left, right);
    v.ids.emplace(left + right, v.ids.size());
    used.push_back(left + right);
  }
  return v;
}

Json ByteLevel(bool regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", regex}};
}

Json ToJson(const Vocabulary& v, const Json& pre_tokenizer) {
  Json merges = Json::array();
  for (const auto& [left, right] : v.merges) merges.push_back(left + " " + right);
  return {{"model", {{"type", "BPE"}, {"vocab", v.ids}, {"merges", merges}}},
          {"pre_tokenizer", pre_tokenizer},
          {"normalizer", nullptr},
          {"added_tokens", Json::array()}};
}

absl::StatusOr<TokenizerTables> Import(const Json& tokenizer, uint32_t size, const Json& config = Json()) {
  // As a file has it: parsed, whole numbers are unsigned.
  return ImportHuggingFaceTokenizer(ParseJson(JsonText(tokenizer)), ParseJson(JsonText(config)), size);
}

Tokens Encode(const TokenizerTables& tables, const std::string& text, Specials specials = Specials::kAsText) {
  const TokenizerSegments segments = PackTokenizer(tables).value();
  TextEncoder encoder(ViewOfSegments(tables, segments));
  Tokens tokens;
  REQUIRE(encoder.Append(text, &tokens, specials) == CLLM_OK);
  return tokens;
}

// Sennrich's way: each time the pair with the lowest rank, wherever it stands.
Tokens EncodePlainly(const Vocabulary& v, const std::string& word) {
  Strings pieces = Characters(word);
  for (bool merged = true; merged;) {
    merged = false;
    for (size_t rank = 0; rank < v.merges.size() && !merged; ++rank) {
      for (size_t i = 0; i + 1 < pieces.size() && !merged; ++i) {
        if (pieces[i] != v.merges[rank].first || pieces[i + 1] != v.merges[rank].second) continue;
        pieces[i] += pieces[i + 1];
        pieces.erase(pieces.begin() + static_cast<ptrdiff_t>(i) + 1);
        merged = true;
      }
    }
  }
  Tokens tokens;
  for (const std::string& piece : pieces) tokens.push_back(v.ids.at(piece));
  return tokens;
}

std::string RandomText(std::mt19937& random, size_t symbols) {
  const char* const all[] = {"a", "b", "c", " ", "'", "\xC3\xA9", "\n", "x", "\xE4\xB8\xAD"};
  std::string text;
  for (; symbols > 0; --symbols) text += all[random() % 9];
  return text;
}

TEST_CASE("byte-level BPE merges as the file says, bytes standing anywhere, results made twice") {
  std::mt19937 random(1);
  for (int round = 0; round < testing::Rounds(12); ++round) {
    const Vocabulary v = RandomVocabulary(random, 60);
    const auto tables = Import(ToJson(v, ByteLevel(false)), static_cast<uint32_t>(v.ids.size()) + 3);
    REQUIRE_MESSAGE(tables.ok(), tables.status().message());
    CHECK(tables->kind == TokenizerKind::kByteBpe);
    CHECK(tables->merges.size() == 60);
    CHECK(tables->pieces.size() == v.ids.size() + 3);  // as the model's vocabulary is padded
    for (int i = 0; i < 40; ++i) {
      const std::string text = RandomText(random, random() % 40);
      REQUIRE(Encode(*tables, text) == EncodePlainly(v, text));
    }
  }
}

TEST_CASE("a word that is in the vocabulary is one token where merges are to be ignored") {
  Vocabulary v;
  std::mt19937 random(2);
  v = RandomVocabulary(random, 0);
  for (const char* piece : {"ab", "abc", "bc"}) v.ids.emplace(piece, static_cast<uint32_t>(v.ids.size()));
  v.merges = {{"b", "c"}};
  Json json = ToJson(v, ByteLevel(true));
  const auto size = static_cast<uint32_t>(v.ids.size());
  const uint32_t a = v.ids.at("a"), bc = v.ids.at("bc"), abc = v.ids.at("abc");
  CHECK(Encode(*Import(json, size), "abc abc") == Tokens{a, bc, v.ids.at("\xC4\xA0"), a, bc});
  json["model"]["ignore_merges"] = true;
  const auto tables = Import(json, size);
  REQUIRE(tables.ok());
  CHECK(tables->words == Tokens{v.ids.at("ab"), abc});  // merging leads to bc by itself
  CHECK(Encode(*tables, "abc abc.ab") ==
        Tokens{abc, v.ids.at("\xC4\xA0"), a, bc, v.ids.at("."), v.ids.at("ab")});
}

TEST_CASE("pre-tokenizers are told apart, and others are named") {
  std::mt19937 random(3);
  const Vocabulary v = RandomVocabulary(random, 5);
  const auto size = static_cast<uint32_t>(v.ids.size());
  const auto of = [&](const Json& pre_tokenizer) {
    const auto tables = Import(ToJson(v, pre_tokenizer), size);
    REQUIRE_MESSAGE(tables.ok(), tables.status().message());
    return tables->pretokenizer;
  };
  const auto split = [](const std::string& regex, bool gpt2 = false) {
    return Json{
        {"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}},
          ByteLevel(gpt2)}}};
  };
  const std::string head = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)",
                    tail = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const Json digits = {
      {"type", "Sequence"},
      {"pretokenizers", {{{"type", "Digits"}, {"individual_digits", true}}, ByteLevel(true)}}};
  CHECK(of(ByteLevel(true)) == Pretokenizer::kGpt2);
  CHECK(of(ByteLevel(false)) == Pretokenizer::kWhole);
  CHECK(of(split(head + R"(\p{N}{1,3})" + tail)) == Pretokenizer::kLlama3);
  CHECK(of(split(head + R"(\p{N})" + tail)) == Pretokenizer::kQwen2);
  CHECK(of(digits) == Pretokenizer::kDigits);
  const auto unknown = Import(ToJson(v, split(R"(\p{Han}+)")), size).status();
  CHECK(absl::IsUnimplemented(unknown));
  CHECK(unknown.message().find(R"(\\p{Han}+)") != std::string::npos);
  CHECK(absl::IsUnimplemented(Import(ToJson(v, split(head, true)), size).status()));
  Json json = ToJson(v, ByteLevel(true));
  json["normalizer"] = {{"type", "Nmt"}};
  CHECK(absl::IsUnimplemented(Import(json, size).status()));
  json["normalizer"] = nullptr;
  json["model"]["merges"].push_back("a zz");
  CHECK(absl::IsInvalidArgument(Import(json, size).status()));
  CHECK(Import(json, size).status().message().find("merge 5 makes 'azz'") != std::string::npos);
}

// A vocabulary with some added tokens and how they are found, written as transformers do.
Json WithAdded(const Vocabulary& v, std::vector<Json> added) {
  Json json = ToJson(v, ByteLevel(true));
  for (Json& token : added) {
    token["id"] = v.ids.size() + json["added_tokens"].size();
    json["added_tokens"].push_back(token);
  }
  return json;
}

TEST_CASE("added tokens are found first, the longest of those that begin at one place") {
  std::mt19937 random(4);
  const Vocabulary v = RandomVocabulary(random, 0);
  const auto n = static_cast<uint32_t>(v.ids.size());
  const auto id = [&](const char* piece) { return v.ids.at(piece); };
  const Json json =
      WithAdded(v, {{{"content", "<|end|>"}, {"special", true}},
                    {{"content", "<|"}, {"special", false}},
                    {{"content", "  "}, {"special", false}, {"normalized", true}},
                    {{"content", "[x]"}, {"special", true}, {"lstrip", true}, {"rstrip", true}}});
  const auto tables = Import(json, n + 4);
  REQUIRE_MESSAGE(tables.ok(), tables.status().message());
  const uint32_t space = id("\xC4\xA0");
  CHECK(Encode(*tables, "a<|end|>b", Specials::kParsed) == Tokens{id("a"), n, id("b")});
  // As text its first characters are still another token's; as transformers, which pass over all of it.
  CHECK(Encode(*tables, "a<|b", Specials::kAsText) == Tokens{id("a"), n + 1, id("b")});
  CHECK(Encode(*tables, "<|end|>", Specials::kAsText) ==
        Tokens{id("<"), id("|"), id("e"), id("n"), id("d"), id("|"), id(">")});
  CHECK(Encode(*tables, "a   b") == Tokens{id("a"), n + 2, space, id("b")});
  CHECK(Encode(*tables, "a \xE2\x80\x83[x]\n  b[x]", Specials::kParsed) ==
        Tokens{id("a"), n + 3, id("b"), n + 3});
  CHECK(Encode(*tables, "  [x]  <|end|> ", Specials::kParsed) == Tokens{n + 3, n, space});
}

TEST_CASE("the begin token is the template's, the end token the configuration's") {
  std::mt19937 random(5);
  const Vocabulary v = RandomVocabulary(random, 0);
  const auto n = static_cast<uint32_t>(v.ids.size());
  Json json =
      WithAdded(v, {{{"content", "<bos>"}, {"special", true}}, {{"content", "<eos>"}, {"special", true}}});
  const Json config = {{"bos_token", "<bos>"}, {"eos_token", {{"content", "<eos>"}}}};
  CHECK(Import(json, n + 2, config)->begin_token == CLLM_NO_TOKEN);  // as GPT-2's: named, but never put there
  CHECK(Import(json, n + 2, config)->end_token == n + 1);
  const Json single = {{{"SpecialToken", {{"id", "<bos>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}}}}};
  json["post_processor"] = {
      {"type", "Sequence"},
      {"processors", {ByteLevel(true), {{"type", "TemplateProcessing"}, {"single", single}}}}};
  CHECK(Import(json, n + 2, config)->begin_token == n);
  CHECK(Import(json, n + 1, Json())->begin_token == n);  // an added token beyond the model's vocabulary
  CHECK(!Import(json, n + 1, config).ok());              // that is the end token, though
}

TEST_CASE("as a file of ours it encodes alike") {
  std::mt19937 random(6);
  const Vocabulary v = RandomVocabulary(random, 40);
  Json json =
      WithAdded(v, {{{"content", "<|end|>"}, {"special", true}}, {{"content", "ab"}, {"lstrip", true}}});
  json["model"]["ignore_merges"] = true;
  const auto tables = Import(json, static_cast<uint32_t>(v.ids.size()) + 2);
  REQUIRE(tables.ok());
  const auto again = TokenizerFromJson(TokenizerToJson(*tables));
  REQUIRE_MESSAGE(again.ok(), again.status().message());
  CHECK(again->byte_tokens == tables->byte_tokens);
  CHECK(again->words == tables->words);
  CHECK(again->added == tables->added);
  const std::string text = RandomText(random, 300) + "<|end|>  ab";
  CHECK(Encode(*again, text, Specials::kParsed) == Encode(*tables, text, Specials::kParsed));
}

}  // namespace
}  // namespace cllm
