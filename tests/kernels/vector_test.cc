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

// Loshchilov and Hutter, arXiv 1711.05101, algorithm 2, in double.
TEST_CASE("AdamW against double over ten steps; the same bits on every target") {
  const size_t n = 48;
  const double rate = 1e-2, decay = 0.1, beta1 = 0.9, beta2 = 0.99, epsilon = 1e-8, clip = 0.5;
  std::vector<float> first;
  OnEveryTarget([&](const std::string&) {
    std::vector<float> p = Numbers(6, n), m(n, 0.0f), v(n, 0.0f);
    std::vector<double> want(p.begin(), p.end()), want_m(n, 0.0), want_v(n, 0.0);
    for (int t = 1; t <= 10; ++t) {
      std::vector<float> gradient = Numbers(100 + static_cast<uint64_t>(t), n);
      for (size_t i = 0; i < n; ++i) {
        const double g = double{gradient[i]} * clip;
        want_m[i] = beta1 * want_m[i] + (1 - beta1) * g;
        want_v[i] = beta2 * want_v[i] + (1 - beta2) * g * g;
        const double m_hat = want_m[i] / (1 - std::pow(beta1, t)),
                     v_hat = want_v[i] / (1 - std::pow(beta2, t));
        want[i] = want[i] * (1 - rate * decay) - rate * m_hat / (std::sqrt(v_hat) + epsilon);
      }
      const AdamWStep step = {static_cast<float>(rate / (1 - std::pow(beta1, t))),
                              static_cast<float>(1 - rate * decay),
                              static_cast<float>(beta1),
                              static_cast<float>(beta2),
                              static_cast<float>(1 / (1 - std::pow(beta2, t))),
                              static_cast<float>(epsilon),
                              static_cast<float>(clip)};
      AdamW(step, n, p.data(), gradient.data(), m.data(), v.data());
      for (float g : gradient) CHECK(testing::Bits(g) == 0);
    }
    for (size_t i = 0; i < n; ++i) CHECK(std::fabs(double{p[i]} - want[i]) < 1e-5 * (1 + std::fabs(want[i])));
    std::vector<float> all = p;
    all.insert(all.end(), m.begin(), m.end());
    all.insert(all.end(), v.begin(), v.end());
    if (first.empty()) first = all;
    CheckSameBits(all, first);
  });
}

}  // namespace
}  // namespace cllm
