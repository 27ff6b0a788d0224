#include "kernels/low_rank.h"

#include <cmath>

#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Numbers;
using testing::OnEveryTarget;
using testing::PaddedRows;

TEST_CASE("inner products are the contract's, bit for bit") {
  OnEveryTarget([](const std::string&) {
    for (size_t count : {1, 15, 16, 17, 31, 64, 97, 176}) {
      for (size_t rank : {1, 3, 4, 8}) {
        const size_t rows = count % 5 + 1, stride = (count + 15) / 16 * 16, x_stride = stride + 16;
        const std::vector<float> factor = PaddedRows(1, rank, count);
        std::vector<float> x(rows * x_stride, 3.0f);
        const std::vector<float> padded = PaddedRows(2, rows, count);
        for (size_t i = 0; i < rows * stride; ++i) x[i / stride * x_stride + i % stride] = padded[i];
        std::vector<float> got(rows * rank + 1, 7.0f), want = got;
        InnerProducts({x.data(), x_stride, factor.data(), stride, rank, 0.75f}, rows, got.data());
        for (size_t r = 0; r < rows; ++r) {
          for (size_t i = 0; i < rank; ++i) {
            std::vector<float> terms(stride);
            for (size_t k = 0; k < stride; ++k) terms[k] = padded[r * stride + k] * factor[i * stride + k];
            want[r * rank + i] = testing::SumInOrder(terms) * 0.75f;
          }
        }
        CheckSameBits(got, want);
      }
    }
  });
}

TEST_CASE("outer products are added with separate roundings, panels apart") {
  OnEveryTarget([](const std::string&) {
    for (size_t rank : {1, 2, 4, 7}) {
      const size_t rows = 3, stride = 80, y_stride = 96;
      const std::vector<float> factor = Numbers(3, rank * stride), t = Numbers(4, rows * rank);
      std::vector<float> got = Numbers(5, rows * y_stride), want = got;
      AddOuterProducts({factor.data(), stride, rank, 1, 4}, t.data(), rows, got.data(), y_stride);
      for (size_t r = 0; r < rows; ++r) {
        for (size_t n = 16; n < 64; ++n) {
          float sum = 0.0f;
          for (size_t i = 0; i < rank; ++i) {
            const float product = t[r * rank + i] * factor[i * stride + n];
            sum = sum + product;
          }
          want[r * y_stride + n] = want[r * y_stride + n] + sum;
        }
      }
      CheckSameBits(got, want);
    }
  });
}

TEST_CASE("a gradient's sum goes on over rows, however they are cut") {
  OnEveryTarget([](const std::string&) {
    for (size_t a_count : {1, 3, 4, 6, 8, 13}) {
      const size_t rows = 11, a_stride = 16, panels = 3, c_row = panels * 16;
      const std::vector<float> a = Numbers(6, rows * a_stride), b = Numbers(7, rows * panels * 16);
      std::vector<float> got = Numbers(8, a_count * c_row), want = got;
      RowGradient gradient = {a.data(),   a_stride, a_count, b.data(), panels * 16,
                              got.data(), c_row,    16,      0,        2};
      AddRowGradient(gradient, 4);
      gradient.a += 4 * a_stride;
      gradient.b += 4 * panels * 16;
      AddRowGradient(gradient, rows - 4);
      for (size_t m = 0; m < a_count; ++m) {
        for (size_t n = 0; n < 32; ++n) {
          float& sum = want[m * c_row + n];
          for (size_t r = 0; r < rows; ++r) sum = std::fma(a[r * a_stride + m], b[r * panels * 16 + n], sum);
        }
      }
      CheckSameBits(got, want);
    }
  });
}

}  // namespace
}  // namespace cllm
