// What the tests of products with integer weights share: inputs, and the product by its definition.
#ifndef CLLM_TESTS_KERNELS_INTEGER_PRODUCT_H_
#define CLLM_TESTS_KERNELS_INTEGER_PRODUCT_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/bf16.h"
#include "kernels/quantize.h"
#include "tests/kernels/every_target.h"

namespace cllm::testing {

struct IntegerProduct {
  size_t rows, columns, panels;
  bool extreme;           // all magnitudes at their largest
  bool may_wrap = false;  // sums modulo 2^32
};

// Bytes at random, or every few of them the one and the other.
inline std::vector<uint8_t> WeightBytes(size_t count, bool extreme, uint8_t one, uint8_t other) {
  std::vector<uint8_t> bytes(count);
  for (size_t i = 0; i < count; ++i) {
    bytes[i] = extreme ? (i / 7 % 2 != 0 ? one : other) : static_cast<uint8_t>(Random(1, 1, i));
  }
  return bytes;
}

inline std::vector<uint16_t> WeightScales(size_t count) {
  std::vector<uint16_t> scales(count);
  for (size_t i = 0; i < count; ++i) scales[i] = Bf16RoundUp(std::fabs(Number(2, i)) * 0.01f);
  return scales;
}

// Rows with the sums of their groups: zeros up to whole `zeros_to`, anything behind.
struct IntegerInputs {
  size_t stride;
  std::vector<int8_t> q;
  std::vector<RowScale> scales;
  std::vector<int16_t> group_sums;

  IntegerInputs(const IntegerProduct& s, size_t zeros_to)
      : stride((s.columns + 63) / 64 * 64 + 64),
        q(s.rows * stride, 55),
        scales(s.rows),
        group_sums(s.rows * stride / 16, 77) {
    for (size_t r = 0; r < s.rows; ++r) {
      int8_t* row = q.data() + r * stride;
      std::fill(row, row + (s.columns + zeros_to - 1) / zeros_to * zeros_to, int8_t{0});
      int16_t* sums = group_sums.data() + r * stride / 16 + stride / 32;
      std::fill(sums, sums + (s.columns + 63) / 64 * 2, int16_t{0});
      scales[r] = {std::fabs(Number(3, r)), 0};
      for (size_t k = 0; k < s.columns; ++k) {
        const int value = s.extreme ? 127 : static_cast<int>(Random(4, r, k) % 255) - 127;
        row[k] = static_cast<int8_t>(r % 2 != 0 ? -value : value);
        sums[k / 32] = static_cast<int16_t>(sums[k / 32] + row[k]);
        scales[r].sum += row[k];
      }
      for (size_t g = 0; g < stride / 32; ++g) sums[g - stride / 32] = static_cast<int16_t>(-8 * sums[g]);
    }
  }
  QuantizedRows rows() { return {q.data(), stride, scales.data(), group_sums.data()}; }
};

// multiply(y, y_stride) must do, from panel `panel_begin` on and nowhere else, what the integers
// weights.At(row, k), in units of weights.scales[row], do.
template <class Matrix, class Multiply>
void CheckIntegerProduct(const IntegerProduct& s, const Matrix& weights, const IntegerInputs& x,
                         bool accumulate, size_t panel_begin, const Multiply& multiply) {
  const size_t y_stride = s.panels * 16 + 16;
  std::vector<float> got = Numbers(5, s.rows * y_stride + 1), want = got;
  multiply(got.data(), y_stride);
  std::vector<int> integers(s.columns);
  for (size_t row = panel_begin * 16; row < s.panels * 16; ++row) {
    for (size_t k = 0; k < s.columns; ++k) integers[k] = weights.At(row, k);
    for (size_t r = 0; r < s.rows; ++r) {
      int64_t sum = 0;
      for (size_t k = 0; k < s.columns; ++k) sum += int64_t{x.q[r * x.stride + k]} * integers[k];
      const auto wrapped = static_cast<int32_t>(sum);
      REQUIRE((s.may_wrap || sum == wrapped));
      const float scaled = static_cast<float>(wrapped) * Bf16ToFloat(weights.scales[row]);
      const float value = scaled * x.scales[r].scale;
      float& y = want[r * y_stride + row];
      y = accumulate ? y + value : value;
    }
  }
  CheckSameBits(got, want);
}

// dequantize(row, out) must give the floats that the first 32 rows stand for, and zeros to whole 16.
template <class Matrix, class Dequantize>
void CheckDequantized(const Matrix& weights, size_t columns, const Dequantize& dequantize) {
  for (size_t row = 0; row < 32; ++row) {
    std::vector<float> got((columns + 15) / 16 * 16, 9.0f), want(got.size(), 0.0f);
    dequantize(row, got.data());
    for (size_t k = 0; k < columns; ++k) {
      want[k] = static_cast<float>(weights.At(row, k)) * Bf16ToFloat(weights.scales[row]);
    }
    CheckSameBits(got, want);
  }
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_KERNELS_INTEGER_PRODUCT_H_
