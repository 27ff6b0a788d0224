// Points themselves are checked in tests/converter/lattice_closest_point_test.cc; here every target finds
// them.
#include "kernels/lattice_search.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/lattice_code.h"
#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Numbers;
using testing::OnEveryTarget;

struct alignas(64) Targets {
  float of[kLatticeGroup][kPanel];
};

double SquaredDistance(const Targets& targets, size_t lane, const int8_t* n) {
  int8_t point[kLatticeGroup];
  LatticePoint(n, point);
  double sum = 0;
  for (size_t i = 0; i < kLatticeGroup; ++i) {
    const double miss = double{targets.of[i][lane]} - point[i] / 4.0;
    sum += miss * miss;
  }
  return sum;
}

// All 65,536 points without fine bits.
double LeastOfAll(const Targets& targets, size_t lane) {
  double least = INFINITY;
  for (size_t pattern = 0; pattern < kLatticePatterns; ++pattern) {
    for (unsigned signs = 0; signs < 256; ++signs) {
      const LatticeGroup code = {static_cast<uint8_t>(pattern), static_cast<uint8_t>(signs), {0, 0}};
      int8_t n[kLatticeGroup];
      LatticeIntegers(code, 0, n);
      least = std::min(least, SquaredDistance(targets, lane, n));
    }
  }
  return least;
}

TEST_CASE("ClosestLatticePoints: as close as any point; the same on every target") {
  for (const int fine_bits : {0, 1, 2}) {
    Targets targets;
    const std::vector<float> numbers = Numbers(static_cast<uint32_t>(fine_bits), kLatticeGroup * kPanel);
    const float size = static_cast<float>(1 << fine_bits);
    for (size_t i = 0; i < numbers.size(); ++i) targets.of[i / kPanel][i % kPanel] = size * numbers[i];
    std::vector<float> first;
    OnEveryTarget([&](const std::string&) {
      int8_t n[kLatticeGroup][kPanel];
      alignas(64) float distances[kPanel];
      ClosestLatticePoints(fine_bits, targets.of, n, distances);
      std::vector<float> all(distances, distances + kPanel);
      for (size_t l = 0; l < kPanel; ++l) {
        int8_t of_lane[kLatticeGroup];
        for (size_t i = 0; i < kLatticeGroup; ++i) {
          of_lane[i] = n[i][l];
          all.push_back(n[i][l]);
        }
        const double distance = SquaredDistance(targets, l, of_lane);
        CHECK(double{distances[l]} == doctest::Approx(distance));
        if (first.empty() && fine_bits == 0 && l < 4)
          CHECK(distance == doctest::Approx(LeastOfAll(targets, l)));
      }
      if (first.empty()) first = all;
      CheckSameBits(all, first);
    });
  }
}

TEST_CASE("RoundLatticePanel: the points of groups, in the panel and as integers; the same on every target") {
  for (const size_t columns : {1, 8, 32, 45, 64}) {
    for (const int fine_bits : {0, 2}) {
      const size_t blocks = (columns + kLatticeBlock - 1) / kLatticeBlock;
      struct alignas(64) Row {
        float lane[kPanel];
      };
      std::vector<Row> weights(columns), rounded(columns), multipliers(blocks);
      Row scales;
      const std::vector<float> numbers = Numbers(9, columns * kPanel);
      for (size_t i = 0; i < numbers.size(); ++i) weights[i / kPanel].lane[i % kPanel] = numbers[i];
      for (size_t l = 0; l < kPanel; ++l) {
        scales.lane[l] = l == 3 ? 0.0f : 0.03f / static_cast<float>(1 + l % 3);
        for (size_t b = 0; b < blocks; ++b)
          multipliers[b].lane[l] = static_cast<float>(kLatticeMultipliers[(l + b) % 4]);
      }
      std::vector<float> first;
      OnEveryTarget([&](const std::string&) {
        std::vector<int8_t> n(blocks * kLatticeBlock * kPanel);
        RoundLatticePanel({fine_bits, columns, scales.lane, multipliers[0].lane}, weights[0].lane,
                          rounded[0].lane, n.data());
        std::vector<float> all(n.begin(), n.end());
        for (const Row& row : rounded) all.insert(all.end(), row.lane, row.lane + kPanel);
        for (size_t group = 0; group < blocks * 4; ++group) {
          for (size_t l = 0; l < kPanel; ++l) {
            const float scale = scales.lane[l], multiplier = multipliers[group / 4].lane[l];
            Targets targets = {};
            int8_t of_lane[kLatticeGroup], point[kLatticeGroup], found[kLatticeGroup][kPanel];
            alignas(64) float distances[kPanel];
            for (size_t i = 0; i < kLatticeGroup; ++i) {
              of_lane[i] = n[(group * kLatticeGroup + i) * kPanel + l];
              const size_t column = group / 4 * kLatticeBlock + LatticeColumn(group % 4, i);
              if (column < columns && scale > 0)
                targets.of[i][l] = weights[column].lane[l] / (4 * scale * multiplier);
            }
            ClosestLatticePoints(fine_bits, targets.of, found, distances);
            CHECK(SquaredDistance(targets, l, of_lane) == doctest::Approx(double{distances[l]}));
            LatticePoint(of_lane, point);
            for (size_t i = 0; i < kLatticeGroup; ++i) {
              const size_t column = group / 4 * kLatticeBlock + LatticeColumn(group % 4, i);
              if (column >= columns) continue;
              CHECK(rounded[column].lane[l] == scale * (multiplier * static_cast<float>(point[i])));
            }
          }
        }
        if (first.empty()) first = all;
        CheckSameBits(all, first);
      });
    }
  }
}

}  // namespace
}  // namespace cllm
