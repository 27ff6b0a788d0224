#include "kernels/norm.h"

#include <algorithm>
#include <cmath>
#include <complex>

#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::OnEveryTarget;
using testing::PaddedRows;

constexpr float kEpsilon = 1e-5f;

TEST_CASE("RmsNorm is the contract's, bit for bit, for every width") {
  OnEveryTarget([](const std::string&) {
    for (size_t count = 1; count <= 97; ++count) {
      const size_t rows = count % 3 + 1, stride = (count + 15) / 16 * 16;
      const std::vector<float> x = PaddedRows(1, rows, count), weight = PaddedRows(2, 1, count);
      std::vector<float> got(rows * stride + 1, 7.0f), want = got, inverse(rows), want_inverse(rows);
      RmsNorm(x.data(), weight.data(), kEpsilon, rows, count, got.data(), inverse.data());
      for (size_t r = 0; r < rows; ++r) {
        std::vector<float> squares(x.begin() + static_cast<long>(r * stride),
                                   x.begin() + static_cast<long>((r + 1) * stride));
        for (float& s : squares) s = s * s;
        const float mean = testing::SumInOrder(squares) / static_cast<float>(count);
        want_inverse[r] = 1.0f / std::sqrt(mean + kEpsilon);
        for (size_t i = 0; i < stride; ++i) {
          want[r * stride + i] = x[r * stride + i] * want_inverse[r] * weight[i];
        }
      }
      CheckSameBits(got, want);
      CheckSameBits(inverse, want_inverse);
      std::vector<float> in_place = x;
      RmsNorm(in_place.data(), weight.data(), kEpsilon, rows, count, in_place.data(), nullptr);
      in_place.push_back(7.0f);
      CheckSameBits(in_place, want);
    }
  });
}

// sum over i of dy[i] * y[i] as a function of complex numbers.
template <class T>
T Loss(const std::vector<T>& x, const std::vector<T>& weight, const std::vector<float>& dy, size_t count) {
  T squares = 0, loss = 0;
  for (size_t i = 0; i < count; ++i) squares += x[i] * x[i];
  const T inverse = 1.0 / std::sqrt(squares / static_cast<double>(count) + static_cast<double>(kEpsilon));
  for (size_t i = 0; i < count; ++i) loss += static_cast<double>(dy[i]) * x[i] * inverse * weight[i];
  return loss;
}

TEST_CASE("The gradients of RmsNorm are those of complex-step differentiation") {
  using Complex = std::complex<double>;
  const double step = 1e-100;
  OnEveryTarget([&](const std::string&) {
    for (size_t count : {1, 5, 16, 24, 33, 64}) {
      const size_t rows = 3, stride = (count + 15) / 16 * 16;
      const std::vector<float> x = PaddedRows(3, rows, count), weight = PaddedRows(4, 1, count);
      const std::vector<float> dy = PaddedRows(5, rows, count);
      std::vector<float> y(rows * stride), inverse(rows), dx(rows * stride, 0.5f), dweight(stride, 0.25f);
      RmsNorm(x.data(), weight.data(), kEpsilon, rows, count, y.data(), inverse.data());
      RmsNormBackward(x.data(), weight.data(), inverse.data(), dy.data(), rows, count, dx.data());
      RmsNormBackwardWeight(x.data(), inverse.data(), dy.data(), rows, stride, 0, stride, dweight.data());
      std::vector<double> want_dweight(count, 0.25);
      for (size_t r = 0; r < rows; ++r) {
        const std::vector<float> row_dy(dy.begin() + static_cast<long>(r * stride),
                                        dy.begin() + static_cast<long>((r + 1) * stride));
        std::vector<Complex> cx(count), cw(count);
        double scale = 1;
        for (size_t i = 0; i < count; ++i) {
          cx[i] = x[r * stride + i];
          cw[i] = weight[i];
          scale = std::max(scale, std::fabs(double{row_dy[i]} * weight[i] * inverse[r]) * 2);
        }
        for (size_t i = 0; i < count; ++i) {
          cx[i] += Complex(0, step);
          const double want = 0.5 + Loss(cx, cw, row_dy, count).imag() / step;
          cx[i] = cx[i].real();
          CHECK(std::fabs(double{dx[r * stride + i]} - want) < 2e-6 * scale);
          cw[i] += Complex(0, step);
          want_dweight[i] += Loss(cx, cw, row_dy, count).imag() / step;
          cw[i] = cw[i].real();
        }
        for (size_t i = count; i < stride; ++i) CHECK(dx[r * stride + i] == 0.5f);
      }
      for (size_t i = 0; i < count; ++i) {
        CHECK(std::fabs(double{dweight[i]} - want_dweight[i]) < 2e-6 * (1 + std::fabs(want_dweight[i]) + 30));
      }
    }
  });
}

TEST_CASE("RmsNorm's gradients have the same bits on every target, and in parts") {
  const size_t rows = 5, count = 90, stride = 96;
  const std::vector<float> x = PaddedRows(6, rows, count), weight = PaddedRows(7, 1, count);
  const std::vector<float> dy = PaddedRows(8, rows, count);
  std::vector<float> first_dx, first_dweight;
  OnEveryTarget([&](const std::string&) {
    std::vector<float> y(rows * stride), inverse(rows), dx(rows * stride, 0.5f), dweight(stride, 0.25f);
    RmsNorm(x.data(), weight.data(), kEpsilon, rows, count, y.data(), inverse.data());
    RmsNormBackward(x.data(), weight.data(), inverse.data(), dy.data(), rows, count, dx.data());
    RmsNormBackwardWeight(x.data(), inverse.data(), dy.data(), rows, stride, 32, 96, dweight.data());
    RmsNormBackwardWeight(x.data(), inverse.data(), dy.data(), rows, stride, 0, 32, dweight.data());
    if (first_dx.empty()) first_dx = dx, first_dweight = dweight;
    CheckSameBits(dx, first_dx);
    CheckSameBits(dweight, first_dweight);
  });
}

TEST_CASE("RmsNormHeads is RmsNorm of each head, bit for bit, and its gradients are RmsNorm's") {
  OnEveryTarget([](const std::string&) {
    for (const size_t size : {2, 6, 16, 18, 40, 64}) {
      const size_t heads = 3, rows = 2, stride = heads * size, padded = (size + 15) / 16 * 16;
      const std::vector<float> weight = PaddedRows(2, 1, size);
      std::vector<float> x = testing::Numbers(1, rows * stride), dy = testing::Numbers(3, rows * stride);
      std::vector<float> normed = x, dx = dy, terms = x, dweight(size, 0.25f);
      std::vector<double> want_dweight(size, 0.25);
      RmsNormHeads(weight.data(), kEpsilon, rows * heads, size, normed.data());
      RmsNormHeadsBackward(weight.data(), kEpsilon, rows * heads, size, terms.data(), dx.data());
      AddHeadTerms(terms.data(), rows, stride, heads, size, 0, size / 2, dweight.data());
      AddHeadTerms(terms.data(), rows, stride, heads, size, size / 2, size, dweight.data());
      for (size_t h = 0; h < rows * heads; ++h) {
        std::vector<float> head(padded), gradient(padded), want(padded), want_dx(padded);
        std::copy(&x[h * size], &x[h * size] + size, head.begin());
        std::copy(&dy[h * size], &dy[h * size] + size, gradient.begin());
        float inverse = 0;
        RmsNorm(head.data(), weight.data(), kEpsilon, 1, size, want.data(), &inverse);
        RmsNormBackward(head.data(), weight.data(), &inverse, gradient.data(), 1, size, want_dx.data());
        for (size_t i = 0; i < size; ++i) {
          CHECK(testing::Bits(normed[h * size + i]) == testing::Bits(want[i]));
          CHECK(std::fabs(dx[h * size + i] - want_dx[i]) <= 2e-6f * (1 + std::fabs(want_dx[i])));
          want_dweight[i] += double{gradient[i]} * head[i] * inverse;
        }
      }
      for (size_t i = 0; i < size; ++i) {
        CHECK(std::fabs(dweight[i] - want_dweight[i]) < 4e-6 * (1 + std::fabs(want_dweight[i])));
      }
    }
  });
}

TEST_CASE("gradients of heads' norms have the same bits on every target") {
  std::vector<float> first;
  OnEveryTarget([&](const std::string&) {
    const std::vector<float> weight = testing::Numbers(2, 22);
    std::vector<float> x = testing::Numbers(1, 88), dy = testing::Numbers(3, 88);
    RmsNormHeadsBackward(weight.data(), kEpsilon, 4, 22, x.data(), dy.data());
    x.insert(x.end(), dy.begin(), dy.end());
    if (first.empty()) first = x;
    CheckSameBits(x, first);
  });
}

}  // namespace
}  // namespace cllm
