// Exact linear algebra in GMP's rationals: Gram-Schmidt by Gram matrices (no square roots), Babai's nearest
// plane, and basis reduction by Lenstra, Lenstra and Lovasz ("Factoring polynomials with rational
// coefficients", 1982). Slow and plain, for small cases.
#ifndef CLLM_TESTS_ORACLE_RATIONAL_H_
#define CLLM_TESTS_ORACLE_RATIONAL_H_

#include <gmpxx.h>

#include <cstddef>
#include <utility>
#include <vector>

namespace cllm::oracle {

using Vector = std::vector<mpq_class>;
using Matrix = std::vector<Vector>;  // rows

inline mpq_class Dot(const Vector& a, const Vector& b) {
  mpq_class sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline Vector Times(const Matrix& m, const Vector& x) {
  Vector y;
  for (const Vector& row : m) y.push_back(Dot(row, x));
  return y;
}

// x^T m y.
inline mpq_class Form(const Matrix& m, const Vector& x, const Vector& y) { return Dot(x, Times(m, y)); }

// The nearest integer, of two the upper one.
inline mpz_class Nearest(const mpq_class& x) {
  mpz_class floor;
  const mpq_class up = x + mpq_class(1, 2);
  mpz_fdiv_q(floor.get_mpz_t(), up.get_num_mpz_t(), up.get_den_mpz_t());
  return floor;
}

// a^-1 b by elimination; a: square, regular.
inline Matrix Solve(Matrix a, Matrix b) {
  const size_t n = a.size();
  for (size_t k = 0; k < n; ++k) {
    size_t pivot = k;
    while (a[pivot][k] == 0) ++pivot;
    std::swap(a[k], a[pivot]);
    std::swap(b[k], b[pivot]);
    for (size_t i = 0; i < n; ++i) {
      if (i == k || a[i][k] == 0) continue;
      const mpq_class factor = a[i][k] / a[k][k];
      for (size_t j = k; j < n; ++j) a[i][j] -= factor * a[k][j];
      for (size_t j = 0; j < b[i].size(); ++j) b[i][j] -= factor * b[k][j];
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (mpq_class& value : b[i]) value /= a[i][i];
  }
  return b;
}

// A basis, a vector a row, in the metric H, with what Gram and Schmidt make of it: b_i = b*_i + sum over j <
// i of mu_ij b*_j, and the squared lengths of the b*.
struct Basis {
  Matrix rows;
  const Matrix* metric;
  Matrix mu;
  Vector lengths;

  Basis(Matrix vectors, const Matrix& h) : rows(std::move(vectors)), metric(&h) { Orthogonalise(); }

  void Orthogonalise() {
    const size_t n = rows.size();
    mu.assign(n, Vector(n, 0));
    lengths.assign(n, 0);
    for (size_t i = 0; i < n; ++i) {
      const Vector image = Times(*metric, rows[i]);
      Vector products(n);  // <b_i, b*_j>
      for (size_t j = 0; j <= i; ++j) {
        products[j] = Dot(rows[j], image);
        for (size_t k = 0; k < j; ++k) products[j] -= mu[j][k] * products[k];
        if (j < i) mu[i][j] = products[j] / lengths[j];
      }
      lengths[i] = products[i];
    }
  }

  // Row i less `factor` times row j < i.
  void Subtract(size_t i, size_t j, const mpz_class& factor) {
    for (size_t k = 0; k < rows[i].size(); ++k) rows[i][k] -= factor * rows[j][k];
    for (size_t k = 0; k < j; ++k) mu[i][k] -= factor * mu[j][k];
    mu[i][j] -= factor;
  }

  bool IsReduced(const mpq_class& delta) const {
    for (size_t i = 0; i < rows.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (abs(mu[i][j]) > mpq_class(1, 2)) return false;
      }
      if (i > 0 && lengths[i] < (delta - mu[i][i - 1] * mu[i][i - 1]) * lengths[i - 1]) return false;
    }
    return true;
  }

  void Reduce(const mpq_class& delta) {
    for (size_t i = 1; i < rows.size();) {
      for (size_t j = i; j-- > 0;) {
        const mpz_class factor = Nearest(mu[i][j]);
        if (factor != 0) Subtract(i, j, factor);
      }
      if (lengths[i] >= (delta - mu[i][i - 1] * mu[i][i - 1]) * lengths[i - 1]) {
        ++i;
        continue;
      }
      std::swap(rows[i], rows[i - 1]);
      Orthogonalise();
      if (i > 1) --i;
    }
  }

  // Babai's nearest plane: target less a vector of the lattice, in the cell of the b*.
  Vector Remainder(Vector target) const {
    for (size_t i = rows.size(); i-- > 0;) {
      // <target, b*_i> / |b*_i|^2, b*_i = b_i less its parts along the earlier ones.
      Vector star = rows[i];
      std::vector<mpq_class> parts(mu[i].begin(), mu[i].begin() + static_cast<std::ptrdiff_t>(i));
      for (size_t j = i; j-- > 0;) {
        for (size_t k = 0; k < star.size(); ++k) star[k] -= parts[j] * rows[j][k];
        for (size_t k = 0; k < j; ++k) parts[k] -= parts[j] * mu[j][k];
      }
      const mpz_class steps = Nearest(Form(*metric, target, star) / lengths[i]);
      for (size_t k = 0; k < target.size(); ++k) target[k] -= steps * rows[i][k];
    }
    return target;
  }
};

}  // namespace cllm::oracle

#endif  // CLLM_TESTS_ORACLE_RATIONAL_H_
