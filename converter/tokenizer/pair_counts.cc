#include "converter/tokenizer/pair_counts.h"

#include <algorithm>

namespace cllm {
namespace {

constexpr uint32_t kBetweenWords = 0xFFFFFFFFu;

}  // namespace

PairCounts::PairCounts() : tokens_{kBetweenWords}, weights_{0} {}

void PairCounts::AddWord(absl::Span<const uint32_t> tokens, uint64_t weight) {
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  tokens_.push_back(kBetweenWords);
  weights_.insert(weights_.end(), tokens.size() + 1, weight);
}

void PairCounts::Start() {
  spans_.assign(tokens_.size(), 1);
  for (size_t i = 0; i + 1 < tokens_.size(); ++i) Add(tokens_[i], tokens_[i + 1], i);
  PushTouched();
}

PairCounts::Pair PairCounts::Best() {
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

void PairCounts::Merge(uint32_t left, uint32_t right, uint32_t result) {
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

void PairCounts::Add(uint32_t left, uint32_t right, size_t position) {
  if (left == kBetweenWords || right == kBetweenWords) return;
  const auto [entry, is_new] = index_.try_emplace(Key(left, right), pairs_.size());
  if (is_new) pairs_.push_back({left, right, 0, {}, false});
  Occurrences& pair = pairs_[entry->second];
  pair.count += weights_[position];
  pair.positions.push_back(position);
  if (!pair.touched) touched_.push_back(entry->second);
  pair.touched = true;
}

void PairCounts::Remove(uint32_t left, uint32_t right, size_t position) {
  if (left == kBetweenWords || right == kBetweenWords) return;
  pairs_[index_.at(Key(left, right))].count -= weights_[position];
}

void PairCounts::PushTouched() {
  for (const size_t i : touched_) {
    Occurrences& pair = pairs_[i];
    pair.touched = false;
    if (pair.count > 0) queue_.push({pair.count, pair.left, pair.right, i});
  }
  touched_.clear();
}

}  // namespace cllm
