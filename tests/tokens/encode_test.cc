// Encoding against plain implementations, recorded tokens, and tables that are verified but nonsense.
#include "tokens/encode.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "converter/tokenizer/segments.h"
#include "tests/support/rounds.h"
#include "tests/tokens/plain_tokenizer.h"
#include "tokens/decode.h"
#include "tokens/index.h"

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

std::string DecodeAll(const TokenizerView& view, const Tokens& tokens) {
  std::string text;
  uint32_t previous = CLLM_NO_TOKEN;
  for (const uint32_t token : tokens) {
    const char* bytes;
    uint32_t count;
    REQUIRE(Decode(view, previous, token, &bytes, &count) == CLLM_OK);
    text.append(bytes, count);
    previous = token;
  }
  return text;
}

// Texts of all kinds; lengths on both sides of every switch between methods.
std::vector<std::string> Texts(std::mt19937& random) {
  std::vector<std::string> texts = {"", " ", "a", "  ", "\n", "aaaa", std::string(3, '\0')};
  for (const uint32_t letters : {1, 2, 3, 6, 11, 20}) {
    for (const size_t size : {2, 9, 23, 24, 25, 60, 300, 1500}) {
      texts.push_back(plain::RandomText(random, size, letters, 1));
      texts.push_back(plain::RandomText(random, size, letters, 9));
    }
  }
  texts.push_back(plain::RandomBytes(random, 2000));
  return texts;
}

TEST_CASE("scored merges equal the plain encoder on random vocabularies") {
  std::mt19937 random(1);
  for (int round = 0; round < testing::Rounds(60); ++round) {
    const Packed packed(plain::RandomScoredTables(random, 20 + random() % 150));
    for (const std::string& text : Texts(random)) {
      const auto [status, tokens] = RunEncode(packed.view(), text);
      REQUIRE(status == CLLM_OK);
      REQUIRE(tokens == plain::EncodeScored(packed.tables, text));
    }
  }
}

TEST_CASE("scored merges equal the plain encoder with a vocabulary of llama2.c") {
  const TokenizerTables tables = plain::ReadLlama2cTokenizer(plain::SharedPath("stories260K/tok512.bin"));
  if (tables.pieces.empty()) {
    std::puts("skipped: no stories260K/tok512.bin in the shared data");
    return;
  }
  const Packed packed(tables);
  CHECK(packed.segments.pieces.size() + packed.segments.scores.size() + packed.segments.index.size() <= 8500);
  std::mt19937 random(2);
  for (const std::string& text : Texts(random)) {
    REQUIRE(RunEncode(packed.view(), text).tokens == plain::EncodeScored(tables, text));
  }
  const std::string shakespeare = plain::ReadFile(plain::SharedPath("tinyshakespeare.txt"));
  for (size_t start = 0; start + 3000 < shakespeare.size(); start += 100000) {
    for (const size_t size : {10, 100, 3000}) {
      const std::string text = shakespeare.substr(start, size);
      const Tokens tokens = RunEncode(packed.view(), text).tokens;
      REQUIRE(tokens == plain::EncodeScored(tables, text));
      CHECK(DecodeAll(packed.view(), tokens) == text);
    }
  }
  // What the quadratic encoder cannot do in time: all of a long text equals its paragraphs, since no piece of
  // this vocabulary holds a newline beside another character.
  CHECK(DecodeAll(packed.view(), RunEncode(packed.view(), shakespeare).tokens) == shakespeare);
}

TEST_CASE("scored merges equal the recorded tokens of llama2.c") {
  const TokenizerTables tables = plain::ReadLlama2cTokenizer(plain::SharedPath("stories260K/tok512.bin"));
  int files = 0;
  for (int i = 1; i <= 3 && !tables.pieces.empty(); ++i) {
    const auto json = nlohmann::json::parse(
        plain::ReadFile(plain::SharedPath("stories260K/greedy_" + std::to_string(i) + ".json")), nullptr,
        false);
    if (json.is_discarded()) continue;
    ++files;
    Tokens expected = json.at("prompt_tokens");
    REQUIRE(expected.at(0) == tables.begin_token);
    expected.erase(expected.begin());
    const Packed packed(tables);
    CHECK(RunEncode(packed.view(), json.at("prompt")).tokens == expected);
  }
  if (files == 0) std::puts("skipped: no stories260K/greedy_*.json in the shared data");
}

TEST_CASE("byte-level BPE equals the plain encoder, and decoding undoes it for any bytes") {
  std::mt19937 random(3);
  for (int round = 0; round < testing::Rounds(60); ++round) {
    const Packed packed(plain::RandomBpeTables(random, 1 + random() % 150));
    for (const std::string& text : Texts(random)) {
      const auto [status, tokens] = RunEncode(packed.view(), text);
      REQUIRE(status == CLLM_OK);
      REQUIRE(tokens == plain::EncodeBytePairs(packed.tables, text));
      REQUIRE(DecodeAll(packed.view(), tokens) == text);
    }
  }
}

TEST_CASE("characters") {
  TokenizerTables tables;
  tables.kind = TokenizerKind::kCharacters;
  tables.begin_token = 0;
  tables.pieces = {"<|begin|>", "a", "\xC3\xA9", "\xF0\x9F\x98\x80", "\xC3", "?"};
  const Packed known(tables);
  CHECK(RunEncode(known.view(), "a\xC3\xA9\xF0\x9F\x98\x80\xC3").tokens == Tokens{1, 2, 3, 4});
  CHECK(RunEncode(known.view(), "ab").status == CLLM_TEXT_NOT_ENCODABLE);
  CHECK(RunEncode(known.view(), "<|begin|>").status == CLLM_TEXT_NOT_ENCODABLE);
  tables.unknown_token = 5;
  const Packed unknown(tables);
  CHECK(RunEncode(unknown.view(), "ab\xC3?\xE2\x82\xAC").tokens == Tokens{1, 5, 4, 5, 5});
}

TEST_CASE("word pieces and words equal the plain encoders on random vocabularies") {
  std::mt19937 random(6);
  for (int round = 0; round < testing::Rounds(200); ++round) {
    const bool pieces = round % 2 == 0;
    const Packed packed(plain::RandomWordTables(
        random, pieces ? TokenizerKind::kWordPiece : TokenizerKind::kWords, 20 + random() % 150));
    int known = 0;
    for (const std::string& text : Texts(random)) {
      const auto [status, tokens] = RunEncode(packed.view(), text);
      const std::optional<Tokens> expected =
          pieces ? plain::EncodeWordPieces(packed.tables, text) : plain::EncodeWords(packed.tables, text);
      REQUIRE((status == CLLM_OK) == expected.has_value());
      if (!expected) continue;
      REQUIRE(tokens == *expected);
      const bool lossy = std::count(tokens.begin(), tokens.end(), packed.tables.unknown_token) > 0;
      if (lossy) continue;
      REQUIRE(DecodeAll(packed.view(), tokens) == text);
      ++known;
    }
    CHECK(known > 0);
  }
}

TEST_CASE("word pieces: the longest first, up to 64 bytes, and unknown characters one by one") {
  TokenizerTables tables;
  tables.kind = TokenizerKind::kWordPiece;
  tables.pretokenizer = Pretokenizer::kWords;
  tables.pieces = {"<|unknown|>",        "un", "a", "aff", "able", " un", "affable", std::string(65, 'x'),
                   std::string(64, 'x'), "x"};
  tables.unknown_token = 0;
  const Packed packed(tables);
  CHECK(RunEncode(packed.view(), "unaffable unaffa").tokens == Tokens{1, 6, 5, 3, 2});
  CHECK(RunEncode(packed.view(),
                  "un\xC3\xA9"
                  "a<|unknown|>")
            .tokens == Tokens{1, 0, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0});
  CHECK(RunEncode(packed.view(), std::string(66, 'x')).tokens == Tokens{8, 9, 9});
  // A piece never reaches over the end of a word.
  CHECK(RunEncode(packed.view(), "a un").tokens == Tokens{2, 5});
  CHECK(RunEncode(packed.view(), "aff.able").tokens == Tokens{3, 0, 4});
}

TEST_CASE("without byte tokens an unknown group cannot be encoded") {
  TokenizerTables tables;
  tables.kind = TokenizerKind::kScoredMerges;
  tables.pieces = {"a", "aa"};
  tables.scores = {0, 1};
  const Packed packed(tables);
  CHECK(RunEncode(packed.view(), "aaa").tokens == Tokens{1, 0});
  CHECK(RunEncode(packed.view(), "aab").status == CLLM_TEXT_NOT_ENCODABLE);
  CHECK(RunEncode(TokenizerView{}, "a").status == CLLM_UNSUPPORTED_TOKENIZER);
}

TEST_CASE("zero and minus zero are equal scores") {
  TokenizerTables tables;
  tables.kind = TokenizerKind::kScoredMerges;
  tables.pieces = {"a", "b", "c", "ab", "bc"};
  for (const float sign : {1.0f, -1.0f}) {
    tables.scores = {0, 0, 0, -0.0f * sign, 0.0f * sign};
    const Packed packed(tables);
    CHECK(RunEncode(packed.view(), "abc").tokens == Tokens{3, 2});
  }
}

TEST_CASE("a small output buffer is filled, kept to, and told the count") {
  std::mt19937 random(4);
  const Packed packed(plain::RandomBpeTables(random, 50));
  const std::string text = plain::RandomText(random, 500, 3, 2);
  const Tokens expected = RunEncode(packed.view(), text).tokens;
  std::vector<uint64_t> scratch(EncodeScratchBytes(packed.view(), text.size()) / 8 + 8);
  for (const uint64_t capacity :
       {uint64_t{0}, uint64_t{1}, uint64_t{expected.size() - 1}, uint64_t{expected.size()}}) {
    Tokens tokens(capacity + 1, 77);
    uint64_t count = 0;
    const Status status =
        Encode(packed.view(), text.data(), text.size(), scratch.data(), tokens.data(), capacity, &count);
    CHECK(status == (capacity < expected.size() ? CLLM_BUFFER_TOO_SMALL : CLLM_OK));
    CHECK(count == expected.size());
    CHECK(tokens.back() == 77);
    CHECK(std::equal(tokens.begin(), tokens.end() - 1, expected.begin()));
  }
}

// Everything that open promises holds, and nothing else does.
TokenizerView NonsenseView(std::mt19937& random, std::vector<uint32_t> (&tables)[7],
                           std::vector<float>& scores) {
  auto& [offsets, bytes, merges, index, byte_tokens, words, added] = tables;
  TokenizerView view = {};
  view.kind = static_cast<TokenizerKind>(1 + random() % 5);
  view.pretokenizer = static_cast<Pretokenizer>(random() % 7);
  view.prefix_space = random() % 2;
  view.prefix_once = random() % 2;
  view.prefix_unless_space = random() % 2;
  view.block_is_space = random() % 2;
  view.count = 257 + random() % 60;
  view.byte_token_base = random() % (view.count - 255);
  view.begin_token = random() % view.count;
  view.end_token = random() % 2 ? CLLM_NO_TOKEN : random() % view.count;
  view.unknown_token = random() % 2 ? CLLM_NO_TOKEN : random() % view.count;
  offsets = {0};
  for (uint32_t i = 0; i < view.count; ++i) offsets.push_back(offsets.back() + random() % 4);
  bytes.resize(offsets.back() / 4 + 1);
  for (uint32_t& word : bytes) word = 0x61616161u + (random() & 0x01010101u);
  view.merge_count = random() % 50;
  merges.resize(3 * view.merge_count);
  for (uint32_t& id : merges) id = random() % view.count;
  const uint32_t entries = view.kind == TokenizerKind::kByteBpe ? view.merge_count : view.count;
  index.assign(256, kEmptySlot);
  for (size_t i = 1; i < index.size() && entries > 0; ++i) {
    if (random() % 2) index[i] = random() % entries;
  }
  // So that merges happen at all, some entries lie where they belong.
  for (uint32_t rank = 0; view.kind == TokenizerKind::kByteBpe && rank < view.merge_count; ++rank) {
    index[HashPair(merges[3 * rank], merges[3 * rank + 1]) % 255 + 1] = rank;
  }
  scores.assign(view.count, 0.0f);
  for (float& score : scores) score = random() % 9 == 0 ? NAN : static_cast<float>(random() % 5);
  view.offsets = offsets.data();
  view.bytes = reinterpret_cast<const char*>(bytes.data());
  view.scores = scores.data();
  view.merges = merges.data();
  view.index = index.data();
  view.index_slots = static_cast<uint32_t>(index.size());
  if (random() % 2) {
    byte_tokens.resize(256);
    for (uint32_t& token : byte_tokens)
      token = random() % 9 ? static_cast<uint32_t>(random() % view.count) : CLLM_NO_TOKEN;
    view.byte_tokens = byte_tokens.data();
    view.byte_token_base = CLLM_NO_TOKEN;
  }
  words.assign(4, kEmptySlot);
  for (uint32_t slot = 1; slot < 4; ++slot) words[slot] = static_cast<uint32_t>(random() % view.count);
  if (random() % 2) view.words = words.data();
  view.word_slots = 4;
  added.assign(16, 0xFFFFFFFFu);
  for (uint32_t i = 0; i < 40; ++i) {
    const auto token = static_cast<uint32_t>(random() % view.count);
    if (offsets[token] == offsets[token + 1]) continue;
    added.push_back(token);
    added.push_back(random() % (AddedToken::kFlags + 1));
    ++view.added_count;
  }
  if (random() % 2) view.added_count = 0;
  view.added = reinterpret_cast<const AddedTokens*>(added.data());
  return view;
}

TEST_CASE("tables that are verified but nonsense lead nowhere outside of them") {
  std::mt19937 random(5);
  for (int round = 0; round < testing::Rounds(2000); ++round) {
    std::vector<uint32_t> tables[7];
    std::vector<float> scores;
    const TokenizerView view = NonsenseView(random, tables, scores);
    for (const size_t size : {1, 20, 200, 1500}) {
      const std::string text =
          random() % 2 ? plain::RandomText(random, size, 4, 3) : plain::RandomBytes(random, size);
      const auto [status, tokens] =
          RunEncode(view, text, random() % 2 ? Specials::kParsed : Specials::kAsText);
      CHECK((status == CLLM_OK || status == CLLM_TEXT_NOT_ENCODABLE));
      bool in_range = true;
      for (const uint32_t token : tokens) in_range = in_range && token < view.count;
      CHECK(in_range);
      if (in_range) DecodeAll(view, tokens);
    }
  }
}

}  // namespace
}  // namespace cllm
