#include "kernels/int8.h"

#include "tests/kernels/integer_product.h"

namespace cllm {
namespace {

using testing::CheckIntegerProduct;
using testing::IntegerInputs;
using testing::IntegerProduct;
using testing::OnEveryTarget;

struct Matrix {
  size_t depth;
  std::vector<uint8_t> weights;
  std::vector<uint16_t> scales;

  Matrix(size_t rows, size_t columns, bool extreme)
      : depth((columns + 3) / 4 * 4),
        weights(testing::WeightBytes(rows * depth, extreme, 255, 1)),
        scales(testing::WeightScales(rows)) {}

  int At(size_t row, size_t k) const {
    return weights[row / 16 * 16 * depth + k / 4 * 64 + row % 16 * 4 + k % 4] - 128;
  }
};

void CheckProduct(const IntegerProduct& s, bool accumulate, size_t panel_begin) {
  INFO("rows ", s.rows, " depth ", s.columns, " panels ", s.panels, " extreme ", s.extreme);
  const Matrix w(s.panels * 16, s.columns, s.extreme);
  IntegerInputs x(s, 4);
  CheckIntegerProduct(s, w, x, accumulate, panel_begin, [&](float* y, size_t y_stride) {
    GemmInt8({x.q.data(), x.stride, x.scales.data(), w.weights.data(), w.scales.data(), y, y_stride, s.rows,
              w.depth, panel_begin, s.panels, accumulate});
  });
}

TEST_CASE("GemmInt8 is exact for all small shapes") {
  OnEveryTarget([](const std::string&) {
    for (size_t rows = 0; rows <= 26; ++rows) {
      for (size_t panels : {1, 2, 3, 5}) {
        for (size_t depth : {4, 8, 20, 36}) {
          CheckProduct({rows, depth, panels, false}, rows % 2 != 0, 0);
          CheckProduct({rows, depth, panels, rows % 3 == 0}, rows % 2 == 0, panels / 2);
        }
      }
    }
  });
}

TEST_CASE("GemmInt8 neither saturates nor overflows") {
  OnEveryTarget([](const std::string&) {
    for (size_t rows : {1, 2, 13}) {
      CheckProduct({rows, 4096, 3, true}, false, 0);
      CheckProduct({rows, 2052, 7, false}, false, 0);
    }
  });
}

TEST_CASE("DequantizeRow") {
  for (size_t columns : {1, 4, 7, 16, 33}) {
    const Matrix w(32, columns, false);
    testing::CheckDequantized(w, columns, [&](size_t row, float* out) {
      DequantizeRow(w.weights.data(), w.scales.data(), columns, row, out);
    });
  }
}

}  // namespace
}  // namespace cllm
