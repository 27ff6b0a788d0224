#include "tokens/split.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/tokens/plain_tokenizer.h"

namespace cllm {
namespace {

using Parts = std::vector<std::string>;

template <class Length>
Parts Split(const std::string& text, Length length) {
  Parts parts;
  for (size_t i = 0; i < text.size(); i += parts.back().size()) {
    parts.push_back(text.substr(i, length(text.data() + i, text.size() - i)));
  }
  return parts;
}

TEST_CASE("words") {
  CHECK(Split("Hi, don't  stop.", WordBytes) == Parts{"Hi", ",", " don", "'", "t", " ", " stop", "."});
  CHECK(Split("a1 22\tb\n c", WordBytes) == Parts{"a", "1", " 22", "\t", "b", "\n", " c"});
  CHECK(Split("  \n  ", WordBytes) == Parts{"  \n  "});
  CHECK(Split(" ", WordBytes) == Parts{" "});
  CHECK(Split("\xC3\xA9t\xC3\xA9 \xFF", WordBytes) == Parts{"\xC3\xA9t\xC3\xA9", " \xFF"});
  CHECK(Split(std::string("\0a", 2), WordBytes) == Parts{std::string(1, '\0'), "a"});
}

TEST_CASE("words equal the plain rule on random texts") {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (uint32_t size = random() % 30; text.size() < size;) text += " \n\ta1.\xC3Z"[random() % 8];
    REQUIRE(Split(text, WordBytes) == plain::Words(text));
  }
}

TEST_CASE("characters") {
  CHECK(Split("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", CharacterBytes) ==
        Parts{"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"});
  CHECK(Split("\x80\xC3\xC3\xA9\xE2\x82", CharacterBytes) ==
        Parts{"\x80", "\xC3", "\xC3\xA9", "\xE2", "\x82"});
  CHECK(Split("\xF8\x80\xFF\x80", CharacterBytes) == Parts{"\xF8", "\x80", "\xFF", "\x80"});
}

TEST_CASE("groups of llama2.c") {
  CHECK(Split("a\xC3\xA9", ContinuationGroupBytes) == Parts{"a", "\xC3\xA9"});
  CHECK(Split("a\x80\x80\x80\x80\x80", ContinuationGroupBytes) == Parts{"a\x80\x80\x80", "\x80\x80"});
  CHECK(Split("\x80\x80\xFF\x80", ContinuationGroupBytes) == Parts{"\x80\x80", "\xFF\x80"});
}

}  // namespace
}  // namespace cllm
