// The lattice code's roundings against searches in GMP's rationals, which round nowhere: closest points,
// Babai's nearest plane by groups; and what reducing a basis before it would bring.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "base/bf16.h"
#include "converter/lattice/closest_point.h"
#include "converter/lattice/hessian.h"
#include "converter/lattice/nearest_plane.h"
#include "kernels/lattice_code.h"
#include "oracle/rational.h"

namespace cllm {
namespace {

using oracle::Basis;
using oracle::Dot;
using oracle::Form;
using oracle::Matrix;
using oracle::Solve;
using oracle::Vector;

mpq_class Offset(int sum) { return {sum % 2 == 0 ? 1 : 3, 4}; }

struct Closest {
  mpq_class distance = -1;
  std::array<int, 8> n{};
};

// The closest point of the code: every pattern and either coset; within them the coordinates are free but for
// the parity of their sum, which costs one change to the second nearest integer at most.
Closest ClosestOf(int fine_bits, const Vector& target) {
  Closest best;
  for (int parity = 0; parity < 2; ++parity) {
    // By coordinate and magnitude: the nearest integers with even and with odd value.
    struct Nearest {
      int n = 0;
      mpq_class cost = -1;
    };
    std::array<std::array<std::array<Nearest, 2>, 3>, 8> nearest;
    for (size_t i = 0; i < 8; ++i) {
      for (int m = 0; m < 3 << fine_bits; ++m) {
        for (const int n : {m, -1 - m}) {
          Nearest& at = nearest[i][static_cast<size_t>(m >> fine_bits)][static_cast<size_t>(n & 1)];
          const mpq_class miss = target[i] - n - Offset(parity), cost = miss * miss;
          if (at.cost < 0 || cost < at.cost) at = {n, cost};
        }
      }
    }
    for (size_t pattern = 0; pattern < kLatticePatterns; ++pattern) {
      Closest found;
      found.distance = 0;
      int sum = 0;
      size_t change = 0;
      mpq_class least = -1;
      for (size_t i = 0; i < 8; ++i) {
        const auto& both = nearest[i][LatticePattern(pattern, i)];
        const size_t first = both[1].cost < both[0].cost ? 1 : 0;
        found.n[i] = both[first].n;
        found.distance += both[first].cost;
        sum += both[first].n;
        const mpq_class more = both[1 - first].cost - both[first].cost;
        if (least < 0 || more < least) least = more, change = i;
      }
      if ((sum & 1) != parity) {
        const auto& both = nearest[change][LatticePattern(pattern, change)];
        found.n[change] = both[(found.n[change] & 1) == 0 ? 1 : 0].n;
        found.distance += least;
      }
      if (best.distance < 0 || found.distance < best.distance) best = found;
    }
  }
  return best;
}

TEST_CASE("closest points are those that rationals find") {
  std::mt19937 random(1);
  for (int fine_bits = 0; fine_bits <= 2; ++fine_bits) {
    std::normal_distribution<float> normal(0, fine_bits == 0 ? 1.2f : 2.5f * static_cast<float>(fine_bits));
    Lanes targets[8], distances;
    int8_t n[8][kLatticeLanes];
    for (Lanes& target : targets) {
      for (float& lane : target.lane) lane = normal(random);
    }
    ClosestPoints(fine_bits, targets, n, &distances);
    for (size_t l = 0; l < kLatticeLanes; ++l) {
      Vector target;
      for (const Lanes& coordinate : targets) target.emplace_back(coordinate.lane[l]);
      const Closest closest = ClosestOf(fine_bits, target);
      for (size_t i = 0; i < 8; ++i) CHECK(int{n[i][l]} == closest.n[i]);
      CHECK(distances.lane[l] == doctest::Approx(closest.distance.get_d()));
    }
  }
}

// Second moments of inputs that go together, in small integers.
Matrix RandomMoments(std::mt19937& random, size_t size, int mixing) {
  std::uniform_int_distribution<int> digit(-3, 3), other(0, static_cast<int>(size) - 1);
  Matrix h(size, Vector(size, 0));
  for (size_t sample = 0; sample < 2 * size; ++sample) {
    std::vector<int> x(size);
    for (int& value : x) value = digit(random);
    for (size_t i = 0; i < size; ++i) {
      for (int k = 0; k < mixing; ++k) x[i] += x[static_cast<size_t>(other(random)) % (i + 1)];
    }
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = 0; j < size; ++j) h[i][j] += x[i] * x[j];
    }
  }
  return h;
}

// Of a metric by groups of 8 places: group b's own part, S_bb, once the groups after it have done their best,
// and the shifts S_bb^-1 S_bj that errors of earlier places ask for.
struct GroupPlanes {
  std::vector<Matrix> own, shifts;
};

GroupPlanes PlanesOf(Matrix s) {
  GroupPlanes planes;
  for (size_t groups = s.size() / 8; groups-- > 0;) {
    const size_t first = 8 * groups;
    Matrix own(8), beside(8);
    for (size_t i = 0; i < 8; ++i) {
      const auto row = s[first + i].begin();
      beside[i].assign(row, row + static_cast<std::ptrdiff_t>(first));
      own[i].assign(row + static_cast<std::ptrdiff_t>(first), row + static_cast<std::ptrdiff_t>(first + 8));
    }
    const Matrix shifts = first == 0 ? Matrix(8) : Solve(own, beside);
    for (size_t i = 0; i < first; ++i) {
      for (size_t j = 0; j < first; ++j) {
        for (size_t k = 0; k < 8; ++k) s[i][j] -= beside[k][i] * shifts[k][j];
      }
    }
    planes.own.insert(planes.own.begin(), own);
    planes.shifts.insert(planes.shifts.begin(), shifts);
  }
  return planes;
}

// A block of 32 with one multiplier: errors of its places go after those before it.
struct Rounding {
  std::vector<int> n;
  Vector errors;
  mpq_class cost = 0;
};

Rounding RoundBlock(const GroupPlanes& planes, size_t block, const Vector& weights, const Rounding& before,
                    int fine_bits, const mpq_class& unit) {
  Rounding rounding = before;
  for (size_t group = 4 * block; group < 4 * block + 4; ++group) {
    Vector targets(8), scaled(8), misses(8);
    const Vector errors(rounding.errors);
    for (size_t i = 0; i < 8; ++i) {
      targets[i] = weights[8 * group + i] - Dot(planes.shifts[group][i], errors);
      scaled[i] = targets[i] / unit;
    }
    const Closest closest = ClosestOf(fine_bits, scaled);
    int sum = 0;
    for (const int n : closest.n) sum += n;
    for (size_t i = 0; i < 8; ++i) {
      const mpq_class rounded = unit * (closest.n[i] + Offset(sum));
      misses[i] = rounded - targets[i];
      rounding.n.push_back(closest.n[i]);
      rounding.errors.push_back(rounded - weights[8 * group + i]);
    }
    rounding.cost += Form(planes.own[group], misses, misses);
  }
  return rounding;
}

TEST_CASE("Babai's nearest plane makes the choices that it makes in rationals") {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, 1);
  constexpr size_t kColumns = 64, kRows = 3;
  const Matrix moments = RandomMoments(random, kColumns, 2);
  Hessian hessian;
  hessian.size = kColumns;
  mpq_class mean = 0;
  for (size_t i = 0; i < kColumns; ++i) {
    mean += moments[i][i] / static_cast<int>(kColumns);
    for (const mpq_class& value : moments[i]) hessian.values.push_back(static_cast<float>(value.get_d()));
  }
  Matrix metric(kColumns, Vector(kColumns));
  for (size_t i = 0; i < kColumns; ++i) {
    for (size_t j = 0; j < kColumns; ++j) {
      metric[i][j] = moments[LatticePlaceColumn(i)][LatticePlaceColumn(j)] / mean;
    }
    metric[i][i] += mpq_class(1, 16);
  }
  const GroupPlanes planes = PlanesOf(metric);
  const NearestPlaneBasis basis = MakeBasis(hessian, 1.0 / 16);
  std::vector<float> weights(kRows * kColumns);
  for (float& weight : weights) weight = normal(random);
  for (int fine_bits = 0; fine_bits <= 2; ++fine_bits) {
    RoundingOptions options;
    options.fine_bits = fine_bits, options.sweeps = 0, options.scales = 1;
    const std::vector<RoundedRow> rows = RoundRows(weights.data(), kRows, kColumns, basis, options);
    for (size_t row = 0; row < kRows; ++row) {
      Vector exact(kColumns);
      for (size_t i = 0; i < kColumns; ++i) exact[i] = weights[row * kColumns + LatticePlaceColumn(i)];
      Rounding so_far;
      for (size_t block = 0; block < kColumns / 32; ++block) {
        Rounding best;
        uint8_t multiplier = 0;
        for (uint8_t m = 0; m < 4; ++m) {
          const mpq_class unit = mpq_class(Bf16ToFloat(rows[row].scale)) * 4 * kLatticeMultipliers[m];
          const Rounding rounding = RoundBlock(planes, block, exact, so_far, fine_bits, unit);
          if (m == 0 || rounding.cost < best.cost) best = rounding, multiplier = m;
        }
        CHECK(rows[row].multipliers[block] == multiplier);
        so_far = best;
      }
      for (size_t i = 0; i < kColumns; ++i) CHECK(int{rows[row].n[i]} == so_far.n[i]);
      // The planes' costs are e^T H e, exactly, and the converter's sum is that.
      CHECK(Form(metric, so_far.errors, so_far.errors) == so_far.cost);
      CHECK(WeightedError(&weights[row * kColumns], rows[row], kColumns, basis) ==
            doctest::Approx(so_far.cost.get_d()));
    }
  }
}

// Bases of E8 in groups of 8: e_i - e_(i+1), e_7 + e_8 doubled where D8 needs it, and the half of all ones.
Matrix BasisOfE8(size_t groups) {
  Matrix rows(8 * groups, Vector(8 * groups, 0));
  for (size_t g = 0; g < groups; ++g) {
    const size_t at = 8 * g;
    rows[at][at] = 2;
    for (size_t i = 1; i < 7; ++i) rows[at + i][at + i - 1] = -1, rows[at + i][at + i] = 1;
    for (size_t i = 0; i < 8; ++i) rows[at + 7][at + i] = mpq_class(1, 2);
  }
  return rows;
}

TEST_CASE("reduced bases: the same lattice, the conditions of Lenstra, Lenstra and Lovasz, closer points") {
  std::mt19937 random(3);
  std::uniform_int_distribution<int> fraction(-4096, 4096);
  const mpq_class delta(99, 100);
  double plain = 0, reduced = 0;
  for (int trial = 0; trial < 4; ++trial) {
    constexpr size_t kGroups = 2, kSize = 8 * kGroups;
    const Matrix metric = RandomMoments(random, kSize, 2);
    const Basis basis(BasisOfE8(kGroups), metric);
    Basis better = basis;
    better.Reduce(delta);
    CHECK(better.IsReduced(delta));
    CHECK_FALSE(basis.IsReduced(delta));
    // Each basis in coordinates of the other is in integers.
    using Two = std::array<const Basis*, 2>;
    for (const auto& [from, to] : {Two{&basis, &better}, Two{&better, &basis}}) {
      Matrix transposed(kSize, Vector(kSize)), vectors = transposed;
      for (size_t i = 0; i < kSize; ++i) {
        for (size_t j = 0; j < kSize; ++j) {
          transposed[i][j] = to->rows[j][i];
          vectors[i][j] = from->rows[j][i];
        }
      }
      for (const Vector& row : Solve(transposed, vectors)) {
        for (const mpq_class& value : row) CHECK(value.get_den() == 1);
      }
    }
    for (int sample = 0; sample < 12; ++sample) {
      Vector target(kSize);
      for (mpq_class& value : target) value = mpq_class(fraction(random), 512);
      const Vector one = basis.Remainder(target), other = better.Remainder(target);
      plain += Form(metric, one, one).get_d();
      reduced += Form(metric, other, other).get_d();
    }
  }
  MESSAGE("squared error after the reduction: ", reduced / plain, " of what it is without");
  CHECK(reduced < plain);
}

}  // namespace
}  // namespace cllm
