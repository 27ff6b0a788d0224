#include "kernels/vector.h"

#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Numbers;
using testing::OnEveryTarget;

TEST_CASE("Add and SumOfSquares, bit for bit") {
  OnEveryTarget([](const std::string&) {
    for (size_t n = 0; n <= 112; n += 16) {
      const std::vector<float> x = Numbers(1, n + 1);
      std::vector<float> y = Numbers(2, n + 1), want = y, squares(n);
      Add(x.data(), n, y.data());
      for (size_t i = 0; i < n; ++i) {
        want[i] += x[i];
        squares[i] = x[i] * x[i];
      }
      CheckSameBits(y, want);
      CHECK(testing::Bits(SumOfSquares(x.data(), n)) == testing::Bits(testing::SumInOrder(squares)));
    }
  });
}

TEST_CASE("GatherRow and ScatterAddRow") {
  for (size_t columns : {1, 8, 16, 21}) {
    const size_t rows = 32;
    const std::vector<float> panels = Numbers(4, rows * columns), x = Numbers(5, columns);
    for (size_t row = 0; row < rows; ++row) {
      std::vector<float> got((columns + 15) / 16 * 16, 9.0f), want(got.size(), 0.0f);
      std::vector<float> sum = panels, want_sum = panels;
      GatherRow(panels.data(), columns, row, got.data());
      ScatterAddRow(x.data(), columns, row, sum.data());
      for (size_t k = 0; k < columns; ++k) {
        const size_t at = row / 16 * columns * 16 + k * 16 + row % 16;
        want[k] = panels[at];
        want_sum[at] += x[k];
      }
      CheckSameBits(got, want);
      CheckSameBits(sum, want_sum);
    }
  }
}

}  // namespace
}  // namespace cllm
