#include "kernels/lattice.h"

#include "base/layout.h"
#include "kernels/lattice_code.h"
#include "tests/kernels/integer_product.h"

namespace cllm {
namespace {

using testing::CheckIntegerProduct;
using testing::IntegerInputs;
using testing::IntegerProduct;
using testing::OnEveryTarget;

// A matrix of whole panels, its padding at random, too: only inputs of 0 make it vanish.
struct Matrix {
  int fine_bits;
  size_t blocks;
  std::vector<uint8_t> weights, multipliers;
  std::vector<uint16_t> scales;

  Matrix(int fine, size_t panels, size_t columns, bool extreme)
      : fine_bits(fine),
        blocks((columns + 31) / 32),
        // Pattern 255 has a sum of magnitudes as large as any.
        weights(testing::WeightBytes(panels * blocks * LatticeBlockBytes(fine), extreme, 255, 240)),
        multipliers(panels * 16 * ((blocks + 3) / 4)),
        scales(testing::WeightScales(panels * 16)) {
    for (size_t i = 0; i < multipliers.size(); ++i) {
      multipliers[i] = extreme ? 255 : static_cast<uint8_t>(Random(1, 2, i));
    }
  }

  // By the words of schemas/FORMAT.md.
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

void CheckProduct(int fine_bits, const IntegerProduct& s, bool accumulate, size_t panel_begin) {
  INFO("fine bits ", fine_bits, " rows ", s.rows, " columns ", s.columns, " panels ", s.panels, " extreme ",
       s.extreme);
  const Matrix w(fine_bits, s.panels, s.columns, s.extreme);
  IntegerInputs x(s, 32);
  CheckIntegerProduct(s, w, x, accumulate, panel_begin, [&](float* y, size_t y_stride) {
    GemmLattice({x.rows(), fine_bits, w.weights.data(), w.multipliers.data(), w.scales.data(), y, y_stride,
                 s.rows, w.blocks * 32, panel_begin, s.panels, accumulate});
  });
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
          CheckProduct(fine_bits, {rows, columns, 2, false}, rows % 2 != 0, rows % 3 == 0 ? 1 : 0);
        }
      }
      for (size_t columns = 1; columns <= 65; ++columns) {
        CheckProduct(fine_bits, {1, columns, 1, columns % 3 == 0}, false, 0);
        CheckProduct(fine_bits, {3, columns, 1, columns % 2 == 0}, true, 0);
      }
    }
  });
}

TEST_CASE("GemmLattice neither saturates nor overflows") {
  OnEveryTarget([](const std::string&) {
    for (int fine_bits = 0; fine_bits <= 2; ++fine_bits) {
      for (size_t rows : {1, 2, 13}) {
        CheckProduct(fine_bits, {rows, 4096, 2, true}, false, 0);
        CheckProduct(fine_bits, {rows, 290, 7, false}, false, 0);
      }
      CheckProduct(fine_bits, {2, 65536, 1, true}, false, 0);
    }
  });
}

TEST_CASE("DequantizeLatticeRow") {
  for (int fine_bits = 0; fine_bits <= 2; ++fine_bits) {
    for (size_t columns : {1, 7, 33, 172}) {
      const Matrix w(fine_bits, 2, columns, false);
      testing::CheckDequantized(w, columns, [&](size_t row, float* out) {
        DequantizeLatticeRow({fine_bits, w.weights.data(), w.multipliers.data(), w.scales.data(), columns},
                             row, out);
      });
    }
  }
}

}  // namespace
}  // namespace cllm
