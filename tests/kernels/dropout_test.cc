#include "kernels/dropout.h"

#include "base/random.h"
#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Numbers;

TEST_CASE("DropRow and DropChange: each number by its own 16 bits") {
  const Dropout dropout = MakeDropout(9, 0.25f);
  CHECK(dropout.threshold == 16384);
  for (size_t n = 0; n < 40; ++n) {
    const std::vector<float> x = Numbers(1, n), y = Numbers(2, n);
    std::vector<float> row(n), change = y, want_row(n), want_change(n);
    for (size_t i = 0; i < n; ++i) {
      const bool dropped = (Random(9, 5, 100 + i / 4) >> (i % 4 * 16) & 0xFFFF) < 16384;
      want_row[i] = dropped ? 0.0f : x[i] * (4.0f / 3.0f);
      want_change[i] = dropped ? x[i] : x[i] + (y[i] - x[i]) * (4.0f / 3.0f);
    }
    DropRow(dropout, 100, x.data(), n, row.data());
    DropChange(dropout, 100, x.data(), n, change.data());
    CheckSameBits(row, want_row);
    CheckSameBits(change, want_change);
    CHECK(DropoutDraws(n) == (n + 3) / 4);
  }
}

TEST_CASE("dropout: the share that is dropped, the extremes, and independent seeds and rows") {
  const std::vector<float> ones(65536, 1.0f);
  for (const float share : {0.0f, 0.1f, 0.5f, 0.9f}) {
    const Dropout dropout = MakeDropout(3, share);
    std::vector<float> y(ones.size()), other(ones.size());
    DropRow(dropout, 0, ones.data(), ones.size(), y.data());
    DropRow(dropout, 1u << 20, ones.data(), ones.size(), other.data());
    double sum = 0, both = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += y[i], both += y[i] * other[i];
    // Five deviations of the mean.
    const double deviation = std::sqrt(share / (1 - share) / 65536);
    CHECK(std::abs(sum / 65536 - 1) <= 5 * deviation + 1e-6);
    CHECK(std::abs(both / 65536 - 1) <= 5 * std::sqrt(2.0) / (1 - share) * deviation + 1e-6);
  }
  CHECK(MakeDropout(3, 0.99999999f).scale == 65536.0f);
  CHECK(MakeDropout(3, 0.0f).scale == 1.0f);
}

}  // namespace
}  // namespace cllm
