#include "converter/lattice/closest_point.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <limits>
#include <vector>

#include "kernels/lattice_code.h"

namespace cllm {
namespace {

constexpr int kLevels = 3;  // magnitudes m of a pattern: 0, 1, 2
constexpr size_t kPairLevels = kLevels * kLevels;
constexpr float kFar = 1e30f;

// Costs by the parity of the sum of n.
struct Parities {
  Lanes of[2];
};

// Patterns as pairs of halves: 44 halves make the 256 patterns, and each half's costs are computed once.
struct Halves {
  std::vector<std::array<uint8_t, 2>> pairs;  // a half: two pairs of levels, each 3 * first + second
  std::array<uint8_t, kLatticePatterns> left, right;
  std::bitset<1 << 16> patterns;  // by two bits a coordinate

  Halves() {
    for (size_t index = 0; index < kLatticePatterns; ++index) {
      uint8_t m[8];
      size_t bits = 0;
      for (size_t i = 0; i < 8; ++i) {
        m[i] = LatticePattern(index, i);
        bits |= size_t{m[i]} << 2 * i;
      }
      patterns.set(bits);
      left[index] = Find(m);
      right[index] = Find(m + 4);
    }
  }

 private:
  uint8_t Find(const uint8_t* m) {
    const std::array<uint8_t, 2> half = {static_cast<uint8_t>(kLevels * m[0] + m[1]),
                                         static_cast<uint8_t>(kLevels * m[2] + m[3])};
    const auto found = std::find(pairs.begin(), pairs.end(), half);
    if (found == pairs.end()) pairs.push_back(half);
    return static_cast<uint8_t>(std::find(pairs.begin(), pairs.end(), half) - pairs.begin());
  }
};

const Halves& AllHalves() {
  static const Halves* const halves = new Halves;
  return *halves;
}

constexpr size_t kMostHalves = 64;

// Calls visit(n) for the integers of a level: 2^fine_bits of each sign.
template <class Visit>
void ForLevel(int fine_bits, int level, const Visit& visit) {
  for (int fine = 0; fine < 1 << fine_bits; ++fine) {
    const int magnitude = (level << fine_bits) + fine;
    visit(magnitude);
    visit(-1 - magnitude);
  }
}

// Squared distance of t to the nearest integer of the level of either parity.
Parities LevelCosts(int fine_bits, int level, const Lanes& t) {
  Parities costs;
  for (Lanes& cost : costs.of) std::fill(std::begin(cost.lane), std::end(cost.lane), kFar);
  ForLevel(fine_bits, level, [&](int n) {
    float* cost = costs.of[n & 1].lane;
    const auto value = static_cast<float>(n);
    for (size_t l = 0; l < kLatticeLanes; ++l) {
      const float d = t.lane[l] - value;
      cost[l] = std::min(cost[l], d * d);
    }
  });
  return costs;
}

// Of both together.
void Join(const Parities& a, const Parities& b, Parities* sum) {
  for (size_t l = 0; l < kLatticeLanes; ++l) {
    const float a0 = a.of[0].lane[l], a1 = a.of[1].lane[l], b0 = b.of[0].lane[l], b1 = b.of[1].lane[l];
    sum->of[0].lane[l] = std::min(a0 + b0, a1 + b1);
    sum->of[1].lane[l] = std::min(a0 + b1, a1 + b0);
  }
}

// The least costs found yet, and their pattern + 256 * parity.
struct Best {
  Lanes cost, choice;
};

// Points whose sum of n has this parity; t: targets less the offset.
void SearchCoset(int fine_bits, int parity, const Lanes t[8], Best* best) {
  const Halves& halves = AllHalves();
  Parities pairs[4][kPairLevels], sides[2][kMostHalves];
  for (size_t pair = 0; pair < 4; ++pair) {
    Parities levels[2][kLevels];
    for (int level = 0; level < kLevels; ++level) {
      levels[0][level] = LevelCosts(fine_bits, level, t[2 * pair]);
      levels[1][level] = LevelCosts(fine_bits, level, t[2 * pair + 1]);
    }
    for (size_t i = 0; i < kPairLevels; ++i)
      Join(levels[0][i / kLevels], levels[1][i % kLevels], &pairs[pair][i]);
  }
  for (size_t side = 0; side < 2; ++side) {
    for (size_t half = 0; half < halves.pairs.size(); ++half) {
      Join(pairs[2 * side][halves.pairs[half][0]], pairs[2 * side + 1][halves.pairs[half][1]],
           &sides[side][half]);
    }
  }
  for (size_t pattern = 0; pattern < kLatticePatterns; ++pattern) {
    const Parities &left = sides[0][halves.left[pattern]], &right = sides[1][halves.right[pattern]];
    const Lanes &same = right.of[parity], &other = right.of[1 - parity];
    const auto choice = static_cast<float>(pattern + kLatticePatterns * static_cast<size_t>(parity));
    for (size_t l = 0; l < kLatticeLanes; ++l) {
      const float cost = std::min(left.of[0].lane[l] + same.lane[l], left.of[1].lane[l] + other.lane[l]);
      best->choice.lane[l] = cost < best->cost.lane[l] ? choice : best->choice.lane[l];
      best->cost.lane[l] = std::min(best->cost.lane[l], cost);
    }
  }
}

// The nearest integers of a pattern whose sum has the parity: each the nearest of its level, and if the sum
// is of the other parity, the one changed for which that costs least.
void NearestOfPattern(int fine_bits, size_t pattern, int parity, const float* t, int8_t* n) {
  int others[8], sum = 0;
  size_t change = 0;
  float least = std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < 8; ++i) {
    float costs[2] = {kFar, kFar};
    int nearest[2] = {0, 0};
    ForLevel(fine_bits, LatticePattern(pattern, i), [&](int value) {
      const float d = t[i] - static_cast<float>(value);
      if (d * d < costs[value & 1]) {
        costs[value & 1] = d * d;
        nearest[value & 1] = value;
      }
    });
    const int first = costs[1] < costs[0] ? 1 : 0;
    n[i] = static_cast<int8_t>(nearest[first]);
    others[i] = nearest[1 - first];
    sum += nearest[first];
    if (costs[1 - first] - costs[first] < least) {
      least = costs[1 - first] - costs[first];
      change = i;
    }
  }
  if ((sum & 1) != parity) n[change] = static_cast<int8_t>(others[change]);
}

}  // namespace

bool IsInCode(int fine_bits, const int8_t* n) {
  size_t bits = 0;
  for (size_t i = 0; i < 8; ++i) {
    const int coarse = n[i] >> fine_bits, magnitude = coarse < 0 ? -1 - coarse : coarse;
    if (magnitude >= kLevels) return false;
    bits |= static_cast<size_t>(magnitude) << 2 * i;
  }
  return AllHalves().patterns.test(bits);
}

void ClosestPoints(int fine_bits, const Lanes targets[8], int8_t n[8][kLatticeLanes], Lanes* distances) {
  Best best;
  std::fill(std::begin(best.cost.lane), std::end(best.cost.lane), kFar);
  std::fill(std::begin(best.choice.lane), std::end(best.choice.lane), 0.0f);
  Lanes shifted[2][8];
  for (int parity = 0; parity < 2; ++parity) {
    for (size_t i = 0; i < 8; ++i) {
      for (size_t l = 0; l < kLatticeLanes; ++l) {
        shifted[parity][i].lane[l] = targets[i].lane[l] - PointOffset(parity);
      }
    }
    SearchCoset(fine_bits, parity, shifted[parity], &best);
  }
  for (size_t l = 0; l < kLatticeLanes; ++l) {
    const auto choice = static_cast<size_t>(best.choice.lane[l]);
    const int parity = choice >= kLatticePatterns ? 1 : 0;
    float t[8];
    int8_t nearest[8];
    for (size_t i = 0; i < 8; ++i) t[i] = shifted[parity][i].lane[l];
    NearestOfPattern(fine_bits, choice % kLatticePatterns, parity, t, nearest);
    for (size_t i = 0; i < 8; ++i) n[i][l] = nearest[i];
  }
  *distances = best.cost;
}

}  // namespace cllm
