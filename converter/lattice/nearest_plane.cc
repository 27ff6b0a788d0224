#include "converter/lattice/nearest_plane.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/bf16.h"
#include "base/ranges.h"
#include "converter/lattice/closest_point.h"
#include "converter/lattice/descent.h"
#include "kernels/lattice_code.h"

namespace cllm {
namespace {

constexpr size_t kGroup = kLatticeGroup, kBlock = kLatticeBlock;
constexpr size_t kMultipliers = 4;
constexpr double kSmallestScale = 0x1p-50;
constexpr double kScaleStep = 1.0 / 8;  // in powers of two: between the row scales that are tried

// Root mean square of the points, in units of their lattice, that suits normally distributed weights.
constexpr double kPointSize[3] = {1.03, 2.15, 4.4};

// A block of 32 columns, rounded.
struct Block {
  int8_t n[kBlock][kLatticeLanes];
  Lanes errors[kBlock];  // rounded less exact weights
  Lanes cost;            // |M_bb (rounded less targets)|^2
};

// 16 rows side by side.
class Panel {
 public:
  Panel(const float* weights, size_t rows, size_t columns, const NearestPlaneBasis& basis, int fine_bits)
      : rows_(rows), basis_(basis), fine_bits_(fine_bits), weights_(basis.size), errors_(basis.size) {
    for (size_t k = 0; k < basis.size; ++k) {
      const size_t column = LatticePlaceColumn(k);
      for (size_t l = 0; l < kLatticeLanes; ++l) {
        weights_[k].lane[l] = l < rows && column < columns ? weights[l * columns + column] : 0.0f;
      }
    }
  }

  // Rounds with these row scales; costs: e^T H e of each row.
  void Round(const float* scales, std::vector<RoundedRow>* result, Lanes* costs) {
    *costs = {};
    result->assign(rows_, RoundedRow());
    for (RoundedRow& row : *result) {
      row.n.resize(basis_.size);
      row.multipliers.resize(basis_.size / kBlock);
    }
    for (size_t block = 0; block < basis_.size / kBlock; ++block) {
      Lanes shifts[kBlock];
      Shifts(block * kBlock, shifts);
      const auto tries = std::make_unique<Block[]>(kMultipliers);
      for (size_t i = 0; i < kMultipliers; ++i) {
        RoundBlock(block * kBlock, scales, static_cast<float>(kLatticeMultipliers[i]), shifts, &tries[i]);
      }
      for (size_t l = 0; l < kLatticeLanes; ++l) {
        size_t best = 0;
        for (size_t i = 1; i < kMultipliers; ++i) {
          if (tries[i].cost.lane[l] < tries[best].cost.lane[l]) best = i;
        }
        Keep(block, l, best, tries[best], result);
        costs->lane[l] += tries[best].cost.lane[l];
      }
    }
  }

 private:
  const float* FeedbackRow(size_t row) const { return &basis_.feedback[row * basis_.size]; }

  // What the errors before column `at` ask of the block's columns.
  void Shifts(size_t at, Lanes* shifts) const {
    for (size_t i = 0; i < kBlock; ++i) {
      shifts[i] = {};
      AddProducts(FeedbackRow(at + i), errors_.data(), at, &shifts[i]);
    }
  }

  static void AddProducts(const float* factors, const Lanes* errors, size_t count, Lanes* sum) {
    for (size_t j = 0; j < count; ++j) {
      for (size_t l = 0; l < kLatticeLanes; ++l) sum->lane[l] += factors[j] * errors[j].lane[l];
    }
  }

  void RoundBlock(size_t at, const float* scales, float multiplier, const Lanes* shifts, Block* block) const {
    block->cost = {};
    Lanes units, inverses;
    for (size_t l = 0; l < kLatticeLanes; ++l) {
      units.lane[l] = 4.0f * scales[l] * multiplier;
      inverses.lane[l] = 1.0f / units.lane[l];
    }
    for (size_t g = 0; g < kBlock; g += kGroup) {
      Lanes targets[kGroup], scaled[kGroup], distances;
      for (size_t i = 0; i < kGroup; ++i) {
        Lanes shift = shifts[g + i];
        AddProducts(FeedbackRow(at + g + i) + at, block->errors, g, &shift);
        for (size_t l = 0; l < kLatticeLanes; ++l) {
          targets[i].lane[l] = weights_[at + g + i].lane[l] - shift.lane[l];
          scaled[i].lane[l] = std::clamp(targets[i].lane[l] * inverses.lane[l], -1000.0f, 1000.0f);
        }
      }
      ClosestPoints(fine_bits_, scaled, &block->n[g], &distances);
      AddErrors(at + g, units, targets, g, block);
    }
  }

  // Errors and cost of the group of 8 at `g` of the block.
  void AddErrors(size_t column, const Lanes& units, const Lanes* targets, size_t g, Block* block) const {
    Lanes misses[kGroup];
    for (size_t l = 0; l < kLatticeLanes; ++l) {
      int sum = 0;
      for (size_t i = 0; i < kGroup; ++i) sum += block->n[g + i][l];
      for (size_t i = 0; i < kGroup; ++i) {
        const float rounded = units.lane[l] * (static_cast<float>(block->n[g + i][l]) + PointOffset(sum));
        misses[i].lane[l] = rounded - targets[i].lane[l];
        block->errors[g + i].lane[l] = rounded - weights_[column + i].lane[l];
      }
    }
    for (size_t i = 0; i < kGroup; ++i) {
      Lanes sum = {};
      AddProducts(FeedbackRow(column + i) + column, misses, i + 1, &sum);
      for (size_t l = 0; l < kLatticeLanes; ++l) block->cost.lane[l] += sum.lane[l] * sum.lane[l];
    }
  }

  void Keep(size_t block, size_t lane, size_t multiplier, const Block& rounded,
            std::vector<RoundedRow>* result) {
    for (size_t i = 0; i < kBlock; ++i) {
      errors_[block * kBlock + i].lane[lane] = rounded.errors[i].lane[lane];
      if (lane < rows_) (*result)[lane].n[block * kBlock + i] = rounded.n[i][lane];
    }
    if (lane < rows_) (*result)[lane].multipliers[block] = static_cast<uint8_t>(multiplier);
  }

  size_t rows_;
  const NearestPlaneBasis& basis_;
  int fine_bits_;
  std::vector<Lanes> weights_, errors_;
};

uint16_t FirstScale(const float* weights, size_t columns, int fine_bits, double factor) {
  double sum = 0;
  for (size_t k = 0; k < columns; ++k) sum += double{weights[k]} * double{weights[k]};
  const double middle = 0.5 * (kLatticeMultipliers[1] + kLatticeMultipliers[2]);
  const double scale = std::sqrt(sum / static_cast<double>(columns)) / (4 * middle * kPointSize[fine_bits]);
  return Bf16Nearest(static_cast<float>(std::max(scale * factor, kSmallestScale)));
}

// Rounds the rows of a panel, from weights [count][columns], with each of the scales and keeps the best by
// row.
void RoundPanel(const float* weights, size_t count, size_t columns, const NearestPlaneBasis& basis,
                const RoundingOptions& options, RoundedRow* rows) {
  Panel panel(weights, count, columns, basis, options.fine_bits);
  std::vector<RoundedRow> tried;
  std::vector<float> least(count, INFINITY);
  for (int i = 0; i < options.scales; ++i) {
    const double factor = std::exp2((i - options.scales / 2) * kScaleStep);
    uint16_t scales[kLatticeLanes];
    float values[kLatticeLanes];
    for (size_t l = 0; l < kLatticeLanes; ++l) {
      scales[l] = FirstScale(weights + std::min(l, count - 1) * columns, columns, options.fine_bits, factor);
      values[l] = Bf16ToFloat(scales[l]);
    }
    Lanes costs;
    panel.Round(values, &tried, &costs);
    for (size_t l = 0; l < count; ++l) {
      if (!(costs.lane[l] < least[l])) continue;
      least[l] = costs.lane[l];
      rows[l] = tried[l];
      rows[l].scale = scales[l];
    }
  }
}

}  // namespace

std::vector<RoundedRow> RoundRows(const float* weights, size_t rows, size_t columns,
                                  const NearestPlaneBasis& basis, const RoundingOptions& options) {
  const Descent descent(basis);
  std::vector<RoundedRow> all(rows);
  const size_t panels = (rows + kLatticeLanes - 1) / kLatticeLanes;
  ForRanges(options.workers, panels, kTaskMacs, [&](size_t begin, size_t end) {
    for (size_t first = begin * kLatticeLanes; first < std::min(rows, end * kLatticeLanes);
         first += kLatticeLanes) {
      const size_t count = std::min(kLatticeLanes, rows - first);
      RoundPanel(weights + first * columns, count, columns, basis, options, &all[first]);
      for (size_t row = first; row < first + count && options.sweeps > 0; ++row) {
        descent.Improve(weights + row * columns, columns, options.fine_bits, options.sweeps, &all[row]);
        descent.FitScale(weights + row * columns, columns, &all[row]);
        descent.Improve(weights + row * columns, columns, options.fine_bits, options.sweeps, &all[row]);
      }
    }
  });
  return all;
}

void DequantizePlaces(const RoundedRow& row, float* weights) {
  const float scale = Bf16ToFloat(row.scale);
  for (size_t at = 0; at < row.n.size(); at += kGroup) {
    int8_t point[kGroup];
    LatticePoint(&row.n[at], point);
    const int multiplier = kLatticeMultipliers[row.multipliers[at / kBlock]];
    for (size_t i = 0; i < kGroup; ++i) weights[at + i] = scale * static_cast<float>(multiplier * point[i]);
  }
}

void DequantizeRow(const RoundedRow& row, size_t columns, float* weights) {
  std::vector<float> places(row.n.size());
  DequantizePlaces(row, places.data());
  for (size_t place = 0; place < places.size(); ++place) {
    if (LatticePlaceColumn(place) < columns) weights[LatticePlaceColumn(place)] = places[place];
  }
}

std::vector<float> ByPlace(const float* weights, size_t columns) {
  std::vector<float> places(static_cast<size_t>(RoundUp(columns, kBlock)));
  for (size_t place = 0; place < places.size(); ++place) {
    if (LatticePlaceColumn(place) < columns) places[place] = weights[LatticePlaceColumn(place)];
  }
  return places;
}

double WeightedError(const float* weights, const RoundedRow& row, size_t columns,
                     const NearestPlaneBasis& basis) {
  const size_t n = basis.size;
  std::vector<float> e(n);
  DequantizePlaces(row, e.data());
  const std::vector<float> exact = ByPlace(weights, columns);
  for (size_t k = 0; k < n; ++k) e[k] -= exact[k];
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    double product = 0;
    for (size_t j = 0; j < n; ++j) product += double{basis.damped[i * n + j]} * double{e[j]};
    sum += product * double{e[i]};
  }
  return sum;
}

}  // namespace cllm
