#include "kernels/int4.h"

#include <algorithm>
#include <cmath>

#include "base/bf16.h"
#include "base/layout.h"
#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Number;
using testing::Numbers;
using testing::OnEveryTarget;

struct Product {
  size_t rows, depth, panels;
  bool extreme;  // all magnitudes at their largest
};

// A matrix of whole panels, its padding at random, too: only inputs of 0 make it vanish.
struct Matrix {
  size_t depth;
  std::vector<uint8_t> weights, groups;
  std::vector<uint16_t> scales;

  Matrix(size_t rows, size_t columns, bool extreme)
      : depth((columns + 7) / 8 * 8),
        weights(rows * depth / 2),
        groups(rows * I4Groups(columns)),
        scales(rows) {
    for (size_t i = 0; i < weights.size(); ++i) {
      weights[i] = extreme ? (i / 7 % 2 != 0 ? 255 : 0) : static_cast<uint8_t>(Random(1, 1, i));
    }
    for (size_t i = 0; i < groups.size(); ++i) {
      groups[i] = extreme ? (i % 3 != 0 ? 0xFF : 0x0F) : static_cast<uint8_t>(Random(1, 2, i));
    }
    for (size_t i = 0; i < rows; ++i) scales[i] = Bf16RoundUp(std::fabs(Number(2, i)) * 0.01f);
  }

  // In units of the row's scale.
  int At(size_t row, size_t k) const {
    const size_t panel = row / 16, j = row % 16, pair = k / 64;
    const int byte = weights[((panel * depth / 8 + k / 8) * 16 + j) * 4 + k % 4];
    const int half = k % 8 < 4 ? byte & 15 : byte >> 4;
    const int group = groups[((panel * I4Groups(depth) / 2 + pair) * 16 + j) * 2 + k / 32 % 2];
    return (2 * half - 7 - group / 16) * (group % 16);
  }
};

// Inputs of `depth` numbers a row, with their sums; zeros up to whole 16, anything behind.
struct Inputs {
  size_t stride;
  std::vector<int8_t> q;
  std::vector<RowScale> scales;
  std::vector<int16_t> group_sums;

  explicit Inputs(const Product& s)
      : stride((s.depth + 63) / 64 * 64 + 64),
        q(s.rows * stride, 55),
        scales(s.rows),
        group_sums(s.rows * stride / 16, 77) {
    for (size_t r = 0; r < s.rows; ++r) {
      int8_t* row = q.data() + r * stride;
      std::fill(row, row + (s.depth + 15) / 16 * 16, int8_t{0});
      int16_t* sums = group_sums.data() + r * stride / 16 + stride / 32;
      std::fill(sums, sums + (s.depth + 63) / 64 * 2, int16_t{0});
      for (size_t k = 0; k < s.depth; ++k) {
        const int value = s.extreme ? 127 : static_cast<int>(Random(4, r, k) % 255) - 127;
        row[k] = static_cast<int8_t>(r % 2 != 0 ? -value : value);
        sums[k / 32] = static_cast<int16_t>(sums[k / 32] + row[k]);
      }
      for (size_t g = 0; g < stride / 32; ++g) sums[g - stride / 32] = static_cast<int16_t>(-8 * sums[g]);
      scales[r] = {std::fabs(Number(3, r)), 0};
    }
  }
};

void CheckProduct(const Product& s, bool accumulate, size_t panel_begin) {
  INFO("rows ", s.rows, " depth ", s.depth, " panels ", s.panels, " extreme ", s.extreme);
  const Matrix w(s.panels * 16, s.depth, s.extreme);
  Inputs x(s);
  const size_t y_stride = s.panels * 16 + 16;
  std::vector<float> got = Numbers(5, s.rows * y_stride + 1), want = got;
  GemmInt4({{x.q.data(), x.stride, x.scales.data(), x.group_sums.data()},
            w.weights.data(),
            w.groups.data(),
            w.scales.data(),
            got.data(),
            y_stride,
            s.rows,
            w.depth,
            panel_begin,
            s.panels,
            accumulate});
  for (size_t r = 0; r < s.rows; ++r) {
    for (size_t row = panel_begin * 16; row < s.panels * 16; ++row) {
      int64_t sum = 0;
      for (size_t k = 0; k < s.depth; ++k) sum += int64_t{x.q[r * x.stride + k]} * w.At(row, k);
      const float scaled = static_cast<float>(static_cast<int32_t>(sum)) * Bf16ToFloat(w.scales[row]);
      const float value = scaled * x.scales[r].scale;
      float& y = want[r * y_stride + row];
      y = accumulate ? y + value : value;
    }
  }
  CheckSameBits(got, want);
}

TEST_CASE("GemmInt4 is exact for all small shapes") {
  OnEveryTarget([](const std::string&) {
    for (size_t rows = 0; rows <= 26; ++rows) {
      for (size_t panels : {1, 2, 3}) {
        for (size_t depth : {4, 8, 20, 32, 36, 64, 100, 172}) {
          CheckProduct({rows, depth, panels, false}, rows % 2 != 0, 0);
          CheckProduct({rows, depth, panels, rows % 3 == 0}, rows % 2 == 0, panels / 2);
        }
      }
    }
  });
}

TEST_CASE("GemmInt4: every depth up to four groups and one") {
  OnEveryTarget([](const std::string&) {
    for (size_t depth = 1; depth <= 129; ++depth) {
      CheckProduct({1, depth, 1, depth % 3 == 0}, false, 0);
      CheckProduct({5, depth, 1, false}, true, 0);
    }
  });
}

TEST_CASE("GemmInt4 neither saturates nor overflows, and beyond 48,992 columns sums are modulo 2^32") {
  OnEveryTarget([](const std::string&) {
    for (size_t rows : {1, 2, 13}) {
      CheckProduct({rows, 4096, 3, true}, false, 0);
      CheckProduct({rows, 2052, 7, false}, false, 0);
    }
    CheckProduct({2, 65536, 1, true}, false, 0);
  });
}

TEST_CASE("DequantizeInt4Row") {
  for (size_t columns : {1, 4, 7, 16, 33, 172}) {
    const Matrix w(32, columns, false);
    for (size_t row = 0; row < 32; ++row) {
      std::vector<float> got((columns + 15) / 16 * 16, 9.0f), want(got.size(), 0.0f);
      DequantizeInt4Row(w.weights.data(), w.groups.data(), w.scales.data(), columns, row, got.data());
      for (size_t k = 0; k < columns; ++k) {
        want[k] = static_cast<float>(w.At(row, k)) * Bf16ToFloat(w.scales[row]);
      }
      CheckSameBits(got, want);
    }
  }
}

}  // namespace
}  // namespace cllm
