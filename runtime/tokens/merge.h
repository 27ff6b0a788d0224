// Room: tokens. Best-first merging of adjacent tokens: the lowest priority number first, the leftmost of
// equals, until no pair merges; in O(n log n) for n tokens of any kind. Works in the caller's scratch.
#ifndef CLLM_TOKENS_MERGE_H_
#define CLLM_TOKENS_MERGE_H_

#include <cstdint>

#include "base/layout.h"
#include "tokens/index.h"

namespace cllm {

// The longest run that plain rescanning handles faster than the heap.
inline constexpr uint32_t kShortRun = 24;

// Capacity of the heap for a run of n tokens. Entries outdate when a neighbour merges; with room for an
// eighth more than can be current, sweeping them out happens a few times a run.
constexpr uint64_t MergeHeapCapacity(uint64_t n) { return n + n / 8 + 16; }

constexpr uint64_t MergeScratchBytes(uint64_t n) {
  return RoundUp(MergeHeapCapacity(n) * sizeof(uint64_t) + 3 * n * sizeof(uint32_t), kAlignment);
}

// Rules says what merges:
//   uint32_t Find(uint32_t left, uint32_t right) const;  a candidate, or kNotFound
//   uint32_t Priority(uint32_t candidate) const;         lower is earlier
//   uint32_t Result(uint32_t candidate) const;           the merged token
template <class Rules>
class Merger {
 public:
  // scratch: MergeScratchBytes(capacity), aligned to 8 bytes.
  Merger(const Rules& rules, void* scratch, uint64_t capacity)
      : rules_(rules),
        heap_(static_cast<uint64_t*>(scratch)),
        heap_capacity_(MergeHeapCapacity(capacity)),
        tokens_(reinterpret_cast<uint32_t*>(heap_ + heap_capacity_)),
        spans_(tokens_ + capacity),
        candidates_(spans_ + capacity) {}

  // The run to merge: fill the first n before Run(n), read the result after it.
  uint32_t* tokens() { return tokens_; }

  // Returns how many tokens are left.
  uint32_t Run(uint32_t n) {
    if (n < 2) return n;
    for (uint32_t i = 0; i + 1 < n; ++i) candidates_[i] = rules_.Find(tokens_[i], tokens_[i + 1]);
    candidates_[n - 1] = kNotFound;
    return n <= kShortRun ? RunShort(n) : RunLong(n);
  }

 private:
  uint32_t RunShort(uint32_t n) {
    for (;;) {
      uint32_t best = n;
      uint32_t best_priority = 0;
      for (uint32_t i = 0; i + 1 < n; ++i) {
        if (candidates_[i] == kNotFound) continue;
        const uint32_t priority = rules_.Priority(candidates_[i]);
        if (best == n || priority < best_priority) {
          best = i;
          best_priority = priority;
        }
      }
      if (best == n) return n;
      tokens_[best] = rules_.Result(candidates_[best]);
      --n;
      for (uint32_t i = best + 1; i < n; ++i) {
        tokens_[i] = tokens_[i + 1];
        candidates_[i] = candidates_[i + 1];
      }
      candidates_[best] = best + 1 < n ? rules_.Find(tokens_[best], tokens_[best + 1]) : kNotFound;
      if (best > 0) candidates_[best - 1] = rules_.Find(tokens_[best - 1], tokens_[best]);
    }
  }

  // A token lives at the first position that it covers; spans_ holds its length there and at its last
  // position, which serves as a doubly linked list. Covered positions have no candidate.
  uint32_t RunLong(uint32_t n) {
    for (uint32_t i = 0; i < n; ++i) spans_[i] = 1;
    FillHeap(n);
    while (heap_size_ > 0) {
      const uint64_t entry = heap_[0];
      heap_[0] = heap_[--heap_size_];
      SiftDown(0);
      const uint32_t position = static_cast<uint32_t>(entry);
      const uint32_t candidate = candidates_[position];
      if (candidate != kNotFound && rules_.Priority(candidate) == entry >> 32) {
        MergeAt(position, rules_.Result(candidate), n);
      }
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i += spans_[i]) tokens_[count++] = tokens_[i];
    return count;
  }

  void MergeAt(uint32_t position, uint32_t result, uint32_t n) {
    const uint32_t right = position + spans_[position];
    const uint32_t next = right + spans_[right];
    tokens_[position] = result;
    spans_[position] = spans_[next - 1] = next - position;
    candidates_[right] = kNotFound;
    candidates_[position] = next < n ? rules_.Find(result, tokens_[next]) : kNotFound;
    const uint32_t previous = position > 0 ? position - spans_[position - 1] : position;
    if (previous != position) candidates_[previous] = rules_.Find(tokens_[previous], result);
    if (heap_size_ + 2 > heap_capacity_) {
      FillHeap(n);
      return;
    }
    Push(position);
    if (previous != position) Push(previous);
  }

  uint64_t Entry(uint32_t position) const {
    return uint64_t{rules_.Priority(candidates_[position])} << 32 | position;
  }

  void FillHeap(uint32_t n) {
    heap_size_ = 0;
    for (uint32_t i = 0; i < n; i += spans_[i]) {
      if (candidates_[i] != kNotFound) heap_[heap_size_++] = Entry(i);
    }
    for (uint64_t i = heap_size_ / kHeapArity + 1; i-- > 0;) SiftDown(i);
  }

  void Push(uint32_t position) {
    if (candidates_[position] == kNotFound) return;
    const uint64_t entry = Entry(position);
    uint64_t i = heap_size_++;
    for (; i > 0 && entry < heap_[(i - 1) / kHeapArity]; i = (i - 1) / kHeapArity) {
      heap_[i] = heap_[(i - 1) / kHeapArity];
    }
    heap_[i] = entry;
  }

  void SiftDown(uint64_t i) {
    if (i >= heap_size_) return;
    const uint64_t entry = heap_[i];
    for (;;) {
      const uint64_t first = kHeapArity * i + 1;
      if (first >= heap_size_) break;
      const uint64_t end = first + kHeapArity < heap_size_ ? first + kHeapArity : heap_size_;
      uint64_t least = first;
      for (uint64_t child = first + 1; child < end; ++child) {
        if (heap_[child] < heap_[least]) least = child;
      }
      if (heap_[least] >= entry) break;
      heap_[i] = heap_[least];
      i = least;
    }
    heap_[i] = entry;
  }

  static constexpr uint64_t kHeapArity = 4;

  const Rules& rules_;
  uint64_t* heap_;  // priority << 32 | position, least first
  uint64_t heap_capacity_;
  uint64_t heap_size_ = 0;
  uint32_t* tokens_;
  uint32_t* spans_;
  uint32_t* candidates_;  // of the pair that begins at a position
};

}  // namespace cllm

#endif  // CLLM_TOKENS_MERGE_H_
