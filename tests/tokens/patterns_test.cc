// The patterns against a plain reading of their regular expressions, and the classes of characters against
// the totals that Unicode publishes.
#include "tokens/patterns.h"

#include <doctest/doctest.h>

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/support/rounds.h"
#include "tokens/unicode.h"

namespace cllm {
namespace {

using Text = std::u32string;
using Set = std::function<bool(char32_t)>;

std::string Utf8(char32_t c) {
  if (c < 0x80) return {static_cast<char>(c)};
  std::string tail;
  const int count = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  for (int i = 0; i < count; ++i, c >>= 6) tail.insert(tail.begin(), static_cast<char>(0x80 | (c & 0x3F)));
  return static_cast<char>((0xF0 << (3 - count) & 0xFF) | c) + tail;
}

std::string Utf8(const Text& text) {
  std::string bytes;
  for (const char32_t c : text) bytes += Utf8(c);
  return bytes;
}

// Characters whose class is written down here, not looked up. U+0301 is a mark, U+200B a format character.
const Text kLetters = U"abstdmlvreSTDMLVREKz\u00E9\u017F\u0130\u4E2D\u0627\u03B1\U00010400\u01C5\u02B0";
const Text kNumbers = U"0129\u0663\u2167\u00BD\u00B2\U0001D7CE";
const Text kSpaces = U" \t\n\r\v\f\u0085\u00A0\u1680\u2003\u2028\u202F\u3000";
const Text kOthers = U"'.!-_\u0301\u200B\u20AC\U0001F600\uFFFD\u0000\u001C\uFEFF\u180E";

Set In(Text set) {
  return [set](char32_t c) { return set.find(c) != Text::npos; };
}
Set Not(const Set& set) {
  return [set](char32_t c) { return !set(c); };
}
Set Or(const Set& a, const Set& b) {
  return [a, b](char32_t c) { return a(c) || b(c); };
}

// A set, as often as possible from `least` to `most` times.
struct Atom {
  Set set;
  size_t least = 1, most = 1;
};
struct Branch {
  std::vector<Atom> atoms;
  bool before_space_or_end = false;  // (?!\S) at the end
};

// The end of a match of the atoms from `atom` on, backtracking as regular expressions do; npos: none.
size_t Match(const Branch& branch, size_t atom, const Text& text, size_t at) {
  if (atom == branch.atoms.size()) {
    const bool fails = branch.before_space_or_end && at < text.size() && !In(kSpaces)(text[at]);
    return fails ? Text::npos : at;
  }
  const auto& [set, least, most] = branch.atoms[atom];
  size_t count = 0;
  while (count < most && at + count < text.size() && set(text[at + count])) ++count;
  for (;; --count) {
    if (count < least) return Text::npos;
    const size_t end = Match(branch, atom + 1, text, at + count);
    if (end != Text::npos || count == 0) return end;
  }
}

using Regex = std::vector<Branch>;
constexpr size_t kAny = 1000000;

Branch Literal(const std::string& text, bool any_case) {
  Branch branch;
  for (const char c : text) {
    Text set(1, c);
    if (any_case && c != '\'') set += static_cast<char32_t>(c - 32);
    if (any_case && c == 's') set += U'\u017F';
    branch.atoms.push_back({In(set)});
  }
  return branch;
}

Regex Contractions(bool any_case) {
  Regex regex;
  for (const char* text : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"})
    regex.push_back(Literal(text, any_case));
  return regex;
}

const Set kL = In(kLetters), kN = In(kNumbers), kS = In(kSpaces), kNewline = In(U"\r\n"), kBlank = In(U" ");
const Set kElse = Not(Or(Or(kL, kN), kS));

Regex Gpt2() {
  Regex regex = Contractions(false);
  for (const Set& set : {kL, kN, kElse}) regex.push_back({{{kBlank, 0, 1}, {set, 1, kAny}}});
  regex.push_back({{{kS, 1, kAny}}, true});
  regex.push_back({{{kS, 1, kAny}}});
  return regex;
}

Regex Llama3(size_t digits) {
  Regex regex = Contractions(true);
  regex.push_back({{{Not(Or(Or(kL, kN), kNewline)), 0, 1}, {kL, 1, kAny}}});
  regex.push_back({{{kN, 1, digits}}});
  regex.push_back({{{kBlank, 0, 1}, {kElse, 1, kAny}, {kNewline, 0, kAny}}});
  regex.push_back({{{kS, 0, kAny}, {kNewline, 1, kAny}}});
  regex.push_back({{{kS, 1, kAny}}, true});
  regex.push_back({{{kS, 1, kAny}}});
  return regex;
}

std::vector<std::string> Split(const Regex& regex, const Text& text) {
  std::vector<std::string> words;
  for (size_t at = 0, end = 0; at < text.size(); at = end) {
    end = Text::npos;
    for (size_t i = 0; end == Text::npos; ++i) end = Match(regex.at(i), 0, text, at);
    words.push_back(Utf8(text.substr(at, end - at)));
  }
  return words;
}

// Each number by itself, and what lies between by gpt2 as a text of its own.
std::vector<std::string> SplitDigits(const Text& text) {
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && !kN(text[end])) ++end;
    for (const std::string& word : Split(Gpt2(), text.substr(at, end - at))) words.push_back(word);
    if (end < text.size()) words.push_back(Utf8(text[end]));
    at = end + 1;
  }
  return words;
}

std::vector<std::string> Ours(Pretokenizer pretokenizer, const std::string& text) {
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size(); at += words.back().size())
    words.push_back(text.substr(at, PatternWordBytes(pretokenizer, text.data() + at, text.size() - at)));
  return words;
}

Text RandomText(std::mt19937& random) {
  Text text;
  for (size_t size = random() % 24; text.size() < size;) {
    const Text* const sets[] = {&kLetters, &kNumbers, &kSpaces, &kOthers};
    const Text& set = *sets[random() % 4];
    const size_t among = random() % 2 ? 4 : set.size();
    for (size_t run = random() % 3 + 1; run > 0; --run) text += set[random() % among];
    if (random() % 4 == 0) text += U"'";
    if (random() % 4 == 0) text += U" ";
  }
  return text;
}

TEST_CASE("every pattern cuts random texts as its regular expression does, and leaves a word whole") {
  std::mt19937 random(1);
  const Regex gpt2 = Gpt2(), llama3 = Llama3(3), qwen2 = Llama3(1);
  for (int round = 0; round < testing::Rounds(4000); ++round) {
    const Text text = RandomText(random);
    const std::string bytes = Utf8(text);
    CAPTURE(bytes);
    REQUIRE(Ours(Pretokenizer::kGpt2, bytes) == Split(gpt2, text));
    REQUIRE(Ours(Pretokenizer::kLlama3, bytes) == Split(llama3, text));
    REQUIRE(Ours(Pretokenizer::kQwen2, bytes) == Split(qwen2, text));
    REQUIRE(Ours(Pretokenizer::kDigits, bytes) == SplitDigits(text));
    for (int p = 2; p <= 6; ++p) {
      for (const std::string& word : Ours(static_cast<Pretokenizer>(p), bytes))
        REQUIRE(PatternWordBytes(static_cast<Pretokenizer>(p), word.data(), word.size()) == word.size());
    }
  }
}

TEST_CASE("words of well-known examples") {
  using Words = std::vector<std::string>;
  CHECK(Ours(Pretokenizer::kGpt2, "I'll  pay 1234$ today.\n\n ok") ==
        Words{"I", "'ll", " ", " pay", " 1234", "$", " today", ".", "\n\n", " ok"});
  CHECK(Ours(Pretokenizer::kLlama3, "I'LL  pay 1234$ today.\n\n ok") ==
        Words{"I", "'LL", " ", " pay", " ", "123", "4", "$", " today", ".\n\n", " ok"});
  CHECK(Ours(Pretokenizer::kQwen2, " 12") == Words{" ", "1", "2"});
  CHECK(Ours(Pretokenizer::kDigits, "a  12") == Words{"a", "  ", "1", "2"});
  CHECK(Ours(Pretokenizer::kSpaces, "a b  c ") == Words{"a", " b", " ", " c", " "});
}

TEST_CASE("bytes that are no UTF-8 are characters of no class, and nothing is read beyond the text") {
  std::mt19937 random(2);
  for (int round = 0; round < testing::Rounds(500); ++round) {
    std::string bytes(random() % 12 + 1, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    const std::vector<char> exact(bytes.begin(), bytes.end());  // the sanitizer sees a step beyond
    for (int p = 2; p <= 6; ++p) {
      const uint64_t size = PatternWordBytes(static_cast<Pretokenizer>(p), exact.data(), exact.size());
      CHECK(size > 0);
      CHECK(size <= exact.size());
    }
  }
  for (const char* bad : {"\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"}) {
    const Character character = CharacterAt(bad, std::string(bad).size());
    CHECK(character.code == kInvalidCode);
    CHECK(character.size == 1);
    CHECK(character.kind == CharacterClass::kOther);
  }
}

TEST_CASE("as many letters, numbers and spaces as Unicode 15.0 has, and no other code point is read") {
  uint32_t counts[4] = {}, wrong = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string bytes = Utf8(c);
    const Character character = CharacterAt(bytes.data(), bytes.size());
    wrong += character.code != c || character.size != bytes.size();
    ++counts[static_cast<int>(character.kind)];
  }
  CHECK(wrong == 0);
  // DerivedGeneralCategory-15.0.0: Lu + Ll + Lt + Lm + Lo, Nd + Nl + No; PropList-15.0.0: White_Space.
  CHECK(counts[1] == 1831 + 2233 + 31 + 397 + 131612);
  CHECK(counts[2] == 680 + 236 + 915);
  CHECK(counts[3] == 25);
}

}  // namespace
}  // namespace cllm
