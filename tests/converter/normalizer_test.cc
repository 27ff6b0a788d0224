// Normalizers: forms against the examples of Unicode's annex 15, a map of characters built here plainly, and
// texts around added tokens.
#include "converter/tokenizer/normalizer.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/encode_text.h"
#include "converter/tokenizer/segments.h"
#include "converter/tokenizer/text_encoder.h"
#include "converter/tokenizer/unicode_forms.h"
#include "tests/tokens/plain_tokenizer.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

std::string Apply(const Json& steps, const std::string& text) {
  const auto normalizer = Normalizer::FromSteps(steps);
  REQUIRE_MESSAGE(normalizer.ok(), normalizer.status().message());
  return normalizer->Apply(text).value();
}

Json Typed(const char* type) { return {{"type", type}}; }

TEST_CASE("normal forms") {
  if (!kHasUnicodeForms) {
    MESSAGE("skipped: this build has no utf8proc");
    return;
  }
  const struct {
    const char *text, *nfc, *nfd, *nfkc, *nfkd;
  } cases[] = {
      {"plain", "plain", "plain", "plain", "plain"},
      {"e\u0301", "\u00E9", "e\u0301", "\u00E9", "e\u0301"},
      {"\u212B", "\u00C5", "A\u030A", "\u00C5", "A\u030A"},
      {"\uFB01", "\uFB01", "\uFB01", "fi", "fi"},
      {"\u1E9B\u0323", "\u1E9B\u0323", "\u017F\u0323\u0307", "\u1E69", "s\u0323\u0307"},
      {"q\u0307\u0323", "q\u0323\u0307", "q\u0323\u0307", "q\u0323\u0307", "q\u0323\u0307"},
      {"\uD55C", "\uD55C", "\u1112\u1161\u11AB", "\uD55C", "\u1112\u1161\u11AB"},
      {"\u0958", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C"},  // composition excluded
      {"a\xFFz\xC3", "a\xFFz\xC3", "a\xFFz\xC3", "a\xFFz\xC3", "a\xFFz\xC3"},      // no UTF-8
  };
  for (const auto& c : cases) {
    CHECK(Apply({Typed("NFC")}, c.text) == c.nfc);
    CHECK(Apply({Typed("NFD")}, c.text) == c.nfd);
    CHECK(Apply({Typed("NFKC")}, c.text) == c.nfkc);
    CHECK(Apply({Typed("NFKD")}, c.text) == c.nfkd);
  }
  CHECK(Apply({Typed("Lowercase")}, "A\u00C9\u0130\u03A3\xFF") == "a\u00E9i\u0307\u03C3\xFF");
  CHECK(Apply({Typed("NFD"), Typed("StripAccents")}, "\u00E9\u0903x") == "ex");
  CHECK(Apply({Typed("BertNormalizer")}, "\u00C9t\u00E9\t\u4E2Dx\u200B\uFFFD\u3000Y") == "ete  \u4E2D x y");
  Json cased = Typed("BertNormalizer");
  cased["lowercase"] = false;
  CHECK(Apply({cased}, "\u00C9t\u0301") == "\u00C9t\u0301");
}

TEST_CASE("steps that need no tables") {
  CHECK(Apply({{{"type", "Replace"}, {"pattern", {{"String", "ab"}}}, {"content", "c"}}}, "abab a b") ==
        "cc a b");
  CHECK(Apply({{{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", "_"}}}, " a  b   c d ") ==
        " a_b_c d ");
  CHECK(Apply({{{"type", "Replace"}, {"pattern", {{"Regex", "\\s+"}}}, {"content", " "}}},
              "\n a\u3000\tb c") == " a b c");
  CHECK(Apply({Typed("Strip")}, " \u2003a b\n") == "a b");
  CHECK(Apply({{{"type", "Strip"}, {"strip_left", false}}}, " a ") == " a");
  CHECK(Apply({Typed("Strip")}, "  ") == "");
  CHECK(Apply({Typed("Squeeze")}, "  a   b\u2581 \u2581") == "a b");
  CHECK(Normalizer::FromText("").value().empty());
}

TEST_CASE("what is not known is named, and nothing grows without end") {
  const auto why = [](const Json& steps) {
    return std::string(Normalizer::FromSteps(steps).status().message());
  };
  CHECK(why({Typed("Nmt")}).find("Nmt") != std::string::npos);
  CHECK(why({{{"type", "Replace"}, {"pattern", {{"Regex", "[a-z]"}}}, {"content", ""}}}).find("pattern") !=
        std::string::npos);
  CHECK(!Normalizer::FromSteps(Json::array({3})).ok());
  CHECK(!Normalizer::FromText("{").ok());
  CHECK(!Normalizer::FromSteps({{{"type", 3}}}).ok());
  Json steps = Json::array();
  for (int i = 0; i < 40; ++i)
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
  CHECK(absl::IsOutOfRange(Normalizer::FromSteps(steps)->Apply("aaaa").status()));
}

// A double array with 256 units for each node's children, so that none meet.
std::string MakeMap(const std::map<std::string, std::string>& map) {
  std::vector<uint32_t> units(256);
  std::string spellings;
  std::map<std::string, uint32_t> bases;  // of prefixes
  const auto unit_of = [&](const std::string& prefix) -> uint32_t {
    return prefix.empty()
               ? 0
               : bases.at(prefix.substr(0, prefix.size() - 1)) + static_cast<uint8_t>(prefix.back());
  };
  const auto base_of = [&](const std::string& prefix) {
    if (const auto found = bases.find(prefix); found != bases.end()) return found->second;
    const auto base = static_cast<uint32_t>(units.size());
    units.resize(units.size() + 256);
    bases[prefix] = base;
    units[unit_of(prefix)] |= (unit_of(prefix) ^ base) << 10;
    return base;
  };
  for (const auto& [from, to] : map) {
    for (size_t i = 0; i < from.size(); ++i)
      units[base_of(from.substr(0, i)) + static_cast<uint8_t>(from[i])] |= static_cast<uint8_t>(from[i]);
    const uint32_t leaf = base_of(from);
    units[unit_of(from)] |= 1u << 8;
    units[leaf] = static_cast<uint32_t>(spellings.size()) | 1u << 31;
    spellings += to + '\0';
  }
  const auto bytes = static_cast<uint32_t>(units.size() * 4);
  return std::string(reinterpret_cast<const char*>(&bytes), 4) +
         std::string(reinterpret_cast<const char*>(units.data()), bytes) + spellings;
}

TEST_CASE("a map of characters: the longest spelling first, and what is kept") {
  const std::map<std::string, std::string> map = {{"A", "a"},           {"AB", "x"},  {"\u3000", " "},
                                                  {"\u00C9", "\u00E9"}, {"ABCD", ""}, {"e\u0301", "\u00E9"}};
  Json step = {{"type", "Precompiled"}, {"precompiled_charsmap", absl::Base64Escape(MakeMap(map))}};
  std::mt19937 random(1);
  const char* const symbols[] = {"A", "B", "C", "D", "\u3000", "\u00C9", "e", "\u0301", "\xFF", "\xE3\x80"};
  for (int round = 0; round < 200; ++round) {
    std::string text, expected;
    for (size_t n = random() % 12; n > 0; --n) text += symbols[random() % 10];
    for (size_t at = 0; at < text.size();) {
      size_t size = std::min<size_t>(6, text.size() - at);
      while (size > 0 && map.count(text.substr(at, size)) == 0) --size;
      expected += size > 0 ? map.at(text.substr(at, size)) : text.substr(at, plain::CharacterAt(text, at));
      at += size > 0 ? size : plain::CharacterAt(text, at);
    }
    REQUIRE(Apply({step}, text) == expected);
  }
  step["kept"] = {"AB", "ABC"};
  CHECK(Apply({step}, "AABABCABCD") == "aABABCABCD");
  const std::string whole = MakeMap(map);
  for (size_t size = 0; size < whole.size(); size += 1 + size / 3) {
    step["precompiled_charsmap"] = absl::Base64Escape(whole.substr(0, size));
    CHECK(!Normalizer::FromSteps({step}).ok());
  }
  for (int round = 0; round < 500; ++round) {
    std::string changed = whole;
    for (int i = 0; i < 5; ++i) changed[random() % changed.size()] = static_cast<char>(random());
    step["precompiled_charsmap"] = absl::Base64Escape(changed);
    const auto normalizer = Normalizer::FromSteps({step});
    if (normalizer.ok()) (void)normalizer->Apply("ABCDe\u0301\u00C9\u3000");
  }
}

TEST_CASE("added tokens are found before and behind the normalizer, as they say") {
  TokenizerTables t;
  t.kind = TokenizerKind::kCharacters;
  t.pieces = {"?", "a", "b", "A", "[A]", "bb"};
  t.unknown_token = 0;
  t.added[4] = AddedToken::kControl;
  t.added[5] = AddedToken::kLate;
  t.normalizer =
      JsonText(Json::array({{{"type", "Replace"}, {"pattern", {{"String", "A"}}}, {"content", "a"}},
                            {{"type", "Replace"}, {"pattern", {{"String", "c"}}}, {"content", "b"}}}));
  const auto segments = PackTokenizer(t).value();
  TextEncoder encoder(ViewOfSegments(t, segments));
  const auto encode = [&](const char* text, Specials specials) {
    std::vector<uint32_t> tokens;
    REQUIRE(encoder.Append(text, &tokens, specials) == CLLM_OK);
    return tokens;
  };
  CHECK(encode("A[A]a", Specials::kParsed) == std::vector<uint32_t>{1, 4, 1});
  CHECK(encode("A[A]a", Specials::kAsText) == std::vector<uint32_t>{1, 0, 1, 0, 1});
  CHECK(encode("acba", Specials::kAsText) == std::vector<uint32_t>{1, 5, 1});
  CHECK(!encoder.by_words());
  t.normalizer = "[{\"type\": \"Nmt\"}]";
  CHECK(EncodeText(t, "a").status().message().find("Nmt") != std::string::npos);
}

}  // namespace
}  // namespace cllm
