#include "kernels/quantize.h"

#include <algorithm>
#include <cmath>

#include "base/layout.h"
#include "kernels/activation.h"
#include "kernels/norm.h"
#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Number;
using testing::OnEveryTarget;
using testing::PaddedRows;

TEST_CASE("QuantizeRows rounds to nearest even and clears the padding") {
  OnEveryTarget([](const std::string&) {
    for (size_t count = 1; count <= 67; ++count) {
      const size_t rows = 3, padded = PaddedRow(count), stride = padded + 16,
                   q_stride = padded + count % 3 * 4;
      std::vector<float> x(rows * stride);
      for (size_t i = 0; i < x.size(); ++i) {
        if (i % stride < count) x[i] = Number(count, i);
      }
      // Row 1: all below the floor of the scale. Row 2: ties.
      for (size_t i = 0; i < count; ++i) x[stride + i] *= 1e-30f;
      for (size_t i = 0; i < count; ++i) x[2 * stride + i] = static_cast<float>(i % 20) - 9.5f;
      x[2 * stride] = 127.0f;
      std::vector<int8_t> q(rows * q_stride + 16, 77);
      std::vector<RowScale> scales(rows);
      QuantizeRows(x.data(), stride, rows, count, {q.data(), q_stride, scales.data()});
      for (size_t r = 0; r < rows; ++r) {
        float magnitude = 1e-20f;
        for (size_t i = 0; i < count; ++i) magnitude = std::max(magnitude, std::fabs(x[r * stride + i]));
        const float factor = 127.0f / magnitude;
        int32_t sum = 0;
        bool same = true;
        for (size_t i = 0; i < padded; ++i) {
          const float want = i < count ? std::nearbyint(x[r * stride + i] * factor) : 0.0f;
          same = same && static_cast<float>(q[r * q_stride + i]) == want;
          sum += static_cast<int32_t>(want);
        }
        CHECK_MESSAGE(same, "count ", count, " row ", r);
        CHECK(scales[r].scale == magnitude / 127.0f);
        CHECK(scales[r].sum == sum);
      }
      for (size_t i = 0; i < q.size(); ++i) {
        if (i >= rows * q_stride || i % q_stride >= padded) CHECK(q[i] == 77);
      }
    }
  });
}

TEST_CASE("QuantizeRows keeps within its range for values that are not finite") {
  OnEveryTarget([](const std::string&) {
    std::vector<float> x(32, 1.0f);
    x[3] = NAN, x[5] = INFINITY, x[20] = -INFINITY;
    std::vector<int8_t> q(32);
    RowScale scale;
    QuantizeRows(x.data(), 32, 1, 32, {q.data(), 32, &scale});
    int32_t sum = 0;
    for (int8_t value : q) {
      CHECK(value >= -127);
      sum += value;
    }
    CHECK(scale.sum == sum);
    CHECK(scale.scale == INFINITY);
  });
}

struct Quantized {
  std::vector<int8_t> q;
  std::vector<RowScale> scales;
  Quantized(size_t rows, size_t count) : q(rows * PaddedRow(count), 77), scales(rows) {}
  QuantizedRows rows() { return {q.data(), q.size() / scales.size(), scales.data()}; }
};

void CheckSame(const Quantized& got, const Quantized& want) {
  CHECK(got.q == want.q);
  for (size_t r = 0; r < want.scales.size(); ++r) {
    CHECK(got.scales[r].scale == want.scales[r].scale);
    CHECK(got.scales[r].sum == want.scales[r].sum);
  }
}

TEST_CASE("RmsNormQuantize is RmsNorm, then QuantizeRows") {
  OnEveryTarget([](const std::string&) {
    for (size_t count = 1; count <= 67; ++count) {
      const size_t rows = 3, padded = PaddedRow(count);
      const std::vector<float> x = PaddedRows(1, rows, count), weight = PaddedRows(2, 1, count);
      std::vector<float> want(rows * padded), got(rows * padded, 7.0f);
      Quantized want_q(rows, count), got_q(rows, count);
      RmsNorm(x.data(), weight.data(), 1e-5f, rows, count, want.data(), nullptr);
      QuantizeRows(want.data(), padded, rows, count, want_q.rows());
      RmsNormQuantize(x.data(), weight.data(), 1e-5f, rows, count, got.data(), got_q.rows());
      CheckSameBits(got, want);
      CheckSame(got_q, want_q);
    }
  });
}

TEST_CASE("SwiGluQuantize is SwiGlu, then QuantizeRows") {
  OnEveryTarget([](const std::string&) {
    for (size_t count = 1; count <= 67; ++count) {
      const size_t rows = 3, padded = PaddedRow(count);
      std::vector<float> gate_up(rows * 2 * padded);
      for (size_t i = 0; i < gate_up.size(); ++i) {
        const size_t k = i % (2 * padded) / 32 * 16 + i % 16;
        if (k < count) gate_up[i] = Number(3, i);
      }
      std::vector<float> want(rows * padded), got(rows * padded, 7.0f);
      Quantized want_q(rows, count), got_q(rows, count);
      Activate(Variant(), gate_up.data(), rows, padded, want.data());
      QuantizeRows(want.data(), padded, rows, count, want_q.rows());
      SwiGluQuantize(gate_up.data(), rows, count, got.data(), got_q.rows());
      CheckSameBits(got, want);
      CheckSame(got_q, want_q);
    }
  });
}

}  // namespace
}  // namespace cllm
