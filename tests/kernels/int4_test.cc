#include "kernels/int4.h"

#include "base/layout.h"
#include "tests/kernels/integer_product.h"

namespace cllm {
namespace {

using testing::CheckIntegerProduct;
using testing::IntegerInputs;
using testing::IntegerProduct;
using testing::OnEveryTarget;

// A matrix of whole panels, its padding at random, too: only inputs of 0 make it vanish.
struct Matrix {
  size_t depth;
  std::vector<uint8_t> weights, groups;
  std::vector<uint16_t> scales;

  Matrix(size_t rows, size_t columns, bool extreme)
      : depth((columns + 7) / 8 * 8),
        weights(testing::WeightBytes(rows * depth / 2, extreme, 255, 0)),
        groups(rows * I4Groups(columns)),
        scales(testing::WeightScales(rows)) {
    for (size_t i = 0; i < groups.size(); ++i) {
      groups[i] = extreme ? (i % 3 != 0 ? 0xFF : 0x0F) : static_cast<uint8_t>(Random(1, 2, i));
    }
  }

  int At(size_t row, size_t k) const {
    const size_t panel = row / 16, j = row % 16, pair = k / 64;
    const int byte = weights[((panel * depth / 8 + k / 8) * 16 + j) * 4 + k % 4];
    const int half = k % 8 < 4 ? byte & 15 : byte >> 4;
    const int group = groups[((panel * I4Groups(depth) / 2 + pair) * 16 + j) * 2 + k / 32 % 2];
    return (2 * half - 7 - group / 16) * (group % 16);
  }
};

void CheckProduct(const IntegerProduct& s, bool accumulate, size_t panel_begin) {
  INFO("rows ", s.rows, " depth ", s.columns, " panels ", s.panels, " extreme ", s.extreme);
  const Matrix w(s.panels * 16, s.columns, s.extreme);
  IntegerInputs x(s, 16);
  CheckIntegerProduct(s, w, x, accumulate, panel_begin, [&](float* y, size_t y_stride) {
    GemmInt4({x.rows(), w.weights.data(), w.groups.data(), w.scales.data(), y, y_stride, s.rows, w.depth,
              panel_begin, s.panels, accumulate});
  });
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
    CheckProduct({2, 65536, 1, true, true}, false, 0);
  });
}

TEST_CASE("DequantizeInt4Row") {
  for (size_t columns : {1, 4, 7, 16, 33, 172}) {
    const Matrix w(32, columns, false);
    testing::CheckDequantized(w, columns, [&](size_t row, float* out) {
      DequantizeInt4Row(w.weights.data(), w.groups.data(), w.scales.data(), columns, row, out);
    });
  }
}

}  // namespace
}  // namespace cllm
