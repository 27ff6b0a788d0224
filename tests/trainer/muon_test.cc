// Muon's update against a plain one in double, on unpadded matrices.
#include "trainer/muon.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "doctest/doctest.h"
#include "tests/trainer/fixture.h"

namespace cllm::testing {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix Product(const Matrix& a, const Matrix& b) {
  Matrix c(a.size(), std::vector<double>(b[0].size(), 0.0));
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t k = 0; k < b.size(); ++k) {
      for (size_t j = 0; j < b[0].size(); ++j) c[i][j] += a[i][k] * b[k][j];
    }
  }
  return c;
}

Matrix Transposed(const Matrix& a) {
  Matrix t(a[0].size(), std::vector<double>(a.size()));
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < a[0].size(); ++j) t[j][i] = a[i][j];
  }
  return t;
}

// The method as its authors write it: a wide matrix X, X <- a X + (b A + c A A) X with A = X X^T.
Matrix NewtonSchulz(Matrix x) {
  const bool high = x.size() > x[0].size();
  if (high) x = Transposed(x);
  double square = 0;
  for (const auto& row : x) {
    for (const double v : row) square += v * v;
  }
  for (auto& row : x) {
    for (double& v : row) v /= std::sqrt(square) + 1e-7;
  }
  for (int step = 0; step < 5; ++step) {
    const Matrix gram = Product(x, Transposed(x));
    Matrix polynomial = Product(gram, gram);
    for (size_t i = 0; i < gram.size(); ++i) {
      for (size_t j = 0; j < gram.size(); ++j) {
        polynomial[i][j] = -4.7750 * gram[i][j] + 2.0315 * polynomial[i][j];
      }
    }
    const Matrix change = Product(polynomial, x);
    for (size_t i = 0; i < x.size(); ++i) {
      for (size_t j = 0; j < x[0].size(); ++j) x[i][j] = 3.4445 * x[i][j] + change[i][j];
    }
  }
  return high ? Transposed(x) : x;
}

// The parts of a tensor that are matrices of their own: first rows and how many.
std::vector<std::pair<size_t, size_t>> Parts(const Architecture& a, Role role, size_t rows) {
  const size_t query = size_t{a.heads} * a.head_size, key = size_t{a.kv_heads} * a.head_size;
  if (role == Role::kQueryKeyValue) return {{0, query}, {query, key}, {query + key, key}};
  if (role == Role::kGateUp && a.variant.gated) return {{0, rows / 2}, {rows / 2, rows / 2}};
  return {{0, rows}};
}

// Keys that begin inside a panel, a hidden size that is none, matrices wide, high and square.
Architecture Odd() {
  Architecture a;
  a.vocabulary_size = 37;
  a.context = 16;
  a.width = 56;
  a.layers = 2;
  a.heads = 6;
  a.kv_heads = 2;
  a.head_size = 10;
  a.hidden = 75;
  return a;
}

void CheckMuon(const Architecture& architecture) {
  const Checkpoint checkpoint = RandomCheckpoint(architecture, 2);
  const ModelFile file = MakeModel(checkpoint, Dtype::kF32);
  const cllm_optimizer optimizer = {sizeof(optimizer), 1e6f,          0.9f,         0.95f, 1e-6f, 0.9f,
                                    {0.02f, 0.1f},     {0.03f, 0.2f}, {0.01f, 0.0f}};
  TestTrainer muon(file, 1, 4, nullptr, CLLM_MUON), adamw(file, 1, 4, nullptr, CLLM_ADAMW);
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0.0f, 0.3f);
  std::vector<Matrix> momenta(file.model().tensor_count);
  for (int t = 0; t < 3; ++t) {
    std::vector<std::vector<float>> weights(file.model().tensor_count), gradients(weights.size());
    for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
      const TableEntry entry = TensorAt(file.model(), i);
      const FloatTensor& shape = checkpoint.tensors.at({entry.role, entry.layer});
      weights[i] = muon.Stored(i, CLLM_TRAINER_WEIGHT);
      for (size_t k = 0; k < shape.values.size(); ++k) {
        const size_t at =
            StoredIndex(entry.role, shape, k / shape.columns, k % shape.columns, architecture.variant);
        adamw.Data(i, CLLM_TRAINER_GRADIENT)[at] = muon.Data(i, CLLM_TRAINER_GRADIENT)[at] = normal(random);
      }
      gradients[i] = muon.Stored(i, CLLM_TRAINER_GRADIENT);
    }
    REQUIRE(cllm_trainer_update(muon, &optimizer, nullptr) == CLLM_OK);
    REQUIRE(cllm_trainer_update(adamw, &optimizer, nullptr) == CLLM_OK);
    for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
      const TableEntry entry = TensorAt(file.model(), i);
      const std::string name = TensorName({entry.role, entry.layer});
      CAPTURE(name);
      const auto found = muon.Stored(i, CLLM_TRAINER_WEIGHT);
      if (!IsLayerMatrix(entry.role)) {
        CHECK(found == adamw.Stored(i, CLLM_TRAINER_WEIGHT));
        CHECK(muon.Stored(i, CLLM_TRAINER_SECOND_MOMENT) == adamw.Stored(i, CLLM_TRAINER_SECOND_MOMENT));
        continue;
      }
      CHECK(muon.Stored(i, CLLM_TRAINER_SECOND_MOMENT).empty());
      const FloatTensor& shape = checkpoint.tensors.at({entry.role, entry.layer});
      Matrix& momentum = momenta[i];
      momentum.resize(shape.rows, std::vector<double>(shape.columns, 0.0));
      double worst = 0, padding = 0;
      for (const auto& [first, rows] : Parts(architecture, entry.role, shape.rows)) {
        Matrix ahead(rows, std::vector<double>(shape.columns));
        for (size_t r = 0; r < rows; ++r) {
          for (size_t c = 0; c < shape.columns; ++c) {
            const double g = gradients[i][StoredIndex(entry.role, shape, first + r, c, architecture.variant)];
            double& m = momentum[first + r][c];
            m = 0.9 * m + 0.1 * g;
            ahead[r][c] = 0.1 * g + 0.9 * m;
          }
        }
        const Matrix direction = NewtonSchulz(ahead);
        const double scale = 0.2 * std::sqrt(static_cast<double>(std::max<size_t>(rows, shape.columns)));
        for (size_t r = 0; r < rows; ++r) {
          for (size_t c = 0; c < shape.columns; ++c) {
            const size_t at = StoredIndex(entry.role, shape, first + r, c, architecture.variant);
            const double want = weights[i][at] * (1 - 0.02 * 0.1) - 0.02 * scale * direction[r][c];
            worst = std::max(worst, std::abs(want - found[at]));
          }
        }
      }
      CHECK(worst < 2e-6);
      std::vector<float> rest = found;
      for (size_t k = 0; k < shape.values.size(); ++k) {
        rest[StoredIndex(entry.role, shape, k / shape.columns, k % shape.columns, architecture.variant)] = 0;
      }
      for (const float x : rest) padding += std::abs(x);
      CHECK(padding == 0);
    }
    for (const float g : muon.All(CLLM_TRAINER_GRADIENT)) REQUIRE(g == 0.0f);
  }
  CHECK(muon.GuardsIntact());
}

TEST_CASE("Muon: momentum and orthogonal directions in double, AdamW for the rest") { CheckMuon(Odd()); }

TEST_CASE("Muon: the same without a gate") {
  Architecture a = Odd();
  a.variant.gated = false;
  CheckMuon(a);
}

TEST_CASE("Muon: no gradient, no direction") {
  const ModelFile file = MakeModel(RandomCheckpoint(Odd(), 2), Dtype::kF32);
  TestTrainer trainer(file, 1, 1, nullptr, CLLM_MUON);
  const auto weights = trainer.All(CLLM_TRAINER_WEIGHT);
  const cllm_optimizer optimizer = Optimizer(0.01f, 0.9f, 0.95f, 1e-6f, 0.0f);
  REQUIRE(cllm_trainer_update(trainer, &optimizer, nullptr) == CLLM_OK);
  CHECK(trainer.All(CLLM_TRAINER_WEIGHT) == weights);
}

// What orthogonal means: the rows of a wide matrix are about as long as the scale says, and at right angles.
// Singular values from 0.7 to 1.21 leave no more than 0.51 of a difference from the unit matrix.
TEST_CASE("Muon: a direction's rows are orthogonal") {
  const size_t rows = 100, columns = 400;
  const MatrixPlace place = {Role::kDown, rows, columns, 0, 1, 0};
  std::vector<float> tensor(112 * columns, 0.0f), scratch(2 * 112 * (columns + 112));
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0.0f, 3.0f);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) tensor[place.Index(r, c)] = normal(random);
  }
  Orthogonalize(place, tensor.data(), scratch.data());
  const double scale = 0.04 * columns;
  for (size_t r = 0; r < rows; ++r) {
    for (size_t other = 0; other < rows; ++other) {
      double product = 0;
      for (size_t c = 0; c < columns; ++c) {
        product += double{tensor[place.Index(r, c)]} * tensor[place.Index(other, c)] / scale;
      }
      CHECK(std::abs(product - (r == other)) < 0.51);
    }
  }
}

}  // namespace
}  // namespace cllm::testing
