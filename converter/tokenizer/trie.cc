#include "converter/tokenizer/trie.h"

#include <algorithm>
#include <deque>

namespace cllm {
namespace {

using Pieces = std::vector<std::pair<std::string_view, uint32_t>>;

// Pieces [begin, end) of the sorted list have their first `depth` bytes in common, which lead to `node`.
struct Range {
  size_t begin, end, depth;
  uint32_t node;
};

class Builder {
 public:
  explicit Builder(Pieces pieces) : pieces_(std::move(pieces)) {
    std::sort(pieces_.begin(), pieces_.end());
    Reach(0);
    nodes_[0].parent = 0;  // so that it is taken
  }

  std::vector<TrieNode> Build() {
    std::deque<Range> open = {{0, pieces_.size(), 0, 0}};
    for (; !open.empty(); open.pop_front()) {
      Range range = open.front();
      // The shortest comes first: it ends here.
      if (range.begin < range.end && pieces_[range.begin].first.size() == range.depth)
        nodes_[range.node].token = pieces_[range.begin++].second;
      std::vector<Range> children = ChildrenOf(range);
      if (children.empty()) continue;
      const uint32_t base = FreeBase(children);
      nodes_[range.node].base = base;
      for (Range& child : children) {
        child.node = base + ByteOf(child);
        Take(child.node, range.node);
        open.push_back(child);
      }
    }
    while (nodes_.back().parent == kFree) nodes_.pop_back();
    return std::move(nodes_);
  }

 private:
  static constexpr uint32_t kFree = CLLM_NO_TOKEN;  // as a parent

  uint8_t ByteOf(const Range& child) const {
    return static_cast<uint8_t>(pieces_[child.begin].first[child.depth - 1]);
  }

  std::vector<Range> ChildrenOf(const Range& range) const {
    std::vector<Range> children;
    for (size_t i = range.begin; i < range.end; ++i) {
      if (i == range.begin || pieces_[i].first[range.depth] != pieces_[i - 1].first[range.depth])
        children.push_back({i, i, range.depth + 1, 0});
      children.back().end = i + 1;
    }
    return children;
  }

  // Makes sure that there is a node with this number. Its base leads to no child: nodes are fewer.
  void Reach(uint32_t node) {
    if (node >= nodes_.size()) nodes_.resize(node + size_t{1}, {kFree - 256, kFree, CLLM_NO_TOKEN});
  }

  void Take(uint32_t node, uint32_t parent) {
    Reach(node);
    nodes_[node].parent = parent;
  }

  // The first base from which on every child finds a free node. Where almost all nodes are taken the search
  // does not begin at them again.
  uint32_t FreeBase(const std::vector<Range>& children) {
    while (first_free_ < nodes_.size() && nodes_[first_free_].parent != kFree) ++first_free_;
    uint32_t tried = 0;
    for (uint32_t place = first_free_;; ++place) {
      if (place < nodes_.size() && nodes_[place].parent != kFree) continue;
      const uint32_t first = ByteOf(children[0]);
      if (place < first) continue;
      const uint32_t base = place - first;
      const bool fits = std::all_of(children.begin(), children.end(), [&](const Range& child) {
        const uint32_t node = base + ByteOf(child);
        return node >= nodes_.size() || nodes_[node].parent == kFree;
      });
      if (fits) return base;
      if (++tried == kMostTries) first_free_ = place;
    }
  }

  static constexpr uint32_t kMostTries = 256;

  Pieces pieces_;
  std::vector<TrieNode> nodes_;
  uint32_t first_free_ = 1;
};

}  // namespace

std::vector<TrieNode> BuildTrie(Pieces pieces) { return Builder(std::move(pieces)).Build(); }

}  // namespace cllm
