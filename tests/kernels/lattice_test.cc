#include "kernels/lattice.h"

#include <algorithm>
#include <cmath>

#include "base/bf16.h"
#include "base/layout.h"
#include "kernels/lattice_code.h"
#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Number;
using testing::Numbers;
using testing::OnEveryTarget;

struct Product {
  int fine_bits;
  size_t rows, columns, panels;
  bool extreme;  // all magnitudes at their largest
};

// A matrix of whole panels, its padding at random, too: only inputs of 0 make it vanish.
struct Matrix {
  int fine_bits;
  size_t blocks;
  std::vector<uint8_t> weights, multipliers;
  std::vector<uint16_t> scales;

  Matrix(const Product& s)  // NOLINT: a product's matrix
      : fine_bits(s.fine_bits),
        blocks((s.columns + 31) / 32),
        weights(s.panels * blocks * LatticeBlockBytes(s.fine_bits)),
        multipliers(s.panels * 16 * ((blocks + 3) / 4)),
        scales(s.panels * 16) {
    for (size_t i = 0; i < weights.size(); ++i) {
      // Pattern 255 has a sum of magnitudes as large as any.
      weights[i] = s.extreme ? (i / 7 % 2 != 0 ? 255 : 240) : static_cast<uint8_t>(Random(1, 1, i));
    }
    for (size_t i = 0; i < multipliers.size(); ++i) {
      multipliers[i] = s.extreme ? 255 : static_cast<uint8_t>(Random(1, 2, i));
    }
    for (size_t i = 0; i < scales.size(); ++i) scales[i] = Bf16RoundUp(std::fabs(Number(2, i)) * 0.01f);
  }

  // In units of the row's scale, by the words of schemas/FORMAT.md.
  int At(size_t row, size_t k) const {
    const size_t b = static_cast<size_t>(fine_bits), block = k / 32, group = k % 4,
                 bytes_before = row / 16 * blocks + block;
    uint8_t bytes[4] = {};
    for (size_t j = 0; j < 2 + b; ++j) {
      bytes[j] = weights[((bytes_before * (2 + b) + j) * 16 + row % 16) * 4 + group];
    }
    int sum = 0, n[8];
    for (size_t i = 0; i < 8; ++i) {
      const int m = LatticePattern(bytes[0], i);
      const size_t bit = b == 0 ? i : i % 2 + 4 * (i / 4), byte = b == 0 ? 1 : 1 + i / 2 % 2;
      const int c = (bytes[byte] >> bit & 1) != 0 ? -1 - m : m;
      const int high = b == 0 ? 0 : bytes[byte] >> (bit + 2) & 1, low = b == 2 ? bytes[3] >> i & 1 : 0;
      n[i] = b == 2 ? 4 * c + 2 * high + low : b == 1 ? 2 * c + high : c;
      sum += n[i];
    }
    const size_t multiplier_bytes = (blocks + 3) / 4;
    const uint8_t indices = multipliers[(row / 16 * multiplier_bytes + block / 4) * 16 + row % 16];
    return (4 * n[k % 32 / 4] + 1 + 2 * (sum & 1)) * kLatticeMultipliers[indices >> block % 4 * 2 & 3];
  }
};

// Inputs of `columns` numbers a row, with their sums; zeros up to whole 32, anything behind.
struct Inputs {
  size_t stride;
  std::vector<int8_t> q;
  std::vector<RowScale> scales;
  std::vector<int16_t> group_sums;

  explicit Inputs(const Product& s)
      : stride((s.columns + 63) / 64 * 64 + 64),
        q(s.rows * stride, 55),
        scales(s.rows),
        group_sums(s.rows * stride / 16, 77) {
    for (size_t r = 0; r < s.rows; ++r) {
      int8_t* row = q.data() + r * stride;
      std::fill(row, row + (s.columns + 31) / 32 * 32, int8_t{0});
      int16_t* sums = group_sums.data() + r * stride / 16 + stride / 32;
      std::fill(sums, sums + (s.columns + 31) / 32, int16_t{0});
      for (size_t k = 0; k < s.columns; ++k) {
        const int value = s.extreme ? 127 : static_cast<int>(Random(4, r, k) % 255) - 127;
        row[k] = static_cast<int8_t>(r % 2 != 0 ? -value : value);
        sums[k / 32] = static_cast<int16_t>(sums[k / 32] + row[k]);
      }
      scales[r] = {std::fabs(Number(3, r)), 0};
    }
  }
};

void CheckProduct(const Product& s, bool accumulate, size_t panel_begin) {
  INFO("fine bits ", s.fine_bits, " rows ", s.rows, " columns ", s.columns, " panels ", s.panels, " extreme ",
       s.extreme);
  const Matrix w(s);
  Inputs x(s);
  const size_t y_stride = s.panels * 16 + 16;
  std::vector<float> got = Numbers(5, s.rows * y_stride + 1), want = got;
  GemmLattice({{x.q.data(), x.stride, x.scales.data(), x.group_sums.data()},
               s.fine_bits,
               w.weights.data(),
               w.multipliers.data(),
               w.scales.data(),
               got.data(),
               y_stride,
               s.rows,
               w.blocks * 32,
               panel_begin,
               s.panels,
               accumulate});
  for (size_t row = panel_begin * 16; row < s.panels * 16; ++row) {
    std::vector<int> weights(s.columns);
    for (size_t k = 0; k < s.columns; ++k) weights[k] = w.At(row, k);
    for (size_t r = 0; r < s.rows; ++r) {
      int64_t sum = 0;
      for (size_t k = 0; k < s.columns; ++k) sum += int64_t{x.q[r * x.stride + k]} * weights[k];
      REQUIRE(sum == static_cast<int32_t>(sum));
      const float scaled = static_cast<float>(static_cast<int32_t>(sum)) * Bf16ToFloat(w.scales[row]);
      const float value = scaled * x.scales[r].scale;
      float& y = want[r * y_stride + row];
      y = accumulate ? y + value : value;
    }
  }
  CheckSameBits(got, want);
}

TEST_CASE("the patterns are the 256 nearest to the origin, in order") {
  std::vector<std::vector<int>> all;
  for (int number = 0; number < 65536; ++number) {
    std::vector<int> key = {0};
    for (int i = 7; i >= 0; --i) key.push_back(number >> 2 * i & 3);
    for (size_t i = 1; i <= 8; ++i) key[0] += (2 * key[i] + 1) * (2 * key[i] + 1);
    all.push_back(key);
  }
  std::sort(all.begin(), all.end());
  for (size_t index = 0; index < kLatticePatterns; ++index) {
    for (size_t i = 0; i < kLatticeGroup; ++i) CHECK(LatticePattern(index, i) == all[index][i + 1]);
  }
}

TEST_CASE("lattice groups survive packing, and their points are in E8 moved by a quarter") {
  for (int fine_bits = 0; fine_bits <= 2; ++fine_bits) {
    int most = 0;
    std::vector<uint8_t> block(LatticeBlockBytes(fine_bits), 0);
    for (uint64_t trial = 0; trial < 4000; ++trial) {
      const uint64_t random = Random(1, 3, trial);
      const auto byte = [&](int i) { return static_cast<uint8_t>(random >> 8 * i); };
      const LatticeGroup code = {
          byte(0), byte(1), {fine_bits > 0 ? byte(2) : uint8_t{0}, fine_bits > 1 ? byte(3) : uint8_t{0}}};
      const size_t row = trial % 16, group = trial / 16 % 4;
      PackLatticeGroup(code, fine_bits, row, group, block.data());
      const LatticeGroup back = UnpackLatticeGroup(block.data(), fine_bits, row, group);
      CHECK(back.pattern == code.pattern);
      CHECK(back.signs == code.signs);
      CHECK(back.fine[0] == code.fine[0]);
      CHECK(back.fine[1] == code.fine[1]);
      int8_t n[8], point[8];
      LatticeIntegers(code, fine_bits, n);
      LatticePoint(n, point);
      int sum = 0, magnitude = 0;
      for (size_t i = 0; i < 8; ++i) {
        CHECK(((point[i] - point[0]) % 4 == 0 && (point[i] & 1) == 1));
        sum += (point[i] - (point[0] % 4 + 4) % 4) / 4;
        magnitude += std::abs(point[i]);
      }
      CHECK((sum & 1) == ((point[0] % 4 + 4) % 4 == 3 ? 1 : 0));
      most = std::max(most, magnitude);
    }
    CHECK(most <= 180);
  }
}

TEST_CASE("GemmLattice is exact for all small shapes") {
  OnEveryTarget([](const std::string&) {
    for (int fine_bits = 0; fine_bits <= 2; ++fine_bits) {
      for (size_t rows : {0, 1, 2, 3, 4, 5, 7, 11, 12, 13, 25, 48, 49, 97}) {
        for (size_t columns : {4, 33, 100, 172}) {
          CheckProduct({fine_bits, rows, columns, 2, false}, rows % 2 != 0, rows % 3 == 0 ? 1 : 0);
        }
      }
      for (size_t columns = 1; columns <= 65; ++columns) {
        CheckProduct({fine_bits, 1, columns, 1, columns % 3 == 0}, false, 0);
        CheckProduct({fine_bits, 3, columns, 1, columns % 2 == 0}, true, 0);
      }
    }
  });
}

TEST_CASE("GemmLattice neither saturates nor overflows") {
  OnEveryTarget([](const std::string&) {
    for (int fine_bits = 0; fine_bits <= 2; ++fine_bits) {
      for (size_t rows : {1, 2, 13}) {
        CheckProduct({fine_bits, rows, 4096, 2, true}, false, 0);
        CheckProduct({fine_bits, rows, 290, 7, false}, false, 0);
      }
      CheckProduct({fine_bits, 2, 65536, 1, true}, false, 0);
    }
  });
}

TEST_CASE("DequantizeLatticeRow") {
  for (int fine_bits = 0; fine_bits <= 2; ++fine_bits) {
    for (size_t columns : {1, 7, 33, 172}) {
      const Matrix w({fine_bits, 0, columns, 2, false});
      for (size_t row = 0; row < 32; ++row) {
        std::vector<float> got((columns + 15) / 16 * 16, 9.0f), want(got.size(), 0.0f);
        DequantizeLatticeRow({fine_bits, w.weights.data(), w.multipliers.data(), w.scales.data(), columns},
                             row, got.data());
        for (size_t k = 0; k < columns; ++k) {
          want[k] = static_cast<float>(w.At(row, k)) * Bf16ToFloat(w.scales[row]);
        }
        CheckSameBits(got, want);
      }
    }
  }
}

}  // namespace
}  // namespace cllm
