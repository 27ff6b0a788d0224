// Unigram encoding against all ways to cut a text, one by one, and BERT's words against the greedy match.
#include "tokens/unigram.h"

#include <doctest/doctest.h>

#include <cmath>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "converter/tokenizer/segments.h"
#include "tests/support/rounds.h"
#include "tests/tokens/plain_tokenizer.h"
#include "tokens/decode.h"

namespace cllm {
namespace {

using plain::RunEncode;
using plain::Tokens;

struct Packed {
  explicit Packed(const TokenizerTables& t) : tables(t), segments(PackTokenizer(t).value()) {}
  TokenizerView view() const { return ViewOfSegments(tables, segments); }
  TokenizerTables tables;
  TokenizerSegments segments;
};

const char* const kSymbols[] = {"a", "b", "c", "\xC3\xA9", " ", "\xE4\xB8\xAD"};

std::string RandomText(std::mt19937& random, size_t symbols) {
  std::string text;
  for (size_t i = 0; i < symbols; ++i) text += kSymbols[random() % 6];
  return text;
}

// <unk>, perhaps the bytes, and random pieces. Scores are eighths, whose sums are exact, and few, so that
// many ways have equal sums.
TokenizerTables RandomUnigram(std::mt19937& random, bool bytes) {
  TokenizerTables t;
  t.kind = TokenizerKind::kUnigram;
  t.pieces = {"<unk>"};
  t.unknown_token = 0;
  if (bytes) t.byte_token_base = 1;
  for (int byte = 0; bytes && byte < 256; ++byte) t.pieces.push_back("<" + std::to_string(byte) + ">");
  t.log_probabilities.assign(t.pieces.size(), kNeverFound);
  std::set<std::string> known;
  for (int i = 0; i < 40; ++i) {
    const std::string piece = RandomText(random, 1 + random() % 4);
    if (!known.insert(piece).second) continue;
    t.pieces.push_back(piece);
    t.log_probabilities.push_back(-0.125 * static_cast<double>(random() % 60));
  }
  t.log_probabilities.push_back(-7.5 - 10);
  return t;
}

struct Way {
  double score = 0;
  std::vector<std::pair<std::string, uint32_t>> pieces;  // CLLM_NO_TOKEN: an unknown character
};

// Of equal sums that with the longer last piece, and so on towards the start.
bool IsBetter(const Way& a, const Way& b) {
  if (a.score != b.score) return a.score > b.score;
  for (size_t i = 1; i <= std::min(a.pieces.size(), b.pieces.size()); ++i) {
    const size_t x = a.pieces[a.pieces.size() - i].first.size(),
                 y = b.pieces[b.pieces.size() - i].first.size();
    if (x != y) return x > y;
  }
  return false;
}

void TryAll(const TokenizerTables& t, const std::string& rest, const Way& way, std::optional<Way>* best) {
  if (rest.empty()) {
    if (!*best || IsBetter(way, **best)) *best = way;
    return;
  }
  const std::string first = rest.substr(0, plain::CharacterAt(rest, 0));
  bool known = false;
  const auto with = [&](const std::string& piece, uint32_t token, double score) {
    Way longer = way;
    longer.score += score;
    longer.pieces.emplace_back(piece, token);
    TryAll(t, rest.substr(piece.size()), longer, best);
  };
  for (uint32_t id = 0; id < t.pieces.size(); ++id) {
    if (t.log_probabilities[id] <= kNeverFound || rest.compare(0, t.pieces[id].size(), t.pieces[id]) != 0)
      continue;
    known = known || t.pieces[id] == first;
    with(t.pieces[id], id, t.log_probabilities[id]);
  }
  if (!known) with(first, CLLM_NO_TOKEN, t.log_probabilities.back());
}

Tokens EncodePlainly(const TokenizerTables& t, const std::string& text) {
  std::optional<Way> best;
  TryAll(t, text, {}, &best);
  Tokens tokens;
  bool after_unknown = false;
  for (const auto& [piece, token] : best->pieces) {
    const bool unknown = token == CLLM_NO_TOKEN;
    if (!unknown) tokens.push_back(token);
    for (const char c : piece) {
      if (unknown && t.byte_token_base != CLLM_NO_TOKEN)
        tokens.push_back(t.byte_token_base + static_cast<uint8_t>(c));
    }
    if (unknown && t.byte_token_base == CLLM_NO_TOKEN && !after_unknown) tokens.push_back(t.unknown_token);
    after_unknown = unknown;
  }
  return tokens;
}

TEST_CASE("of all ways to cut a text the likeliest, and one of equals") {
  std::mt19937 random(1);
  for (int round = 0; round < testing::Rounds(60); ++round) {
    TokenizerTables tables = RandomUnigram(random, round % 3 == 0);
    const bool floats = round % 2 == 0;
    tables.float_sums = floats;
    const Packed packed(tables);
    for (int i = 0; i < 40; ++i) {
      const std::string text = RandomText(random, random() % 9);
      const auto [status, tokens] = RunEncode(packed.view(), text);
      REQUIRE(status == CLLM_OK);
      REQUIRE(tokens == EncodePlainly(tables, text));
    }
    // Each word by itself where spaces begin words.
    TokenizerTables words = tables;
    words.pretokenizer = Pretokenizer::kSpaces;
    const std::string text = RandomText(random, 14);
    Tokens expected;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find(' ', at + 1), text.size());
      const Tokens word = EncodePlainly(words, text.substr(at, end - at));
      expected.insert(expected.end(), word.begin(), word.end());
      at = end;
    }
    REQUIRE(RunEncode(Packed(words).view(), text).tokens == expected);
  }
}

TEST_CASE("sums of scores are rounded as the tokenizer says") {
  TokenizerTables t;
  t.kind = TokenizerKind::kUnigram;
  t.pieces = {"<unk>", "x", "a", "b", "ab"};
  t.unknown_token = 0;
  // Beside a large sum the difference is less than a float32 has: then the first that is found stays.
  t.log_probabilities = {kNeverFound, -1e6, -1, -1.0009765625, -2.0009765625 - 1e-5, -2e6};
  CHECK(RunEncode(Packed(t).view(), "xab").tokens == Tokens{1, 2, 3});
  t.float_sums = true;
  CHECK(RunEncode(Packed(t).view(), "ab").tokens == Tokens{2, 3});
  CHECK(RunEncode(Packed(t).view(), "xab").tokens == Tokens{1, 4});
}

TEST_CASE("spaces of a unigram text") {
  TokenizerTables t;
  t.kind = TokenizerKind::kUnigram;
  t.pieces = {"<unk>", " ", "a", " a"};
  t.unknown_token = 0;
  t.log_probabilities = {kNeverFound, -3, -2, -1, -20};
  const auto encode = [&](const char* text) { return RunEncode(Packed(t).view(), text).tokens; };
  CHECK(encode(" a  a ") == Tokens{3, 1, 3, 1});
  t.prefix_space = true;
  CHECK(encode("a a") == Tokens{3, 3});
  CHECK(encode(" a") == Tokens{1, 3});
  t.prefix_unless_space = true;
  CHECK(encode(" a") == Tokens{3});
  t.squeeze_spaces = true;
  t.prefix_unless_space = false;
  CHECK(encode("  a   a  ") == Tokens{3, 3});
  CHECK(encode("    ") == Tokens{});
  CHECK(encode("\xE2\x96\x81") == Tokens{1, 0});
  t.block_is_space = true;
  CHECK(encode("a\xE2\x96\x81\xE2\x96\x81 a") == Tokens{3, 1, 1, 3});
  CHECK(encode("a\xE2\x96\x81") == Tokens{3});
  std::string text;
  uint32_t previous = CLLM_NO_TOKEN;
  const Packed packed(t);
  for (const uint32_t token : encode("a a")) {
    const char* bytes = nullptr;
    uint32_t count = 0;
    REQUIRE(Decode(packed.view(), previous, token, &bytes, &count) == CLLM_OK);
    text.append(bytes, count);
    previous = token;
  }
  CHECK(text == "a a");
}

TEST_CASE("a character without a token") {
  TokenizerTables t;
  t.kind = TokenizerKind::kUnigram;
  t.pieces = {"a"};
  t.log_probabilities = {-1, -11};
  CHECK(RunEncode(Packed(t).view(), "aa").tokens == Tokens{0, 0});
  CHECK(RunEncode(Packed(t).view(), "ab").status == CLLM_TEXT_NOT_ENCODABLE);
}

TEST_CASE("tries that are nonsense lead nowhere else") {
  std::mt19937 random(4);
  const Packed packed(RandomUnigram(random, true));
  for (int round = 0; round < testing::Rounds(200); ++round) {
    TokenizerView view = packed.view();
    std::vector<TrieNode> trie(view.trie, view.trie + view.trie_nodes);
    for (TrieNode& node : trie) {
      if (random() % 4 == 0)
        node.base = random() % 3 != 0 ? static_cast<uint32_t>(random() % trie.size())
                                      : static_cast<uint32_t>(random());
      if (random() % 4 == 0) node.parent = static_cast<uint32_t>(random() % trie.size());
      if (random() % 4 == 0) node.token = static_cast<uint32_t>(random() % view.count);
    }
    trie[0].base = 0;
    view.trie = trie.data();
    const auto [status, tokens] = RunEncode(view, plain::RandomBytes(random, 300));
    CHECK(status == CLLM_OK);
    for (const uint32_t token : tokens) REQUIRE(token < view.count);
  }
}

// BERT's tokenizer: whitespace and marks cut words, and each word is matched from its start.
Tokens EncodeBertPlainly(const TokenizerTables& t, const std::string& text) {
  const auto ids = plain::OrdinaryPieces(t);
  std::vector<std::string> words(1);
  for (size_t at = 0; at < text.size();) {
    const std::string character = text.substr(at, plain::CharacterAt(text, at));
    at += character.size();
    const bool space = character == " " || character == "\n" || character == "\xE3\x80\x80";
    const bool mark = character == "." || character == "$" || character == "\xE3\x80\x82";
    if (space || mark) words.emplace_back();
    if (!space) words.back() += character;
    if (mark) words.emplace_back();
  }
  Tokens tokens;
  for (const std::string& word : words) {
    Tokens parts;
    size_t characters = 0;
    for (size_t at = 0; at < word.size(); at += plain::CharacterAt(word, at)) ++characters;
    for (size_t at = 0; at < word.size();) {
      const std::string head = at == 0 ? " " : "";
      size_t size = std::min<size_t>(64, word.size() - at);
      while (size > 0 && ids.count(head + word.substr(at, size)) == 0) --size;
      if (size == 0 || characters > 100) {
        parts = {t.unknown_token};
        break;
      }
      parts.push_back(ids.at(head + word.substr(at, size)));
      at += size;
    }
    tokens.insert(tokens.end(), parts.begin(), parts.end());
  }
  return tokens;
}

TEST_CASE("words of BERT's kind equal the greedy match, whole words being unknown") {
  std::mt19937 random(5);
  const char* const symbols[] = {"a", "b", "\xC3\xA9", " ", ".", "$", "\n", "\xE3\x80\x80", "\xE3\x80\x82",
                                 "a", "b"};
  for (int round = 0; round < testing::Rounds(60); ++round) {
    TokenizerTables t;
    t.kind = TokenizerKind::kWordPiece;
    t.pretokenizer = Pretokenizer::kBert;
    t.prefix_space = true;
    t.pieces = {"[UNK]", "[CLS]"};
    t.unknown_token = 0;
    t.added[1] = AddedToken::kControl;
    std::set<std::string> known;
    for (int i = 0; i < 40; ++i) {
      std::string piece = random() % 2 == 0 ? " " : "";
      for (size_t n = 1 + random() % 3; n > 0; --n) piece += symbols[random() % 3];
      if (random() % 8 == 0) piece = std::string(" ") + symbols[4 + random() % 2];
      if (known.insert(piece).second) t.pieces.push_back(piece);
    }
    const Packed packed(t);
    for (int i = 0; i < 30; ++i) {
      std::string text;
      for (size_t n = random() % 40; n > 0; --n) text += symbols[random() % 11];
      if (i == 0) text += std::string(100, 'a') + " " + std::string(101, 'a');
      const auto [status, tokens] = RunEncode(packed.view(), text);
      REQUIRE(status == CLLM_OK);
      REQUIRE(tokens == EncodeBertPlainly(t, text));
    }
    t.unknown_token = CLLM_NO_TOKEN;
    CHECK(RunEncode(Packed(t).view(), "zz").status == CLLM_TEXT_NOT_ENCODABLE);
  }
}

}  // namespace
}  // namespace cllm
