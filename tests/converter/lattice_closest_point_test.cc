// Closest points of the lattice formats' code against searches in integers that look at every point.
#include "converter/lattice/closest_point.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>
#include "kernels/lattice_code.h"

namespace cllm {
namespace {

// Targets are multiples of 1/64: squared distances are whole numbers of 1/4096.
constexpr int kUnit = 64;
using Target = std::array<int, 8>;

int64_t SquaredDistance(const Target& target, const int8_t* n) {
  int sum = 0;
  for (size_t i = 0; i < 8; ++i) sum += n[i];
  const int offset = sum % 2 == 0 ? kUnit / 4 : kUnit * 3 / 4;
  int64_t distance = 0;
  for (size_t i = 0; i < 8; ++i) {
    const int64_t d = target[i] - (kUnit * n[i] + offset);
    distance += d * d;
  }
  return distance;
}

// All 65,536 points without fine bits.
int64_t LeastOfAll(const Target& target) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (size_t pattern = 0; pattern < kLatticePatterns; ++pattern) {
    for (unsigned signs = 0; signs < 256; ++signs) {
      int8_t n[8];
      for (size_t i = 0; i < 8; ++i) {
        const int m = LatticePattern(pattern, i);
        n[i] = static_cast<int8_t>((signs >> i & 1) != 0 ? -1 - m : m);
      }
      least = std::min(least, SquaredDistance(target, n));
    }
  }
  return least;
}

// With fine bits, pattern by pattern: within one the coordinates are free but for the parity of their sum.
int64_t LeastByPattern(int fine_bits, const Target& target) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (size_t pattern = 0; pattern < kLatticePatterns; ++pattern) {
    for (int parity = 0; parity < 2; ++parity) {
      constexpr int64_t kFar = int64_t{1} << 50;
      std::array<int64_t, 2> sums = {0, kFar};  // by the parity of the coordinates so far
      for (size_t i = 0; i < 8; ++i) {
        std::array<int64_t, 2> next = {kFar, kFar};
        const int first = LatticePattern(pattern, i) << fine_bits;
        for (int magnitude = first; magnitude < first + (1 << fine_bits); ++magnitude) {
          for (const int n : {magnitude, -1 - magnitude}) {
            const int64_t d = target[i] - (kUnit * n + (parity == 0 ? kUnit / 4 : kUnit * 3 / 4));
            for (size_t before = 0; before < 2; ++before) {
              const size_t after = (before + static_cast<size_t>(n & 1)) % 2;
              next[after] = std::min(next[after], sums[before] + d * d);
            }
          }
        }
        sums = next;
      }
      least = std::min(least, sums[static_cast<size_t>(parity)]);
    }
  }
  return least;
}

// The closest point of E8 + 1/4 = (D8 + 1/4) and its other coset: Conway and Sloane, "Fast quantizing and
// decoding algorithms for lattice quantizers and codes", IEEE Transactions on Information Theory 28 (1982).
int64_t LeastOfE8(const Target& target) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int parity = 0; parity < 2; ++parity) {
    int8_t n[8];
    int sum = 0, widest = -1;
    size_t at = 0;
    int change = 0;
    for (size_t i = 0; i < 8; ++i) {
      const int t = target[i] - (parity == 0 ? kUnit / 4 : kUnit * 3 / 4);
      const int nearest = static_cast<int>(std::floor((t + kUnit / 2.0) / kUnit)), miss = t - kUnit * nearest;
      n[i] = static_cast<int8_t>(nearest);
      sum += nearest;
      if (std::abs(miss) > widest) {
        widest = std::abs(miss);
        at = i;
        change = miss < 0 ? -1 : 1;
      }
    }
    if ((sum & 1) != parity) n[at] = static_cast<int8_t>(n[at] + change);
    least = std::min(least, SquaredDistance(target, n));
  }
  return least;
}

std::vector<Target> RandomTargets(size_t count, double deviation, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, deviation * kUnit);
  std::vector<Target> targets(count);
  for (Target& target : targets) {
    for (int& t : target) t = static_cast<int>(std::lround(normal(random)));
  }
  return targets;
}

// What ClosestPoints finds for up to 16 targets is in the code, and as far off as `least` says.
template <class Least>
void Check(int fine_bits, const std::vector<Target>& targets, const Least& least) {
  for (size_t first = 0; first < targets.size(); first += kLatticeLanes) {
    Lanes lanes[8] = {}, distances;
    int8_t n[8][kLatticeLanes];
    const size_t count = std::min(kLatticeLanes, targets.size() - first);
    for (size_t l = 0; l < count; ++l) {
      for (size_t i = 0; i < 8; ++i) lanes[i].lane[l] = static_cast<float>(targets[first + l][i]) / kUnit;
    }
    ClosestPoints(fine_bits, lanes, n, &distances);
    for (size_t l = 0; l < count; ++l) {
      int8_t point[8];
      for (size_t i = 0; i < 8; ++i) point[i] = n[i][l];
      CHECK(IsInCode(fine_bits, point));
      const int64_t expected = least(targets[first + l]);
      CHECK(SquaredDistance(targets[first + l], point) == expected);
      CHECK(distances.lane[l] == doctest::Approx(static_cast<double>(expected) / (kUnit * kUnit)));
    }
  }
}

TEST_CASE("without fine bits: the closest of all 65,536 points") {
  for (const double deviation : {0.3, 1.0, 3.0}) Check(0, RandomTargets(32, deviation, 1), LeastOfAll);
  CHECK(LeastOfAll(RandomTargets(1, 1.0, 2)[0]) == LeastByPattern(0, RandomTargets(1, 1.0, 2)[0]));
}

TEST_CASE("with fine bits: the closest of every pattern's points") {
  for (const int fine_bits : {1, 2}) {
    for (const double deviation : {0.5, 2.0, 5.0}) {
      Check(fine_bits, RandomTargets(48, deviation * fine_bits, 3),
            [&](const Target& target) { return LeastByPattern(fine_bits, target); });
    }
  }
}

TEST_CASE("well within the code's bounds: the closest point of E8, as Conway and Sloane find it") {
  Check(2, RandomTargets(160, 1.0, 4), LeastOfE8);
  Check(1, RandomTargets(160, 0.5, 5), LeastOfE8);
}

TEST_CASE("the code: 256 patterns times 256 signs, closed under a change of all signs") {
  int8_t n[8] = {};
  CHECK(IsInCode(0, n));
  for (int8_t& value : n) value = -1;
  CHECK(IsInCode(0, n));
  n[0] = 12;  // magnitude 3 at two fine bits: in no pattern
  CHECK_FALSE(IsInCode(2, n));
  n[0] = 11;
  CHECK(IsInCode(2, n));
}

}  // namespace
}  // namespace cllm
