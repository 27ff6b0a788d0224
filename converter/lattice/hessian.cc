#include "converter/lattice/hessian.h"

#include <algorithm>
#include <cmath>

#include "base/layout.h"
#include "kernels/lattice_code.h"

namespace cllm {
namespace {

constexpr size_t kGroup = kLatticeGroup;
constexpr double kPadding = 1e-6;  // what a column of padding counts, beside a mean column

// Lower triangular M with H = M^T M: the Cholesky factor of the columns in reverse order, reversed.
std::vector<double> ReverseCholesky(const std::vector<double>& h, size_t n) {
  std::vector<double> m(n * n, 0.0);
  // H_ij = sum over k >= max(i, j) of M_ki M_kj: row k of M follows from the rows below it.
  std::vector<double> rest = h;
  for (size_t k = n; k-- > 0;) {
    const double pivot = std::sqrt(std::max(rest[k * n + k], 1e-30));
    for (size_t j = 0; j <= k; ++j) m[k * n + j] = rest[k * n + j] / pivot;
    for (size_t i = 0; i < k; ++i) {
      const double factor = m[k * n + i];
      if (factor == 0) continue;
      double* row = &rest[i * n];
      const double* from = &m[k * n];
      for (size_t j = 0; j <= i; ++j) row[j] -= factor * from[j];
    }
  }
  return m;
}

double MeanDiagonal(const Hessian& hessian) {
  const size_t n = hessian.size;
  double sum = 0;
  for (size_t i = 0; i < n && !hessian.values.empty(); ++i) sum += double{hessian.values[i * (n + 1)]};
  return sum / static_cast<double>(n);
}

std::vector<float> Feedback(const std::vector<double>& m, size_t n) {
  std::vector<float> feedback(n * n, 0.0f);
  for (size_t b = 0; b < n; b += kGroup) {
    for (size_t j = 0; j < b; ++j) {
      double solved[kGroup];
      for (size_t i = 0; i < kGroup; ++i) {
        double sum = m[(b + i) * n + j];
        for (size_t k = 0; k < i; ++k) sum -= m[(b + i) * n + b + k] * solved[k];
        solved[i] = sum / m[(b + i) * n + b + i];
        feedback[(b + i) * n + j] = static_cast<float>(solved[i]);
      }
    }
    for (size_t i = 0; i < kGroup; ++i) {
      for (size_t j = 0; j <= i; ++j) {
        feedback[(b + i) * n + b + j] = static_cast<float>(m[(b + i) * n + b + j]);
      }
    }
  }
  return feedback;
}

}  // namespace

void Hessian::Add(const float* inputs, size_t count, size_t stride) {
  values.resize(size * size, 0.0f);
  // Upper triangle in tiles of inputs, mirrored at the end of each call.
  for (size_t i = 0; i < size; ++i) {
    float* row = &values[i * size];
    for (size_t r = 0; r < count; ++r) {
      const float* x = inputs + r * stride;
      const float factor = x[i];
      for (size_t j = i; j < size; ++j) row[j] += factor * x[j];
    }
    for (size_t j = i + 1; j < size; ++j) values[j * size + i] = row[j];
  }
  samples += static_cast<double>(count);
}

void CrossMoments::Add(const float* before, const float* after, size_t stride, const float* inputs,
                       size_t input_stride, size_t count) {
  values.resize(rows * columns, 0.0f);
  for (size_t i = 0; i < rows; ++i) {
    float* row = &values[i * columns];
    for (size_t r = 0; r < count; ++r) {
      const float factor = before[r * stride + i] - after[r * stride + i];
      const float* y = inputs + r * input_stride;
      for (size_t j = 0; j < columns; ++j) row[j] += factor * y[j];
    }
  }
}

void MakeUp(const Hessian& hessian, const Changes& changes, double damping, size_t rows, float* weights) {
  const size_t n = hessian.size;
  const double mean = MeanDiagonal(hessian);
  if (!(mean > 0)) return;
  std::vector<double> h(hessian.values.begin(), hessian.values.end());
  for (size_t i = 0; i < n; ++i) h[i * n + i] += damping * mean;
  const std::vector<double> m = ReverseCholesky(h, n);
  std::vector<double> d(n);
  for (size_t row = 0; row < rows; ++row) {
    float* w = weights + row * n;
    std::fill(d.begin(), d.end(), 0.0);
    if (!changes.stream.values.empty()) std::copy_n(&changes.stream.values[row * n], n, d.begin());
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) d[j] += double{w[i]} * double{changes.inputs.values[i * n + j]};
    }
    // d M^T M = the moments, M lower triangular.
    for (size_t i = n; i-- > 0;) {
      d[i] /= m[i * n + i];
      for (size_t j = 0; j < i; ++j) d[j] -= m[i * n + j] * d[i];
    }
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < i; ++j) d[i] -= m[i * n + j] * d[j];
      d[i] /= m[i * n + i];
    }
    for (size_t j = 0; j < n; ++j) w[j] = static_cast<float>(double{w[j]} + d[j]);
  }
}

NearestPlaneBasis MakeBasis(const Hessian& hessian, double damping) {
  const size_t columns = hessian.size;
  const size_t n = static_cast<size_t>(RoundUp(columns, kLatticeBlock));
  const double mean = MeanDiagonal(hessian);
  if (!(mean > 0)) return PlainBasis(columns);
  NearestPlaneBasis basis;
  basis.size = n;
  std::vector<double> h(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    const size_t row = LatticePlaceColumn(i);
    for (size_t j = 0; j < n && row < columns; ++j) {
      const size_t column = LatticePlaceColumn(j);
      if (column < columns) h[i * n + j] = hessian.values[row * columns + column] / mean;
    }
    h[i * n + i] += row < columns ? damping : kPadding;
  }
  basis.damped.assign(h.begin(), h.end());
  basis.feedback = Feedback(ReverseCholesky(h, n), n);
  return basis;
}

NearestPlaneBasis PlainBasis(size_t columns) {
  NearestPlaneBasis basis;
  const size_t n = basis.size = static_cast<size_t>(RoundUp(columns, kLatticeBlock));
  basis.damped.assign(n * n, 0.0f);
  for (size_t i = 0; i < n; ++i) {
    basis.damped[i * n + i] = LatticePlaceColumn(i) < columns ? 1.0f : static_cast<float>(kPadding);
  }
  std::vector<double> m(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) m[i * n + i] = std::sqrt(double{basis.damped[i * n + i]});
  basis.feedback = Feedback(m, n);
  return basis;
}

}  // namespace cllm
