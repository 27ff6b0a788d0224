// Room: converter/train. The gradient of a step as the sum of those of its segments, each of some of the
// step's sequences. Segments add up in pairs, pairs in pairs of pairs and so on, whatever process computed
// them: the sum has the same bits for any number of processes.
#ifndef CLLM_CONVERTER_TRAIN_GRADIENT_TREE_H_
#define CLLM_CONVERTER_TRAIN_GRADIENT_TREE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "cllm/cllm.h"
#include "converter/train/ranks.h"

namespace cllm {

// Segments [first, first + count) that stand under one node of the tree: count is a power of two that divides
// first.
struct SegmentNode {
  uint32_t first, count;
};

// The fewest nodes that cover segments [begin, end), in their order.
std::vector<SegmentNode> CoveringNodes(uint32_t begin, uint32_t end);

// A rank has consecutive segments, as even as can be, and at the end adds up one slice of the gradient for
// all: the ranks send each other the slices of as few partial sums as the tree allows, and then the total.
// Memory besides the trainer's gradient: a gradient for each of log2(segments) levels, and a slice for each
// node of other ranks.
class GradientTree {
 public:
  // ranks: nullptr for a process by itself; it and workers (may be nullptr) must outlive the tree.
  GradientTree(uint32_t segments, Ranks* ranks, const cllm_workers* workers);

  // This rank's segments.
  uint32_t begin() const { return begin_; }
  uint32_t end() const { return end_; }

  // `gradient` is that of this rank's next segment. Leaves zeros for the one after, or what the rank's
  // segments came to.
  void Add(absl::Span<float> gradient);

  // After all of this rank's segments: the sum over all segments, on every rank. A rank without segments has
  // called Add never, and its `gradient` may hold anything.
  void Finish(absl::Span<float> gradient);

 private:
  // One of the sums that make up the total.
  struct Partial {
    SegmentNode node;
    float* sum;
  };

  void AddTo(float* sum, const float* more, size_t count) const;
  float* Total(absl::Span<const Partial> partials, size_t count) const;
  std::vector<Partial> ExchangeSlices(absl::Span<float> gradient);
  uint32_t FirstSegmentOf(uint32_t rank) const;
  size_t SliceBegin(size_t floats, uint32_t rank) const;

  const uint32_t segments_;
  Ranks* const ranks_;
  const cllm_workers* const workers_;
  uint32_t begin_ = 0, end_ = 0, next_ = 0;
  // Sums that wait for their right siblings, in buffers_ but for the last one, which is the gradient after
  // this rank's last segment.
  std::vector<SegmentNode> nodes_;
  std::vector<std::vector<float>> buffers_;
  std::vector<float> received_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_TRAIN_GRADIENT_TREE_H_
