#include "converter/train/gradient_tree.h"

#include <algorithm>

#include "base/layout.h"
#include "base/ranges.h"

namespace cllm {
namespace {

bool AreSiblings(const SegmentNode& left, const SegmentNode& right) {
  return left.count == right.count && left.first % (2 * left.count) == 0;
}

}  // namespace

std::vector<SegmentNode> CoveringNodes(uint32_t begin, uint32_t end) {
  std::vector<SegmentNode> nodes;
  while (begin < end) {
    uint32_t count = 1;
    while (begin % (2 * count) == 0 && 2 * count <= end - begin) count *= 2;
    nodes.push_back({begin, count});
    begin += count;
  }
  return nodes;
}

GradientTree::GradientTree(uint32_t segments, Ranks* ranks, const cllm_workers* workers)
    : segments_(segments), ranks_(ranks), workers_(workers) {
  const uint32_t rank = ranks != nullptr ? ranks->rank() : 0;
  next_ = begin_ = FirstSegmentOf(rank);
  end_ = FirstSegmentOf(rank + 1);
}

uint32_t GradientTree::FirstSegmentOf(uint32_t rank) const {
  return static_cast<uint32_t>(PartBegin(segments_, rank, ranks_ != nullptr ? ranks_->count() : 1));
}

size_t GradientTree::SliceBegin(size_t floats, uint32_t rank) const {
  if (rank == ranks_->count()) return floats;
  return static_cast<size_t>(PartBegin(floats / kPanel, rank, ranks_->count())) * kPanel;
}

void GradientTree::AddTo(float* sum, const float* more, size_t count) const {
  ForRanges(workers_, count, 4, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) sum[i] += more[i];
  });
}

void GradientTree::Add(absl::Span<float> gradient) {
  SegmentNode node = {next_++, 1};
  while (!nodes_.empty() && AreSiblings(nodes_.back(), node)) {
    AddTo(gradient.data(), buffers_[nodes_.size() - 1].data(), gradient.size());
    node = {nodes_.back().first, 2 * node.count};
    nodes_.pop_back();
  }
  nodes_.push_back(node);
  if (next_ == end_) return;
  if (buffers_.size() < nodes_.size()) buffers_.emplace_back();
  buffers_[nodes_.size() - 1].assign(gradient.begin(), gradient.end());
  std::fill(gradient.begin(), gradient.end(), 0.0f);
}

// Adds up the nodes of all segments, in their order: siblings as soon as there are two, and what is left over
// where the number of segments is no power of two from the right. The sum lies in one of theirs.
float* GradientTree::Total(absl::Span<const Partial> partials, size_t count) const {
  std::vector<Partial> waiting;
  const auto join = [&](Partial right) {
    const Partial left = waiting.back();
    waiting.pop_back();
    AddTo(left.sum, right.sum, count);
    return Partial{{left.node.first, left.node.count + right.node.count}, left.sum};
  };
  for (Partial partial : partials) {
    while (!waiting.empty() && AreSiblings(waiting.back().node, partial.node)) partial = join(partial);
    waiting.push_back(partial);
  }
  Partial total = waiting.back();
  waiting.pop_back();
  while (!waiting.empty()) total = join(total);
  return total.sum;
}

// This rank's slice of all nodes' sums: its own where they are, the others' received.
std::vector<GradientTree::Partial> GradientTree::ExchangeSlices(absl::Span<float> gradient) {
  const uint32_t own = ranks_->rank(), count = ranks_->count();
  const size_t begin = SliceBegin(gradient.size(), own);
  const size_t floats = SliceBegin(gradient.size(), own + 1) - begin;
  std::vector<Partial> partials;
  std::vector<Ranks::Message> sent, received;
  for (uint32_t r = 0; r < count; ++r) {
    const std::vector<SegmentNode> nodes = CoveringNodes(FirstSegmentOf(r), FirstSegmentOf(r + 1));
    for (const SegmentNode& node : nodes) partials.push_back({node, nullptr});
  }
  size_t others = partials.size() - nodes_.size(), node = 0;
  received_.resize(others * floats);
  float* place = received_.data();
  for (uint32_t r = 0; r < count; ++r) {
    const size_t at = SliceBegin(gradient.size(), r), size = SliceBegin(gradient.size(), r + 1) - at;
    const size_t theirs = CoveringNodes(FirstSegmentOf(r), FirstSegmentOf(r + 1)).size();
    for (size_t i = 0; i < theirs; ++i, ++node) {
      if (r == own) {
        partials[node].sum = (i + 1 < theirs ? buffers_[i].data() : gradient.data()) + begin;
        continue;
      }
      partials[node].sum = place;
      received.push_back({r, place, floats});
      place += floats;
    }
    for (size_t i = 0; r != own && i < nodes_.size(); ++i) {
      sent.push_back({r, (i + 1 < nodes_.size() ? buffers_[i].data() : gradient.data()) + at, size});
    }
  }
  ranks_->Exchange(sent, received);
  return partials;
}

void GradientTree::Finish(absl::Span<float> gradient) {
  if (ranks_ != nullptr) {
    const size_t begin = SliceBegin(gradient.size(), ranks_->rank());
    const size_t end = SliceBegin(gradient.size(), ranks_->rank() + 1);
    const float* total = Total(ExchangeSlices(gradient), end - begin);
    if (total != gradient.data() + begin) std::copy(total, total + (end - begin), gradient.data() + begin);
    std::vector<uint64_t> offsets;
    for (uint32_t r = 0; r <= ranks_->count(); ++r) {
      offsets.push_back(SliceBegin(gradient.size(), r) * sizeof(float));
    }
    ranks_->Gather(gradient.data(), offsets);
  } else if (nodes_.size() > 1) {
    std::vector<Partial> partials;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      partials.push_back({nodes_[i], i + 1 < nodes_.size() ? buffers_[i].data() : gradient.data()});
    }
    const float* total = Total(partials, gradient.size());
    std::copy(total, total + gradient.size(), gradient.data());
  }
  nodes_.clear();
  next_ = begin_;
}

}  // namespace cllm
