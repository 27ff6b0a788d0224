#include "converter/tokenizer/text_encoder.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "converter/tokenizer/segments.h"
#include "converter/tokenizer/utf8.h"
#include "tests/tokens/plain_tokenizer.h"

namespace cllm {
namespace {

TokenizerTables RandomTables(std::mt19937& random, int kind) {
  switch (kind) {
    case 0: return plain::RandomBpeTables(random, 20 + random() % 150);
    case 1: return plain::RandomScoredTables(random, 20 + random() % 150);
    case 2: return plain::RandomWordTables(random, TokenizerKind::kWordPiece, 20 + random() % 150);
    default: return plain::RandomWordTables(random, TokenizerKind::kWords, 20 + random() % 150);
  }
}

TEST_CASE("a text encoder gives what the runtime's encoder gives") {
  std::mt19937 random(1);
  int by_words = 0;
  for (int round = 0; round < 200; ++round) {
    const TokenizerTables tables = RandomTables(random, round % 4);
    const TokenizerSegments segments = PackTokenizer(tables).value();
    const TokenizerView view = ViewOfSegments(tables, segments);
    TextEncoder encoder(view);
    by_words += encoder.by_words();
    for (int i = 0; i < 12; ++i) {  // the same words again and again, and new ones
      const std::string text = plain::RandomText(random, random() % 700, 2 + random() % 18, 1 + random() % 4);
      const auto [status, expected] = plain::RunEncode(view, text);
      std::vector<uint32_t> tokens = {7, 8};
      REQUIRE(encoder.Append(text, &tokens) == status);
      if (status != CLLM_OK) continue;
      REQUIRE(tokens.size() == expected.size() + 2);
      REQUIRE(std::equal(expected.begin(), expected.end(), tokens.begin() + 2));
    }
  }
  CHECK(by_words > 100);
}

TEST_CASE("what is UTF-8, and where it ends") {
  constexpr size_t kValid = std::string_view::npos;
  for (const char* valid : {"", "plain text of ASCII", "\xC2\x80", "\xE2\x82\xAC", "\xEF\xBB\xBF",
                            "\xF0\x9F\x98\x80", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"}) {
    CHECK(InvalidUtf8At(valid) == kValid);
    CHECK(InvalidUtf8At(std::string("12345678") + valid + "x") == kValid);
    CHECK(InvalidUtf8At(std::string(valid) + "\xFF") == std::string(valid).size());
  }
  for (const char* invalid : {"\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                              "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xC3", "\xC3("}) {
    CHECK(InvalidUtf8At(invalid) == 0);
    CHECK(InvalidUtf8At(std::string("123456789\xC3\xA9") + invalid) == 11);
  }
}

}  // namespace
}  // namespace cllm
