// The cost of merging: lookups counted, so that the machine's load does not matter, and measured.
#include "tokens/merge.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "converter/tokenizer/segments.h"
#include "converter/tokenizer/train.h"
#include "tests/tokens/plain_tokenizer.h"

namespace cllm {
namespace {

// Any two equal tokens merge to the next one, longer ones first or last; counts the questions.
struct Doubling {
  bool longest_first;
  mutable uint64_t questions = 0;
  uint32_t Find(uint32_t left, uint32_t right) const {
    ++questions;
    return left == right ? left : kNotFound;
  }
  uint32_t Priority(uint32_t candidate) const { return longest_first ? 1000 - candidate : candidate; }
  uint32_t Result(uint32_t candidate) const { return candidate + 1; }
};

TEST_CASE("the lookups of a run are at most three a token") {
  for (const bool longest_first : {false, true}) {
    for (const uint32_t n : {10u, 1000u, 100000u, 1000000u}) {
      const Doubling rules{longest_first};
      std::vector<uint64_t> scratch(MergeScratchBytes(n) / 8);
      Merger<Doubling> merger(rules, scratch.data(), n);
      std::fill_n(merger.tokens(), n, 0u);
      const uint32_t count = merger.Run(n);
      // Equal tokens merge to the binary digits of n, the largest first.
      uint32_t digits = 0;
      for (uint32_t bit = 32; bit-- > 0;) {
        if ((n >> bit & 1) == 0) continue;
        REQUIRE(digits < count);
        CHECK(merger.tokens()[digits++] == bit);
      }
      CHECK(count == digits);
      CHECK(rules.questions <= uint64_t{3} * n);
    }
  }
}

// Half of all pairs merge, to anything, at a priority that has nothing to do with that of their parts.
class Anything {
 public:
  Anything(std::mt19937& random, uint32_t tokens) : tokens_(tokens), pairs_(tokens * tokens) {
    for (Pair& pair : pairs_) {
      pair = {random() % 2 == 0, static_cast<uint32_t>(random() % (2 * tokens)),
              static_cast<uint32_t>(random() % tokens)};
    }
  }
  uint32_t Find(uint32_t left, uint32_t right) const {
    const uint32_t pair = left * tokens_ + right;
    return pairs_[pair].merges ? pair : kNotFound;
  }
  uint32_t Priority(uint32_t pair) const { return pairs_[pair].priority; }
  uint32_t Result(uint32_t pair) const { return pairs_[pair].result; }

 private:
  struct Pair {
    bool merges;
    uint32_t priority, result;
  };
  uint32_t tokens_;
  std::vector<Pair> pairs_;
};

std::vector<uint32_t> PlainMerge(const Anything& rules, std::vector<uint32_t> tokens) {
  for (;;) {
    uint32_t best = kNotFound;
    size_t best_at = 0;
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const uint32_t pair = rules.Find(tokens[i], tokens[i + 1]);
      if (pair == kNotFound || (best != kNotFound && rules.Priority(pair) >= rules.Priority(best))) continue;
      best = pair;
      best_at = i;
    }
    if (best == kNotFound) return tokens;
    tokens[best_at] = rules.Result(best);
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

TEST_CASE("runs of any length merge as rescanning merges them, whatever the priorities") {
  std::mt19937 random(7);
  for (int round = 0; round < 4000; ++round) {
    const uint32_t kinds = 2 + random() % 12;
    const Anything rules(random, kinds);
    const uint32_t n = static_cast<uint32_t>(random() % (round % 20 == 0 ? 600 : 60));
    std::vector<uint32_t> run(n);
    for (uint32_t& token : run) token = random() % kinds;
    std::vector<uint64_t> scratch(MergeScratchBytes(n) / 8);
    Merger<Anything> merger(rules, scratch.data(), n);
    std::copy(run.begin(), run.end(), merger.tokens());
    const uint32_t count = merger.Run(n);
    REQUIRE(std::vector<uint32_t>(merger.tokens(), merger.tokens() + count) == PlainMerge(rules, run));
  }
}

TEST_CASE("scratch a byte of text") {
  CHECK(MergeScratchBytes(1 << 20) <= (uint64_t{21} << 20) + 256);
  CHECK(MergeScratchBytes(uint64_t{1} << 31) == RoundUp((uint64_t{21} << 31) + 128, 64));
}

#if defined(NDEBUG) && defined(__x86_64__)
constexpr bool kTimesMeanSomething = true;
#else
constexpr bool kTimesMeanSomething = false;
#endif

double MegabytesPerSecond(const TokenizerView& view, const std::string& text) {
  double best = 1e9;
  std::vector<uint64_t> scratch(EncodeScratchBytes(view, text.size()) / 8 + 8);
  std::vector<uint32_t> tokens(text.size() + 1);
  for (int i = 0; i < 3; ++i) {
    const std::clock_t start = std::clock();  // of the processor: other programs do not count
    uint64_t count = 0;
    REQUIRE(Encode(view, text.data(), text.size(), scratch.data(), tokens.data(), tokens.size(), &count) ==
            CLLM_OK);
    best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return static_cast<double>(text.size()) / best / 1e6;
}

TEST_CASE("a megabyte of any text takes well under a second") {
  if (!kTimesMeanSomething) {
    std::puts("skipped: times mean something in an optimised build on the machine itself only");
    return;
  }
  std::mt19937 random(6);
  std::string ordinary = plain::ReadFile(plain::SharedPath("tinyshakespeare.txt")).substr(0, 1000000);
  if (ordinary.empty()) {
    std::puts("the shared data has no tinyshakespeare.txt; random words in its place");
    while (ordinary.size() < 1000000) ordinary += plain::RandomText(random, 6, 20, 1) + " ";
  }
  std::string pairs;
  while (pairs.size() < 1000000) pairs += "ab";
  const std::vector<std::pair<const char*, std::string>> texts = {
      {"ordinary text", ordinary},
      {"one repeated character", std::string(1000000, 'a')},
      {"\"ab\" repeated", pairs},
      {"random bytes", plain::RandomBytes(random, 1000000)},
      {"random a and b", plain::RandomText(random, 1000000, 2, 1)}};
  const std::string training = ordinary + std::string(4000, 'a') + pairs.substr(0, 4000);
  std::vector<std::pair<const char*, TokenizerTables>> tokenizers = {
      {"byte_bpe, 2,048 tokens", TrainByteBpe({training}, 2048).value()},
      {"scored_merges, random", plain::RandomScoredTables(random, 150)},
      {"scored_merges, tok512", plain::ReadLlama2cTokenizer(plain::SharedPath("stories260K/tok512.bin"))}};
  for (const auto& [name, tables] : tokenizers) {
    if (tables.pieces.empty()) continue;
    const TokenizerSegments segments = PackTokenizer(tables).value();
    for (const auto& [kind, text] : texts) {
      const double speed = MegabytesPerSecond(ViewOfSegments(tables, segments), text);
      std::printf("%-24s %-24s %6.1f MB/s\n", name, kind, speed);
      CHECK(speed > 1.0);
    }
  }
}

}  // namespace
}  // namespace cllm
