#include "converter/train/gradient_tree.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "base/random.h"
#include "doctest/doctest.h"
#include "tests/support/thread_ranks.h"

namespace cllm {
namespace {

using testing::ThreadRanks;

constexpr size_t kFloats = 16 * 11;

// Of sizes so different that sums in another order are other sums.
float Gradient(uint32_t segment, size_t i) {
  const uint64_t random = Random(1, RandomStream::kData, segment * kFloats + i);
  const float size = static_cast<float>(uint64_t{1} << random % 24);
  return (static_cast<float>(random >> 40) - 8388608.0f) / size;
}

// The sum as the tree is defined: the largest power of two below the count stands on the left.
float TreeSum(uint32_t begin, uint32_t end, size_t i) {
  if (end - begin == 1) return Gradient(begin, i);
  uint32_t left = 1;
  while (2 * left < end - begin) left *= 2;
  return TreeSum(begin, begin + left, i) + TreeSum(begin + left, end, i);
}

std::vector<float> SumBy(GradientTree& tree) {
  std::vector<float> gradient(kFloats);
  for (uint32_t segment = tree.begin(); segment < tree.end(); ++segment) {
    for (size_t i = 0; i < kFloats; ++i) gradient[i] += Gradient(segment, i);
    tree.Add(absl::MakeSpan(gradient));
  }
  tree.Finish(absl::MakeSpan(gradient));
  return gradient;
}

TEST_CASE("covering nodes: as few as the tree allows, each under one node of it") {
  for (uint32_t begin = 0; begin < 20; ++begin) {
    for (uint32_t end = begin; end < 40; ++end) {
      uint32_t at = begin;
      for (const SegmentNode& node : CoveringNodes(begin, end)) {
        CHECK(node.first == at);
        CHECK((node.count & (node.count - 1)) == 0);
        CHECK(node.first % node.count == 0);
        at += node.count;
      }
      CHECK(at == end);
    }
  }
  CHECK(CoveringNodes(0, 16).size() == 1);
  CHECK(CoveringNodes(1, 16).size() == 4);
}

TEST_CASE("gradient tree: the same sum for any number of ranks, step after step") {
  for (uint32_t segments = 1; segments <= 13; ++segments) {
    CAPTURE(segments);
    std::vector<float> expected(kFloats);
    bool order_matters = false;
    for (size_t i = 0; i < kFloats; ++i) {
      expected[i] = TreeSum(0, segments, i);
      float upwards = 0;
      for (uint32_t s = 0; s < segments; ++s) upwards += Gradient(s, i);
      order_matters |= upwards != expected[i];
    }
    CHECK(order_matters == (segments > 3));
    GradientTree alone(segments, nullptr, nullptr);
    CHECK(SumBy(alone) == expected);
    CHECK(SumBy(alone) == expected);
    for (uint32_t count = 1; count <= 5; ++count) {
      CAPTURE(count);
      std::mutex mutex;
      uint32_t right = 0;
      ThreadRanks::Run(count, [&](Ranks& ranks) {
        GradientTree tree(segments, &ranks, nullptr);
        const bool same = SumBy(tree) == expected && SumBy(tree) == expected;
        const std::lock_guard<std::mutex> lock(mutex);
        right += same;
      });
      CHECK(right == count);
    }
  }
}

TEST_CASE("gradient tree: ranks send no more than partial sums' slices") {
  const auto sent = [](uint32_t segments, uint32_t count) {
    return ThreadRanks::Run(count, [&](Ranks& ranks) {
      GradientTree tree(segments, &ranks, nullptr);
      SumBy(tree);
    });
  };
  // However many segments: of each rank's one sum, all slices but its own.
  CHECK(sent(2, 2) == kFloats);
  CHECK(sent(64, 2) == kFloats);
  CHECK(sent(64, 4) == kFloats * 3);
}

}  // namespace
}  // namespace cllm
