#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "converter/tokenizer/train.h"
#include "tests/tokens/plain_tokenizer.h"

namespace cllm {
namespace {

// Counts all pairs anew for every merge.
std::vector<TokenizerTables::Merge> PlainMerges(const std::vector<std::string>& texts,
                                                uint32_t vocabulary_size) {
  std::vector<std::vector<uint32_t>> words;
  for (const std::string& text : texts) {
    for (const std::string& word : plain::Words(text)) {
      words.emplace_back();
      for (const char c : word) words.back().push_back(2 + static_cast<uint8_t>(c));
    }
  }
  std::vector<TokenizerTables::Merge> merges;
  for (uint32_t result = 258; result < vocabulary_size; ++result) {
    std::map<std::pair<uint32_t, uint32_t>, uint64_t> counts;
    for (const auto& word : words) {
      for (size_t i = 0; i + 1 < word.size(); ++i) ++counts[{word[i], word[i + 1]}];
    }
    std::pair<uint32_t, uint32_t> best;
    uint64_t most = 1;
    for (const auto& [pair, count] : counts) {
      if (count > most) std::tie(best, most) = std::pair(pair, count);
    }
    if (most < 2) return merges;
    merges.push_back({best.first, best.second, result});
    for (auto& word : words) {
      for (size_t i = 0; i + 1 < word.size(); ++i) {
        if (word[i] != best.first || word[i + 1] != best.second) continue;
        word[i] = result;
        word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      }
    }
  }
  return merges;
}

bool Same(const std::vector<TokenizerTables::Merge>& a, const std::vector<TokenizerTables::Merge>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) {
           return x.left == y.left && x.right == y.right && x.result == y.result;
         });
}

TEST_CASE("byte-level BPE learns the merges that plain counting learns") {
  std::mt19937 random(1);
  int longest = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> texts;
    for (int i = 0; i < 3; ++i) {
      texts.push_back(plain::RandomText(random, 50 + random() % 1500, 1 + random() % 20, 1 + random() % 9));
    }
    const auto expected = PlainMerges(texts, 258 + 80);
    const auto tables =
        TrainByteBpe({texts[0], texts[1], texts[2]}, 258 + static_cast<uint32_t>(expected.size()));
    REQUIRE(tables.ok());
    REQUIRE(Same(tables->merges, expected));
    longest = std::max(longest, static_cast<int>(expected.size()));
    for (const auto& merge : expected) {
      REQUIRE(tables->pieces[merge.result] == tables->pieces[merge.left] + tables->pieces[merge.right]);
    }
  }
  CHECK(longest == 80);
}

TEST_CASE("a vocabulary that the text does not allow is refused with what it allows") {
  const auto tables = TrainByteBpe({"aaaa bbbb"}, 1000);
  REQUIRE(!tables.ok());
  const std::string message(tables.status().message());
  CAPTURE(message);
  // aa, bb: 260 tokens; then each pair occurs once.
  CHECK(message.find("vocabulary of 1000") != std::string::npos);
  CHECK(message.find("Ask for 260 or fewer") != std::string::npos);
  CHECK(TrainByteBpe({"aaaa bbbb"}, 260).ok());
  CHECK(!TrainByteBpe({"aaaa bbbb"}, 261).ok());
  CHECK(std::string(TrainByteBpe({"text"}, 257).status().message()).find("at least 258") !=
        std::string::npos);
  CHECK(std::string(TrainByteBpe({"", ""}, 300).status().message()).find("no text") != std::string::npos);
  CHECK(!TrainCharacters({}).ok());
}

TEST_CASE("characters are learned in byte order") {
  const TokenizerTables tables = TrainCharacters({"ba\xC3\xA9", "b\n\xFF"}).value();
  CHECK(tables.pieces ==
        std::vector<std::string>{"<|begin|>", "<|end|>", "\n", "a", "b", "\xC3\xA9", "\xFF"});
  CHECK(tables.kind == TokenizerKind::kCharacters);
  CHECK(tables.begin_token == 0);
  CHECK(tables.end_token == 1);
  CHECK(tables.unknown_token == CLLM_NO_TOKEN);
}

// Counts all pairs anew for every merge, and knows pieces by their spelling alone.
std::vector<std::string> PlainWordPieces(const std::vector<std::string>& texts, uint32_t vocabulary_size) {
  std::vector<std::vector<std::string>> words;
  std::set<std::string> characters;
  for (const std::string& text : texts) {
    for (const std::string& word : plain::Words(text)) {
      words.emplace_back();
      size_t length = 0;
      for (size_t at = 0; at < word.size();) {
        const std::string character = word.substr(at, plain::CharacterAt(word, at));
        at += character.size();
        if (length + character.size() > 64) {
          words.emplace_back();
          length = 0;
        }
        length += character.size();
        words.back().push_back(character);
        characters.insert(character);
      }
    }
  }
  std::vector<std::string> pieces = {"<|begin|>", "<|end|>", "<|unknown|>"};
  pieces.insert(pieces.end(), characters.begin(), characters.end());
  std::map<std::string, size_t> ids;
  for (size_t id = 3; id < pieces.size(); ++id) ids[pieces[id]] = id;
  while (pieces.size() < vocabulary_size) {
    std::map<std::pair<size_t, size_t>, uint64_t> counts;
    for (const auto& word : words) {
      for (size_t i = 0; i + 1 < word.size(); ++i) ++counts[{ids.at(word[i]), ids.at(word[i + 1])}];
    }
    std::pair<size_t, size_t> best;
    uint64_t most = 1;
    for (const auto& [pair, count] : counts) {
      if (count > most) std::tie(best, most) = std::pair(pair, count);
    }
    if (most < 2) return pieces;
    const std::string left = pieces[best.first], right = pieces[best.second];
    if (ids.emplace(left + right, pieces.size()).second) pieces.push_back(left + right);
    for (auto& word : words) {
      for (size_t i = 0; i + 1 < word.size(); ++i) {
        if (word[i] != left || word[i + 1] != right) continue;
        word[i] += right;
        word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      }
    }
  }
  return pieces;
}

TEST_CASE("WordPiece learns the pieces that plain counting learns") {
  std::mt19937 random(2);
  size_t longest = 0;
  for (int round = 0; round < 40; ++round) {
    std::vector<std::string> texts;
    for (int i = 0; i < 2; ++i) {
      texts.push_back(plain::RandomText(random, 50 + random() % 1500, 1 + random() % 20, 1 + random() % 90));
    }
    const std::vector<std::string> expected = PlainWordPieces(texts, 80);
    const auto tables = TrainVocabulary(TokenizerKind::kWordPiece, static_cast<uint32_t>(expected.size()),
                                        {texts[0], texts[1]});
    REQUIRE(tables.ok());
    REQUIRE(tables->pieces == expected);
    CHECK(tables->unknown_token == kTrainedUnknownToken);
    for (const std::string& piece : expected) longest = std::max(longest, piece.size());
    CHECK(!TrainVocabulary(TokenizerKind::kWordPiece, 3, {texts[0], texts[1]}).ok());
  }
  CHECK(longest == 64);
}

TEST_CASE("words are learned by how often they occur") {
  const auto train = [](uint32_t size) {
    return TrainVocabulary(TokenizerKind::kWords, size, {"b a a c", " c c"});
  };
  CHECK(train(6)->pieces == std::vector<std::string>{"<|begin|>", "<|end|>", "<|unknown|>", " c", " a", "b"});
  CHECK(std::string(train(7).status().message()).find("Ask for 6 or fewer") != std::string::npos);
  CHECK(std::string(train(3).status().message()).find("at least 4") != std::string::npos);
}

TEST_CASE("counting forgets the rarest words rather than grow") {
  std::string rare;
  for (int i = 0; i < 20000; ++i) rare += " w" + std::string(1, char('a' + i % 26)) + std::to_string(i);
  WordCounts counts(100000), same(100000);
  for (WordCounts* each : {&counts, &same}) {
    for (int i = 0; i < 30; ++i) each->Add(" often");
    each->Add(rare);
    for (int i = 0; i < 10; ++i) each->Add(" often");
  }
  CHECK(counts.words().size() < 100000 / 72);
  CHECK(counts.words().at(" often") == 40);
  CHECK(counts.words() == same.words());
}

TEST_CASE("4,096 tokens from ten megabytes") {
  const std::string text = plain::ReadFile(plain::SharedPath("tinyshakespeare.txt"));
  if (text.empty()) {
    std::puts("skipped: no tinyshakespeare.txt in the shared data");
    return;
  }
  const std::vector<std::string_view> texts(9, text);
  const auto start = std::chrono::steady_clock::now();
  const auto tables = TrainByteBpe(texts, 4096);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  REQUIRE(tables.ok());
  std::printf("%.1f MB, 4,096 tokens: %.2f s\n", 9e-6 * static_cast<double>(text.size()), seconds);
  CHECK(tables->pieces.size() == 4096);
}

}  // namespace
}  // namespace cllm
