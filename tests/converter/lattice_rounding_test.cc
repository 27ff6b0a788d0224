// Rows as lattice points: Babai's nearest plane against a plain one in exact integers, and what descent and
// whole models must not do.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "base/bf16.h"
#include "converter/lattice/closest_point.h"
#include "converter/lattice/descent.h"
#include "converter/lattice/hessian.h"
#include "converter/lattice/nearest_plane.h"
#include "converter/lattice/round_model.h"
#include "converter/run/hosted_session.h"
#include "posix/thread_pool.h"
#include "support/random_model.h"

namespace cllm {
namespace {

std::vector<float> Normal(std::mt19937& random, size_t count, double deviation) {
  std::normal_distribution<float> normal(0, static_cast<float>(deviation));
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// Inputs that go together, as those of a model do.
Hessian CorrelatedHessian(std::mt19937& random, size_t size, size_t samples) {
  Hessian hessian;
  hessian.size = size;
  const std::vector<float> mix = Normal(random, size * size, 1.0 / std::sqrt(static_cast<double>(size)));
  for (size_t s = 0; s < samples; ++s) {
    const std::vector<float> own = Normal(random, size, 1);
    std::vector<float> x = own;
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = 0; j < size; ++j)
        x[i] += 2 * mix[i * size + j] * own[j] / static_cast<float>(1 + j % 7);
    }
    hessian.Add(x.data(), 1, size);
  }
  return hessian;
}

TEST_CASE("a Hessian is the sum of outer products") {
  const float inputs[] = {1, 2, 99, 3, -1, 99};
  Hessian hessian;
  hessian.size = 2;
  hessian.Add(inputs, 2, 3);
  CHECK(hessian.samples == 2);
  CHECK(hessian.values == std::vector<float>{10, -1, -1, 5});
}

TEST_CASE("the basis is a factor of the damped Hessian, reversed") {
  std::mt19937 random(1);
  const Hessian hessian = CorrelatedHessian(random, 40, 100);
  const NearestPlaneBasis basis = MakeBasis(hessian, 0.01);
  REQUIRE(basis.size == 64);
  const size_t n = basis.size;
  // M from the blocks: M_bj = M_bb N_bj.
  std::vector<double> m(n * n);
  for (size_t i = 0; i < n; ++i) {
    const size_t block = i / 8 * 8;
    for (size_t j = 0; j <= i; ++j) {
      if (j >= block) {
        m[i * n + j] = basis.feedback[i * n + j];
      } else {
        for (size_t k = block; k <= i; ++k) {
          m[i * n + j] += double{basis.feedback[i * n + k]} * double{basis.feedback[k * n + j]};
        }
      }
    }
  }
  double worst = 0;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (size_t k = 0; k < n; ++k) sum += m[k * n + i] * m[k * n + j];
      worst = std::max(worst, std::abs(sum - double{basis.damped[i * n + j]}));
    }
  }
  CHECK(worst < 1e-4);
}

// Weights and feedback are short binary fractions, so that targets are the same in whatever order they are
// summed; the points of earlier groups enter by what they are, however they were chosen.
TEST_CASE("nearest plane: each group at the point closest to what the errors before it leave") {
  std::mt19937 random(2);
  constexpr size_t kColumns = 64;
  for (int fine_bits = 0; fine_bits <= 2; ++fine_bits) {
    NearestPlaneBasis basis = PlainBasis(kColumns);
    for (size_t i = 0; i < kColumns; ++i) {
      for (size_t j = 0; j < i / 8 * 8; ++j) {
        basis.feedback[i * kColumns + j] = static_cast<float>(static_cast<int>(random() % 3) - 1) / 4;
      }
    }
    std::vector<float> weights(kColumns);
    for (float& w : weights) w = static_cast<float>(static_cast<int>(random() % 512) - 256) / 16;
    RoundingOptions options;
    options.fine_bits = fine_bits;
    options.sweeps = 0;
    options.scales = 1;
    const RoundedRow row = RoundRows(weights.data(), 1, kColumns, basis, options)[0];
    const std::vector<float> places = ByPlace(weights.data(), kColumns);
    std::vector<float> rounded(kColumns);
    DequantizePlaces(row, rounded.data());
    for (size_t at = 0; at < kColumns; at += 8) {
      // The targets in double, which holds all of this exactly but for the unit's division.
      const double unit = 4.0 * Bf16ToFloat(row.scale) * kLatticeMultipliers[row.multipliers[at / 32]];
      Lanes targets[8] = {}, distances;
      double distance = 0;
      for (size_t i = 0; i < 8; ++i) {
        double target = places[at + i];
        for (size_t j = 0; j < at; ++j) {
          target -=
              double{basis.feedback[(at + i) * kColumns + j]} * (double{rounded[j]} - double{places[j]});
        }
        targets[i].lane[0] = static_cast<float>(target / unit);
        distance += std::pow(rounded[at + i] / unit - target / unit, 2);
      }
      int8_t n[8][kLatticeLanes];
      ClosestPoints(fine_bits, targets, n, &distances);
      CHECK(distance == doctest::Approx(double{distances.lane[0]}).epsilon(1e-4));
    }
  }
}

TEST_CASE("second moments: an error that is smaller in their metric, and descent only lowers it") {
  std::mt19937 random(3);
  constexpr size_t kRows = 20, kColumns = 72;
  const NearestPlaneBasis basis = MakeBasis(CorrelatedHessian(random, kColumns, 300), 0.01);
  const NearestPlaneBasis plain = PlainBasis(kColumns);
  const std::vector<float> weights = Normal(random, kRows * kColumns, 0.05);
  for (int fine_bits = 0; fine_bits <= 2; ++fine_bits) {
    const auto error = [&](const NearestPlaneBasis& by, int sweeps) {
      RoundingOptions options;
      options.fine_bits = fine_bits;
      options.sweeps = sweeps;
      const std::vector<RoundedRow> rows = RoundRows(weights.data(), kRows, kColumns, by, options);
      double sum = 0;
      for (size_t row = 0; row < kRows; ++row) {
        CHECK(rows[row].n.size() == 96);
        for (size_t at = 0; at < 96; at += 8) CHECK(IsInCode(fine_bits, &rows[row].n[at]));
        sum += WeightedError(&weights[row * kColumns], rows[row], kColumns, basis);
      }
      return sum;
    };
    const double plainly = error(plain, 0), babai = error(basis, 0), descended = error(basis, 8);
    CHECK(babai < 0.8 * plainly);
    CHECK(descended < babai);
  }
}

TEST_CASE("rows do not depend on each other, and zeros are rounded too") {
  std::mt19937 random(4);
  constexpr size_t kRows = 19, kColumns = 40;
  std::vector<float> weights = Normal(random, kRows * kColumns, 1);
  std::fill_n(weights.begin() + 5 * kColumns, kColumns, 0.0f);
  const NearestPlaneBasis basis = MakeBasis(CorrelatedHessian(random, kColumns, 60), 0.01);
  const std::vector<RoundedRow> all = RoundRows(weights.data(), kRows, kColumns, basis, {});
  for (const size_t row : {size_t{0}, size_t{5}, size_t{18}}) {
    const RoundedRow alone = RoundRows(&weights[row * kColumns], 1, kColumns, basis, {})[0];
    CHECK(alone.n == all[row].n);
    CHECK(alone.multipliers == all[row].multipliers);
    CHECK(alone.scale == all[row].scale);
  }
  std::vector<float> zeros(kColumns);
  DequantizeRow(all[5], kColumns, zeros.data());
  for (const float zero : zeros) CHECK(std::abs(zero) < 1e-10f);
}

TEST_CASE("a matrix makes up for what its inputs have become") {
  std::mt19937 random(5);
  constexpr size_t kSize = 12, kRows = 3, kSamples = 200;
  const std::vector<float> before = Normal(random, kSamples * kSize, 1);
  std::vector<float> after = before;
  for (size_t s = 0; s < kSamples; ++s) {
    for (size_t i = 0; i < kSize; ++i)
      after[s * kSize + i] = 0.8f * before[s * kSize + i] + 0.1f * before[s * kSize + (i + 1) % kSize];
  }
  Hessian hessian;
  hessian.size = kSize;
  hessian.Add(after.data(), kSamples, kSize);
  Changes changes = {{kSize, kSize, {}}, {}};
  changes.inputs.Add(before.data(), after.data(), kSize, after.data(), kSize, kSamples);
  const std::vector<float> weights = Normal(random, kRows * kSize, 1);
  std::vector<float> changed = weights;
  MakeUp(hessian, changes, 1e-6, kRows, changed.data());
  // The inputs' change can be undone, so the products are what they were.
  double worst = 0;
  for (size_t s = 0; s < kSamples; ++s) {
    for (size_t row = 0; row < kRows; ++row) {
      double difference = 0;
      for (size_t i = 0; i < kSize; ++i) {
        difference += double{weights[row * kSize + i]} * before[s * kSize + i] -
                      double{changed[row * kSize + i]} * after[s * kSize + i];
      }
      worst = std::max(worst, std::abs(difference));
    }
  }
  CHECK(worst < 1e-3);
}

std::vector<float> LogitsOf(const ModelFile& file, const std::vector<uint32_t>& tokens) {
  cllm_limits limits{};
  limits.context = limits.batch = limits.logits_rows = static_cast<uint32_t>(tokens.size());
  absl::StatusOr<HostedSession> session = HostedSession::Create(*file.handle(), limits, nullptr);
  REQUIRE(session.ok());
  REQUIRE(cllm_session_feed(session->get(), tokens.data(), limits.batch) == CLLM_OK);
  std::vector<float> all;
  for (uint32_t row = 0; row < limits.batch; ++row) {
    const float* logits = nullptr;
    REQUIRE(cllm_session_logits(session->get(), row, &logits) == CLLM_OK);
    all.insert(all.end(), logits, logits + file.model().config.vocabulary_size);
  }
  return all;
}

TEST_CASE("a whole model: what it reads makes it closer to what it was, and threads change nothing") {
  for (const bool tied : {true, false}) {
    Architecture architecture = testing::TinyArchitecture();
    architecture.width = 40;
    architecture.context = 32;
    architecture.tied_head = tied;
    Checkpoint checkpoint = testing::RandomCheckpoint(architecture, 6);
    const ModelFile file = testing::MakeModel(checkpoint, Dtype::kF32);
    const std::vector<uint32_t> held_out = testing::RandomTokens(architecture.vocabulary_size, 32, 7);
    const std::vector<float> exact = LogitsOf(file, held_out);
    FineBitsByTensor matrices;
    for (const auto& [key, tensor] : checkpoint.tensors) {
      if (tensor.rows > 1) matrices[key] = 1;
    }
    std::vector<std::vector<uint32_t>> windows;
    for (uint32_t seed = 10; seed < 40; ++seed) {
      windows.push_back(testing::RandomTokens(architecture.vocabulary_size, 32, seed));
    }
    const auto error = [&](const RoundedTensors& rounded) {
      CHECK(rounded.size() == matrices.size());
      Checkpoint changed = checkpoint;
      for (const auto& [key, rows] : rounded) {
        changed.tensors[key] = Dequantized(rows, changed.tensors[key].columns);
      }
      const std::vector<float> logits = LogitsOf(testing::MakeModel(changed, Dtype::kF32), held_out);
      double sum = 0;
      for (size_t i = 0; i < exact.size(); ++i) sum += std::pow(double{logits[i]} - double{exact[i]}, 2);
      return sum;
    };
    const double plain = error(RoundModel(file.model(), checkpoint, {}, matrices, {}));
    const RoundedTensors rounded = RoundModel(file.model(), checkpoint, windows, matrices, {});
    CHECK(error(rounded) < 0.8 * plain);
    ThreadPool pool(3);
    RoundModelOptions threaded;
    threaded.rounding.workers = pool.workers();
    const RoundedTensors again = RoundModel(file.model(), checkpoint, windows, matrices, threaded);
    for (const auto& [key, rows] : rounded) {
      for (size_t row = 0; row < rows.size(); ++row) CHECK(again.at(key)[row].n == rows[row].n);
    }
  }
}

}  // namespace
}  // namespace cllm
