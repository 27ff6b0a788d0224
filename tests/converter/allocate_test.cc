#include "converter/lattice/allocate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace cllm {
namespace {

using Tensors = std::vector<std::vector<FormatChoice>>;

struct Total {
  uint64_t bytes = 0;
  double loss = 0;
};

Total TotalOf(const Tensors& tensors, const std::vector<size_t>& chosen) {
  Total total;
  for (size_t t = 0; t < tensors.size(); ++t) {
    total.bytes += tensors[t][chosen[t]].bytes;
    total.loss += tensors[t][chosen[t]].loss;
  }
  return total;
}

// The least loss of all combinations within the budget; infinity if there is none.
double LeastLoss(const Tensors& tensors, uint64_t budget, size_t from = 0) {
  if (from == tensors.size()) return 0;
  double least = std::numeric_limits<double>::infinity();
  for (const FormatChoice& choice : tensors[from]) {
    if (choice.bytes > budget) continue;
    least = std::min(least, choice.loss + LeastLoss(tensors, budget - choice.bytes, from + 1));
  }
  return least;
}

TEST_CASE("allocation: within the budget, and within one tensor's step of the best of all combinations") {
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    Tensors tensors(5);
    double largest_step = 0;
    uint64_t most = 0, least = 0;
    for (std::vector<FormatChoice>& choices : tensors) {
      const double sensitivity = 1.0 + random() % 100;
      const uint64_t weights = 10 + random() % 90;
      for (uint64_t bits = 2; bits <= 5; ++bits) {
        choices.push_back({weights * bits, sensitivity / static_cast<double>(uint64_t{1} << 2 * bits)});
      }
      largest_step = std::max(largest_step, choices[0].loss - choices[1].loss);
      least += choices.front().bytes;
      most += choices.back().bytes;
    }
    const uint64_t budget = least + random() % (most - least + 1);
    const std::vector<size_t> chosen = Allocate(tensors, budget);
    REQUIRE(chosen.size() == tensors.size());
    const Total total = TotalOf(tensors, chosen);
    CHECK(total.bytes <= budget);
    CHECK(total.loss <= LeastLoss(tensors, budget) + largest_step);
    CHECK(Allocate(tensors, least - 1).empty());
    CHECK(TotalOf(tensors, Allocate(tensors, most)).bytes == most);
    CHECK(TotalOf(tensors, Allocate(tensors, least)).bytes == least);
  }
}

TEST_CASE("allocation: a choice that costs more bytes and more loss is never taken") {
  const Tensors tensors = {{{10, 1.0}, {20, 2.0}, {30, 0.5}}, {{10, 1.0}, {20, 0.1}}};
  CHECK(Allocate(tensors, 30) == std::vector<size_t>{0, 1});
  CHECK(Allocate(tensors, 49) == std::vector<size_t>{0, 1});
  CHECK(Allocate(tensors, 50) == std::vector<size_t>{2, 1});
  CHECK(Allocate({}, 0).empty());
}

}  // namespace
}  // namespace cllm
