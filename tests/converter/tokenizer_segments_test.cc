#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>

#include "converter/tokenizer/segments.h"
#include "tests/tokens/plain_tokenizer.h"
#include "tokens/index.h"

namespace cllm {
namespace {

bool Same(const TokenizerTables& a, const TokenizerTables& b) {
  const auto bits = [](float x, float y) { return std::memcmp(&x, &y, sizeof(x)) == 0; };
  const auto merge = [](const TokenizerTables::Merge& x, const TokenizerTables::Merge& y) {
    return x.left == y.left && x.right == y.right && x.result == y.result;
  };
  return a.kind == b.kind && a.pretokenizer == b.pretokenizer && a.prefix_space == b.prefix_space &&
         a.begin_token == b.begin_token && a.end_token == b.end_token && a.unknown_token == b.unknown_token &&
         a.byte_token_base == b.byte_token_base && a.pieces == b.pieces &&
         std::equal(a.scores.begin(), a.scores.end(), b.scores.begin(), b.scores.end(), bits) &&
         std::equal(a.merges.begin(), a.merges.end(), b.merges.begin(), b.merges.end(), merge);
}

TEST_CASE("unpacking gives back what was packed") {
  std::mt19937 random(1);
  TokenizerTables characters;
  characters.kind = TokenizerKind::kCharacters;
  characters.pieces = {"a", "", "\xC3\xA9"};
  characters.unknown_token = 1;
  for (const TokenizerTables& tables : {plain::RandomScoredTables(random, 80),
                                        plain::RandomBpeTables(random, 80), characters, TokenizerTables()}) {
    const TokenizerSegments segments = PackTokenizer(tables).value();
    CHECK(Same(UnpackTokenizer(ViewOfSegments(tables, segments)), tables));
  }
}

TEST_CASE("the bytes of the segments are those of the format page") {
  TokenizerTables tables;
  tables.kind = TokenizerKind::kScoredMerges;
  tables.pieces = {"ab", "a", "b", "zzzzz", "a"};
  tables.scores = {1, 0, 0, 0, 0};
  const TokenizerSegments segments = PackTokenizer(tables).value();
  std::string pieces;
  for (const uint8_t offset : {0, 2, 3, 4, 9, 10}) pieces += std::string{static_cast<char>(offset), 0, 0, 0};
  pieces +=
      "abab"
      "zzzzz"
      "a";
  CHECK(std::string(segments.pieces.begin(), segments.pieces.end()) == pieces);
  CHECK(segments.scores.size() == 5 * 4);
  CHECK(segments.merges.empty());
  // Three entries: ab, a, b. Not zzzzz, which nothing leads to, nor the second a.
  CHECK(segments.index.size() == 8 * 4);
  const TokenizerView view = ViewOfSegments(tables, segments);
  uint32_t entries = 0;
  for (uint32_t slot = 0; slot < 8; ++slot) {
    if (view.index[slot] == kEmptySlot) continue;
    ++entries;
    // FNV-1a and the finaliser, written out once more.
    uint32_t hash = 2166136261u;
    for (const char c : tables.pieces[view.index[slot]]) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
    hash = (hash ^ hash >> 16) * 0x7FEB352Du;
    hash ^= hash >> 15;
    for (uint32_t at = hash % 8; at != slot; at = (at + 1) % 8) CHECK(view.index[at] != kEmptySlot);
  }
  CHECK(entries == 3);
  CHECK(FindPiece(view, {"ab", 1}, {"b", 1}) == 0);
  CHECK(FindPiece(view, {"a", 1}, {"", 0}) == 1);
  CHECK(FindPiece(view, {"zzzzz", 5}, {"", 0}) == kNotFound);
}

TEST_CASE("tables that contradict themselves are refused in words") {
  std::mt19937 random(2);
  const TokenizerTables scored = plain::RandomScoredTables(random, 20);
  const TokenizerTables bpe = plain::RandomBpeTables(random, 20);
  const auto refusal = [](const TokenizerTables& tables) {
    const auto segments = PackTokenizer(tables);
    REQUIRE(!segments.ok());
    return std::string(segments.status().message());
  };
  const auto contains = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  TokenizerTables broken = scored;
  broken.scores.pop_back();
  CHECK(contains(refusal(broken), "scores"));
  broken = scored;
  broken.scores[5] = NAN;
  CHECK(contains(refusal(broken), "score of piece 5"));
  broken = bpe;
  broken.merges.resize(broken.pieces.size() + 1, broken.merges[0]);
  CHECK(contains(refusal(broken), "join the same two tokens"));
  broken = scored;
  broken.end_token = static_cast<uint32_t>(scored.pieces.size());
  CHECK(contains(refusal(broken), "end token"));
  broken = scored;
  broken.byte_token_base = static_cast<uint32_t>(scored.pieces.size()) - 255;
  CHECK(contains(refusal(broken), "256 byte tokens"));
  broken = bpe;
  broken.byte_token_base = CLLM_NO_TOKEN;
  CHECK(contains(refusal(broken), "256 byte tokens"));
  broken = bpe;
  broken.pieces[2 + 'x'].front() = 'y';
  CHECK(contains(refusal(broken), "Byte token 120"));
  broken = bpe;
  broken.merges[7].left = static_cast<uint32_t>(bpe.pieces.size());
  CHECK(contains(refusal(broken), "Merge 7"));
  broken = bpe;
  broken.pieces[broken.merges[7].result] += "x";
  CHECK(contains(refusal(broken), "joins"));
  broken = bpe;
  broken.merges.push_back(broken.merges[3]);
  CHECK(contains(refusal(broken), "the same two tokens"));
  broken = scored;
  broken.merges = bpe.merges;
  CHECK(contains(refusal(broken), "merges"));
  broken = TokenizerTables();
  broken.kind = TokenizerKind::kCharacters;
  CHECK(contains(refusal(broken), "no pieces"));
}

}  // namespace
}  // namespace cllm
