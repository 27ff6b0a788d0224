// Layer, affine and batch norms: values bit for bit, gradients against complex-step differentiation.
#include <cmath>
#include <complex>
#include <functional>

#include "kernels/norm.h"
#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::OnEveryTarget;
using testing::PaddedRows;
using Complex = std::complex<double>;

constexpr float kEpsilon = 1e-5f;
constexpr double kStep = 1e-100;

size_t Padded(size_t count) { return (count + 15) / 16 * 16; }

std::vector<float> Row(const std::vector<float>& x, size_t row, size_t stride) {
  const auto begin = x.begin() + static_cast<long>(row * stride);
  return std::vector<float>(begin, begin + static_cast<long>(stride));
}

TEST_CASE("LayerNorm and AffineNorm are the contract's, bit for bit, for every width") {
  OnEveryTarget([](const std::string&) {
    for (size_t count = 1; count <= 70; ++count) {
      const size_t rows = count % 3 + 1, stride = Padded(count);
      const std::vector<float> x = PaddedRows(1, rows, count), parameters = PaddedRows(2, 2, count);
      std::vector<float> got(rows * stride), want(got), affine(got), want_affine(got);
      std::vector<float> mean(rows), inverse(rows), want_mean(rows), want_inverse(rows);
      LayerNorm(x.data(), parameters.data(), kEpsilon, rows, count, got.data(), mean.data(), inverse.data());
      AffineNorm(x.data(), parameters.data(), rows, count, affine.data(), nullptr, nullptr);
      const auto size = static_cast<float>(count);
      for (size_t r = 0; r < rows; ++r) {
        want_mean[r] = testing::SumInOrder(Row(x, r, stride)) / size;
        std::vector<float> squares(stride);
        for (size_t i = 0; i < count; ++i) {
          const float distance = x[r * stride + i] - want_mean[r];
          squares[i] = distance * distance;
        }
        want_inverse[r] = 1.0f / std::sqrt(testing::SumInOrder(squares) / size + kEpsilon);
        for (size_t i = 0; i < count; ++i) {
          const float value = x[r * stride + i], weight = parameters[i], bias = parameters[stride + i];
          want[r * stride + i] = (value - want_mean[r]) * want_inverse[r] * weight + bias;
          want_affine[r * stride + i] = value * weight + bias;
        }
      }
      CheckSameBits(got, want);
      CheckSameBits(affine, want_affine);
      CheckSameBits(mean, want_mean);
      CheckSameBits(inverse, want_inverse);
      std::vector<float> in_place = x;
      LayerNorm(in_place.data(), parameters.data(), kEpsilon, rows, count, in_place.data(), nullptr, nullptr);
      CheckSameBits(in_place, want);
    }
  });
}

// Sum of dy times the norm of x, with parameters [2][count].
using Loss = std::function<Complex(const std::vector<Complex>& x, const std::vector<Complex>& parameters)>;

struct Gradients {
  std::vector<double> x, parameters;
};

Gradients ComplexStep(const Loss& loss, std::vector<Complex> x, std::vector<Complex> parameters) {
  Gradients gradients;
  for (Complex& value : x) {
    value += Complex(0, kStep);
    gradients.x.push_back(loss(x, parameters).imag() / kStep);
    value = value.real();
  }
  for (Complex& value : parameters) {
    value += Complex(0, kStep);
    gradients.parameters.push_back(loss(x, parameters).imag() / kStep);
    value = value.real();
  }
  return gradients;
}

// x less the mean of `count` of its elements `step` apart from `first` on, by their deviation.
void Standardize(std::vector<Complex>& x, size_t first, size_t step, size_t count) {
  Complex mean = 0, variance = 0;
  const auto size = static_cast<double>(count);
  for (size_t i = 0; i < count; ++i) mean += x[first + i * step] / size;
  for (size_t i = 0; i < count; ++i) variance += std::pow(x[first + i * step] - mean, 2) / size;
  const Complex deviation = std::sqrt(variance + static_cast<double>(kEpsilon));
  for (size_t i = 0; i < count; ++i) x[first + i * step] = (x[first + i * step] - mean) / deviation;
}

struct Case {
  size_t rows, count;
  std::vector<float> x, parameters, dy;
  std::vector<float> dx, dparameters;
  Case(size_t row_count, size_t columns)
      : rows(row_count),
        count(columns),
        x(PaddedRows(3, rows, count)),
        parameters(PaddedRows(4, 2, count)),
        dy(PaddedRows(5, rows, count)),
        dx(rows * Padded(count), 0.5f),
        dparameters(2 * Padded(count), 0.25f) {}

  std::vector<Complex> Unpadded(const std::vector<float>& padded) const {
    std::vector<Complex> values;
    for (size_t i = 0; i < padded.size(); ++i) {
      if (i % Padded(count) < count) values.push_back(padded[i]);
    }
    return values;
  }
  // After `standardize` of all rows.
  Gradients Truth(const std::function<void(std::vector<Complex>&)>& standardize) const {
    const std::vector<Complex> seeds = Unpadded(dy);
    const auto loss = [&](std::vector<Complex> values, const std::vector<Complex>& p) {
      standardize(values);
      Complex sum = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        sum += seeds[i] * (values[i] * p[i % count] + p[count + i % count]);
      }
      return sum;
    };
    return ComplexStep(loss, Unpadded(x), Unpadded(parameters));
  }
  void Check(const Gradients& truth) const {
    const std::vector<Complex> got = Unpadded(dx), got_parameters = Unpadded(dparameters);
    for (size_t i = 0; i < got.size(); ++i) {
      CHECK(std::fabs(got[i].real() - 0.5 - truth.x[i]) < 1e-5 * (1 + std::fabs(truth.x[i])));
    }
    for (size_t i = 0; i < got_parameters.size(); ++i) {
      const double want = truth.parameters[i];
      CHECK(std::fabs(got_parameters[i].real() - 0.25 - want) < 1e-5 * (1 + std::fabs(want)));
    }
    for (size_t i = 0; i < dx.size(); ++i) {
      if (i % Padded(count) >= count) CHECK(dx[i] == 0.5f);
    }
  }
};

TEST_CASE("gradients of layer, affine and batch norms are those of complex-step differentiation") {
  for (const size_t count : {2, 5, 16, 24, 33}) {
    CAPTURE(count);
    const size_t rows = 4, stride = Padded(count);
    std::vector<float> first;
    OnEveryTarget([&](const std::string&) {
      std::vector<float> y(rows * stride), mean(rows), inverse(rows), moments(2 * stride), all;
      Case layer(rows, count), affine(rows, count), batch(rows, count);
      LayerNorm(layer.x.data(), layer.parameters.data(), kEpsilon, rows, count, y.data(), mean.data(),
                inverse.data());
      LayerNormBackward(layer.x.data(), layer.parameters.data(), mean.data(), inverse.data(), layer.dy.data(),
                        rows, count, layer.dx.data());
      LayerNormBackwardWeight(layer.x.data(), mean.data(), inverse.data(), layer.dy.data(), rows, stride, 0,
                              stride, layer.dparameters.data());
      AffineNorm(affine.x.data(), affine.parameters.data(), rows, count, y.data(), mean.data(),
                 inverse.data());
      AffineNormBackward(affine.parameters.data(), affine.dy.data(), rows, count, affine.dx.data());
      LayerNormBackwardWeight(affine.x.data(), mean.data(), inverse.data(), affine.dy.data(), rows, stride, 0,
                              stride, affine.dparameters.data());
      std::vector<float> running(2 * stride, 1.0f), through(2 * stride);
      BatchMoments(batch.x.data(), kEpsilon, rows, stride, 0, stride, moments.data(), running.data());
      BatchNormBackwardSums(batch.x.data(), moments.data(), batch.dy.data(), rows, stride, 0, stride,
                            through.data(), batch.dparameters.data());
      BatchNormBackward(batch.x.data(), batch.parameters.data(), moments.data(), through.data(),
                        batch.dy.data(), rows, stride, batch.dx.data());
      if (first.empty()) {
        layer.Check(layer.Truth([&](std::vector<Complex>& x) {
          for (size_t r = 0; r < rows; ++r) Standardize(x, r * count, 1, count);
        }));
        affine.Check(affine.Truth([](std::vector<Complex>&) {}));
        batch.Check(batch.Truth([&](std::vector<Complex>& x) {
          for (size_t i = 0; i < count; ++i) Standardize(x, i, count, rows);
        }));
      }
      for (const Case* one : {&layer, &affine, &batch}) {
        all.insert(all.end(), one->dx.begin(), one->dx.end());
        all.insert(all.end(), one->dparameters.begin(), one->dparameters.end());
      }
      all.insert(all.end(), running.begin(), running.end());
      if (first.empty()) first = all;
      CheckSameBits(all, first);
    });
  }
}

TEST_CASE("batch norm: running statistics move a tenth of the way, and fold into a scale and a shift") {
  OnEveryTarget([](const std::string&) {
    const size_t rows = 5, count = 21, stride = 32;
    const std::vector<float> x = PaddedRows(1, rows, count), parameters = PaddedRows(2, 2, count);
    std::vector<float> running(2 * stride, 2.0f), moments(2 * stride), folded(2 * stride), y(rows * stride);
    BatchMoments(x.data(), kEpsilon, rows, stride, 16, 32, moments.data(), running.data());
    BatchMoments(x.data(), kEpsilon, rows, stride, 0, 16, moments.data(), running.data());
    FoldBatchNorm(parameters.data(), moments.data(), stride, 0, stride, folded.data());
    AffineNorm(x.data(), folded.data(), rows, count, y.data(), nullptr, nullptr);
    std::vector<float> from_running(2 * stride);
    RunningMoments(running.data(), kEpsilon, stride, 0, stride, from_running.data());
    for (size_t i = 0; i < count; ++i) {
      double mean = 0, variance = 0;
      for (size_t r = 0; r < rows; ++r) mean += double{x[r * stride + i]} / rows;
      for (size_t r = 0; r < rows; ++r) variance += std::pow(x[r * stride + i] - mean, 2) / rows;
      const double deviation = std::sqrt(variance + double{kEpsilon});
      CHECK(std::fabs(running[i] - (2 + 0.1 * (mean - 2))) < 1e-6);
      CHECK(std::fabs(running[stride + i] - (2 + 0.1 * (variance - 2))) < 1e-5);
      CHECK(from_running[i] == running[i]);
      CHECK(std::fabs(from_running[stride + i] - 1 / std::sqrt(double{running[stride + i]} + 1e-5)) < 1e-6);
      for (size_t r = 0; r < rows; ++r) {
        const double want = (x[r * stride + i] - mean) / deviation * parameters[i] + parameters[stride + i];
        CHECK(std::fabs(y[r * stride + i] - want) < 1e-5 * (1 + std::fabs(want)));
      }
    }
  });
}

}  // namespace
}  // namespace cllm
