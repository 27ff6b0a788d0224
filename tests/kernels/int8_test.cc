#include "kernels/int8.h"

#include <algorithm>
#include <cfenv>
#include <cmath>

#include "base/bf16.h"
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

void CheckProduct(const Product& s, bool accumulate, size_t panel_begin) {
  INFO("rows ", s.rows, " depth ", s.depth, " panels ", s.panels, " extreme ", s.extreme);
  const size_t q_stride = s.depth + 8, y_stride = s.panels * 16 + 16;
  std::vector<int8_t> q(s.rows * q_stride, 55);
  std::vector<uint8_t> w(s.panels * 16 * s.depth);
  std::vector<uint16_t> weight_scales(s.panels * 16);
  std::vector<RowScale> scales(s.rows);
  for (size_t i = 0; i < w.size(); ++i) {
    w[i] = s.extreme ? (i / 7 % 2 != 0 ? 255 : 1) : static_cast<uint8_t>(Random(1, 1, i));
  }
  for (size_t i = 0; i < weight_scales.size(); ++i) {
    weight_scales[i] = Bf16RoundUp(std::fabs(Number(2, i)) * 0.01f);
  }
  for (size_t r = 0; r < s.rows; ++r) {
    scales[r] = {std::fabs(Number(3, r)), 0};
    for (size_t k = 0; k < s.depth; ++k) {
      const int value = s.extreme ? 127 : static_cast<int>(Random(4, r, k) % 255) - 127;
      q[r * q_stride + k] = static_cast<int8_t>(r % 2 != 0 ? -value : value);
      scales[r].sum += q[r * q_stride + k];
    }
  }
  std::vector<float> got = Numbers(5, s.rows * y_stride + 1), want = got;
  GemmInt8({q.data(), q_stride, scales.data(), w.data(), weight_scales.data(), got.data(), y_stride, s.rows,
            s.depth, panel_begin, s.panels, accumulate});
  for (size_t r = 0; r < s.rows; ++r) {
    for (size_t p = panel_begin; p < s.panels; ++p) {
      for (size_t j = 0; j < 16; ++j) {
        int64_t sum = 0;
        for (size_t k = 0; k < s.depth; ++k) {
          const int weight = w[p * 16 * s.depth + k / 4 * 64 + j * 4 + k % 4] - 128;
          sum += int64_t{q[r * q_stride + k]} * weight;
        }
        const float scaled = static_cast<float>(sum) * Bf16ToFloat(weight_scales[p * 16 + j]);
        const float value = scaled * scales[r].scale;
        float& y = want[r * y_stride + p * 16 + j];
        y = accumulate ? y + value : value;
      }
    }
  }
  CheckSameBits(got, want);
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
    const size_t rows = 32, depth = (columns + 3) / 4 * 4;
    std::vector<uint8_t> w(rows * depth);
    for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<uint8_t>(Random(6, 1, i));
    std::vector<uint16_t> scales(rows);
    for (size_t i = 0; i < rows; ++i) scales[i] = Bf16RoundUp(std::fabs(Number(7, i)));
    for (size_t row = 0; row < rows; ++row) {
      std::vector<float> got((columns + 15) / 16 * 16, 9.0f), want(got.size(), 0.0f);
      DequantizeRow(w.data(), scales.data(), columns, row, got.data());
      for (size_t k = 0; k < columns; ++k) {
        const int weight = w[row / 16 * 16 * depth + k / 4 * 64 + row % 16 * 4 + k % 4] - 128;
        want[k] = static_cast<float>(weight) * Bf16ToFloat(scales[row]);
      }
      CheckSameBits(got, want);
    }
  }
}

}  // namespace
}  // namespace cllm
