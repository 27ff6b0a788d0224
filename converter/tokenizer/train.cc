#include "converter/tokenizer/train.h"

#include <algorithm>
#include <cstdint>
#include <queue>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tokens/split.h"

namespace cllm {
namespace {

constexpr uint32_t kBetweenWords = 0xFFFFFFFFu;

// All different words, one after another, as tokens that merge in place. A token lives at the first position
// that it covers; spans_ holds its length there and at its last position. Counts of pairs, weighted by how
// often each word occurs, and where to find them follow every merge, so that one costs what it changes.
class PairCounts {
 public:
  explicit PairCounts(const std::unordered_map<std::string_view, uint64_t>& words) {
    tokens_.push_back(kBetweenWords);
    weights_.push_back(0);
    for (const auto& [word, weight] : words) {
      for (const char c : word) tokens_.push_back(kTrainedByteBase + static_cast<uint8_t>(c));
      tokens_.push_back(kBetweenWords);
      weights_.insert(weights_.end(), word.size() + 1, weight);
    }
    spans_.assign(tokens_.size(), 1);
    for (size_t i = 0; i + 1 < tokens_.size(); ++i) Add(tokens_[i], tokens_[i + 1], i);
    PushTouched();
  }

  struct Pair {
    uint32_t left, right;
    uint64_t count;
  };

  // The most frequent pair, the lowest ids of equals; its count is 0 if none is left.
  Pair Best() {
    while (!queue_.empty()) {
      const Entry entry = queue_.top();
      const Occurrences& pair = pairs_[entry.pair];
      if (entry.count == pair.count) return {pair.left, pair.right, pair.count};
      queue_.pop();
      // A pair that lost occurrences is asked for again at its present count. One that gained some was
      // pushed.
      if (entry.count > pair.count && pair.count > 0)
        queue_.push({pair.count, pair.left, pair.right, entry.pair});
    }
    return {0, 0, 0};
  }

  void Merge(uint32_t left, uint32_t right, uint32_t result) {
    std::vector<size_t> positions = std::move(pairs_[index_.at(Key(left, right))].positions);
    std::sort(positions.begin(), positions.end());
    for (const size_t position : positions) {
      if (tokens_[position] != left) continue;
      const size_t second = position + spans_[position];
      if (tokens_[second] != right) continue;
      const size_t next = second + spans_[second];
      const size_t previous = position - spans_[position - 1];
      Remove(tokens_[previous], left, position);
      Remove(left, right, position);
      Remove(right, tokens_[next], position);
      tokens_[position] = result;
      tokens_[second] = kBetweenWords;  // no stale position finds a pair here
      spans_[position] = spans_[next - 1] = next - position;
      Add(tokens_[previous], result, previous);
      Add(result, tokens_[next], position);
    }
    PushTouched();
  }

 private:
  struct Occurrences {
    uint32_t left, right;
    uint64_t count;
    std::vector<size_t> positions;  // all that there are, and some that there were
    bool touched;
  };

  struct Entry {
    uint64_t count;
    uint32_t left, right;
    size_t pair;
    bool operator<(const Entry& other) const {
      if (count != other.count) return count < other.count;
      return std::pair(left, right) > std::pair(other.left, other.right);
    }
  };

  static uint64_t Key(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }

  void Add(uint32_t left, uint32_t right, size_t position) {
    if (left == kBetweenWords || right == kBetweenWords) return;
    const auto [entry, is_new] = index_.try_emplace(Key(left, right), pairs_.size());
    if (is_new) pairs_.push_back({left, right, 0, {}, false});
    Occurrences& pair = pairs_[entry->second];
    pair.count += weights_[position];
    pair.positions.push_back(position);
    if (!pair.touched) touched_.push_back(entry->second);
    pair.touched = true;
  }

  void Remove(uint32_t left, uint32_t right, size_t position) {
    if (left == kBetweenWords || right == kBetweenWords) return;
    pairs_[index_.at(Key(left, right))].count -= weights_[position];
  }

  void PushTouched() {
    for (const size_t i : touched_) {
      Occurrences& pair = pairs_[i];
      pair.touched = false;
      if (pair.count > 0) queue_.push({pair.count, pair.left, pair.right, i});
    }
    touched_.clear();
  }

  std::vector<uint32_t> tokens_;
  std::vector<size_t> spans_;
  std::vector<uint64_t> weights_;  // by position
  std::vector<Occurrences> pairs_;
  std::unordered_map<uint64_t, size_t> index_;
  std::vector<size_t> touched_;  // pairs that gained occurrences since they were last pushed
  std::priority_queue<Entry> queue_;
};

TokenizerTables TablesWithSpecialTokens(TokenizerKind kind) {
  TokenizerTables tables;
  tables.kind = kind;
  tables.begin_token = kTrainedBeginToken;
  tables.end_token = kTrainedEndToken;
  tables.pieces = {"<|begin|>", "<|end|>"};
  return tables;
}

bool AllEmpty(absl::Span<const std::string_view> texts) {
  return std::all_of(texts.begin(), texts.end(), [](std::string_view text) { return text.empty(); });
}

}  // namespace

absl::StatusOr<TokenizerTables> TrainByteBpe(absl::Span<const std::string_view> texts,
                                             uint32_t vocabulary_size) {
  if (AllEmpty(texts)) return absl::InvalidArgumentError("There is no text to train a vocabulary on.");
  if (vocabulary_size < kSmallestBpeVocabulary) {
    return absl::InvalidArgumentError(
        absl::StrCat("A byte-level BPE vocabulary has at least ", kSmallestBpeVocabulary,
                     " tokens (2 special ones and 256 bytes); ", vocabulary_size, " were asked for."));
  }
  std::unordered_map<std::string_view, uint64_t> words;
  for (std::string_view text : texts) {
    while (!text.empty()) {
      const uint64_t bytes = WordBytes(text.data(), text.size());
      ++words[text.substr(0, bytes)];
      text.remove_prefix(bytes);
    }
  }

  TokenizerTables tables = TablesWithSpecialTokens(TokenizerKind::kByteBpe);
  tables.pretokenizer = Pretokenizer::kWords;
  tables.byte_token_base = kTrainedByteBase;
  for (int byte = 0; byte < 256; ++byte) tables.pieces.emplace_back(1, static_cast<char>(byte));
  PairCounts pairs(words);
  while (tables.pieces.size() < vocabulary_size) {
    const auto [left, right, count] = pairs.Best();
    if (count < 2) {
      return absl::InvalidArgumentError(absl::StrCat("The text is too small for a vocabulary of ",
                                                     vocabulary_size, " tokens: after ", tables.pieces.size(),
                                                     " no two adjacent tokens occur twice. Ask for ",
                                                     tables.pieces.size(), " or fewer, or give more text."));
    }
    const uint32_t result = static_cast<uint32_t>(tables.pieces.size());
    tables.pieces.push_back(tables.pieces[left] + tables.pieces[right]);
    tables.merges.push_back({left, right, result});
    pairs.Merge(left, right, result);
  }
  return tables;
}

absl::StatusOr<TokenizerTables> TrainCharacters(absl::Span<const std::string_view> texts) {
  if (AllEmpty(texts)) return absl::InvalidArgumentError("There is no text to train a vocabulary on.");
  std::set<std::string_view> characters;
  for (std::string_view text : texts) {
    while (!text.empty()) {
      const uint32_t bytes = CharacterBytes(text.data(), text.size());
      characters.insert(text.substr(0, bytes));
      text.remove_prefix(bytes);
    }
  }
  TokenizerTables tables = TablesWithSpecialTokens(TokenizerKind::kCharacters);
  tables.pieces.insert(tables.pieces.end(), characters.begin(), characters.end());
  return tables;
}

}  // namespace cllm
