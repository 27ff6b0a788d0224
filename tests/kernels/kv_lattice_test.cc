// Keys and values on the lattice: the closest points against a search by brute force in integers, and the
// transform that heads go through before, on every target.
#include "kernels/kv_lattice.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "doctest/doctest.h"
#include "kernels/every_target.h"
#include "kernels/hadamard.h"
#include "kernels/lattice_cache.h"

namespace cllm {
namespace {

using testing::Cache;
using testing::Coordinates;
using testing::Floats;
using testing::Rows;

// What a number is rounded from, in 64ths of a coordinate.
int Target(float x, float scale) { return static_cast<int>(std::nearbyint(x * (64.0f / scale))); }

int64_t Distance(const int* targets, const int* x) {
  int64_t sum = 0;
  for (int i = 0; i < 8; ++i) sum += int64_t{targets[i] - 64 * x[i]} * (targets[i] - 64 * x[i]);
  return sum;
}

// The least squared distance of any point: in each coset all combinations of the four nearest integers that a
// coordinate can have, one half of the coordinates and then the other, by the parity of its sum.
int64_t LeastDistance(const int* targets) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int parity = 0; parity < 2; ++parity) {
    int64_t half[2][2];
    for (int which = 0; which < 2; ++which) {
      half[which][0] = half[which][1] = std::numeric_limits<int64_t>::max() / 2;
      for (int code = 0; code < 256; ++code) {
        int sum = 0;
        int64_t distance = 0;
        for (int i = 0; i < 4; ++i) {
          const int target = targets[4 * which + i] - 64 * parity;
          const int first = std::min(std::max(static_cast<int>(std::floor(target / 128.0)) - 1, -8), 4);
          const int n = first + (code >> 2 * i & 3);
          sum += n;
          distance += int64_t{target - 128 * n} * (target - 128 * n);
        }
        half[which][sum & 1] = std::min(half[which][sum & 1], distance);
      }
    }
    for (int odd = 0; odd < 2; ++odd) least = std::min(least, half[0][odd] + half[1][odd ^ parity]);
  }
  return least;
}

// The scale nearest to x, by trying all.
float NearestScale(float x) {
  float best = LatticeScale(0);
  for (int byte = 1; byte < 256; ++byte) {
    const float scale = LatticeScale(static_cast<uint8_t>(byte));
    // In the float's bits, between powers of two, distances are even; ties go up.
    if (scale - x <= x - best) best = scale;
  }
  return best;
}

TEST_CASE("a group becomes the closest of all points, by brute force, and the same one on every target") {
  for (const size_t head_size : {8, 24, 64, 136}) {
    CAPTURE(head_size);
    const size_t heads = 3, count = 3, position = 14, stride = heads * head_size + 5;
    const Floats x = Rows(count * stride, static_cast<uint32_t>(head_size));
    const LatticeRows rows = {x.data(), stride, heads, head_size, position, count};
    Cache first(heads, head_size, 40);
    REQUIRE(UseTarget("SCALAR"));
    WriteLattice(rows, first.Head(0), first.context);
    for (size_t row = 0; row < count; ++row) {
      for (size_t head = 0; head < heads; ++head) {
        const float* from = &x[row * stride + head * head_size];
        float largest = 0.0f;
        for (size_t i = 0; i < head_size; ++i) largest = std::max(largest, std::abs(from[i]));
        const LatticeHead cache = first.Head(head);
        const float scale = LatticeScale(cache.scales[position + row]);
        CHECK(scale == NearestScale(largest / 15.0f));
        for (size_t group = 0; group < head_size / 8; ++group) {
          int got[8], targets[8];
          Coordinates(cache.words, head_size, position + row, group, got);
          for (int i = 0; i < 8; ++i) targets[i] = Target(from[group * 8 + static_cast<size_t>(i)], scale);
          CHECK(Distance(targets, got) == LeastDistance(targets));
        }
      }
    }
    testing::OnEveryTarget([&](const std::string& /*name*/) {
      Cache cache(heads, head_size, 40);
      WriteLattice(rows, cache.Head(0), cache.context);
      CHECK(cache.words == first.words);
      CHECK(cache.scales == first.scales);
    });
  }
}

TEST_CASE("every word is a point of E8, and infinities and NaN give some word") {
  std::mt19937 random(1);
  for (int trial = 0; trial < 1000; ++trial) {
    const auto word = static_cast<uint32_t>(random());
    uint8_t bytes[64] = {};
    std::memcpy(bytes, &word, 4);
    int x[8], sum = 0;
    Coordinates(bytes, 8, 0, 0, x);
    uint32_t low, high;
    DecodeLatticeWord(word, &low, &high);
    for (int i = 0; i < 8; ++i) {
      const uint32_t half = i < 4 ? low >> 8 * i : high >> 8 * (i - 4);
      CHECK(static_cast<int>(half & 0xFF) - kLatticeOffset == x[i]);
      CHECK((x[i] & 1) == (x[0] & 1));
      sum += x[i];
    }
    // Halves of the coordinates: integers of an even sum, or all of them halves with an odd sum of integers.
    CHECK((x[0] & 1 ? (sum - 8) / 2 % 2 != 0 : sum / 2 % 2 == 0));
  }
  Floats x(16, 1.0f);
  x[3] = std::numeric_limits<float>::infinity();
  x[9] = std::numeric_limits<float>::quiet_NaN();
  x[12] = -1e30f;
  std::vector<Cache> caches;
  testing::OnEveryTarget([&](const std::string& /*name*/) {
    Cache cache(2, 8, 1);
    WriteLattice({x.data(), 16, 2, 8, 0, 1}, cache.Head(0), cache.context);
    caches.push_back(cache);
    CHECK(cache.words == caches[0].words);
    CHECK(cache.scales == caches[0].scales);
  });
}

TEST_CASE("the transform: by its matrix, its own inverse, and the same bits on every target") {
  for (const size_t size : {4, 8, 24, 48, 128}) {
    CAPTURE(size);
    const size_t block = HadamardBlock(size);
    CHECK(size % block == 0);
    CHECK(size / block % 2 == 1);
    const Floats x = Rows(3 * size, 5);
    Floats expected = x;
    REQUIRE(UseTarget("SCALAR"));
    WalshHadamard(expected.data(), 3, size, 1.0f);
    for (size_t i = 0; i < x.size(); ++i) {
      double sum = 0;
      for (size_t k = 0; k < block; ++k) {
        size_t both = i % block & k, odd = 0;
        for (; both != 0; both &= both - 1) odd ^= 1;
        sum += (odd != 0 ? -1.0 : 1.0) * double{x[i / block * block + k]};
      }
      CHECK(double{expected[i]} == doctest::Approx(sum).epsilon(1e-5));
    }
    testing::OnEveryTarget([&](const std::string& /*name*/) {
      Floats got = x;
      WalshHadamard(got.data(), 3, size, 1.0f);
      testing::CheckSameBits(got, expected);
      WalshHadamard(got.data(), 3, size, 1.0f / static_cast<float>(block));
      for (size_t i = 0; i < x.size(); ++i)
        CHECK(double{got[i]} == doctest::Approx(double{x[i]}).epsilon(1e-4));
    });
  }
}

}  // namespace
}  // namespace cllm
