// Room: converter/tokenizer. How often each two tokens stand side by side in the words of a text, kept up to
// date while pairs merge: the loop of BPE and WordPiece training.
#ifndef CLLM_CONVERTER_TOKENIZER_PAIR_COUNTS_H_
#define CLLM_CONVERTER_TOKENIZER_PAIR_COUNTS_H_

#include <cstddef>
#include <cstdint>
#include <queue>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/types/span.h"

namespace cllm {

// All different words, one after another, as tokens that merge in place. A token lives at the first position
// that it covers; spans_ holds its length there and at its last position. Counts of pairs, weighted by how
// often each word occurs, and where to find them follow every merge, so that one costs what it changes.
class PairCounts {
 public:
  PairCounts();

  // A word as its first tokens, and how often it occurs. Before Start.
  void AddWord(absl::Span<const uint32_t> tokens, uint64_t weight);
  void Start();

  struct Pair {
    uint32_t left, right;
    uint64_t count;
  };

  // The most frequent pair, the lowest ids of equals; its count is 0 if none is left.
  Pair Best();

  void Merge(uint32_t left, uint32_t right, uint32_t result);

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

  void Add(uint32_t left, uint32_t right, size_t position);

  void Remove(uint32_t left, uint32_t right, size_t position);

  void PushTouched();

  std::vector<uint32_t> tokens_;
  std::vector<size_t> spans_;
  std::vector<uint64_t> weights_;  // by position
  std::vector<Occurrences> pairs_;
  std::unordered_map<uint64_t, size_t> index_;
  std::vector<size_t> touched_;  // pairs that gained occurrences since they were last pushed
  std::priority_queue<Entry> queue_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_PAIR_COUNTS_H_
