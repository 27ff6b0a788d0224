#include "converter/lattice/descent.h"

#include <algorithm>
#include <bit>

#include "base/bf16.h"
#include "converter/lattice/closest_point.h"
#include "kernels/lattice_code.h"

namespace cllm {
namespace {

constexpr size_t kGroup = kLatticeGroup, kBlock = kLatticeBlock, kHalves = 128;

// Signs of the half vectors: bit i is set where coordinate i is -1/2. An odd number of bits is: these lead
// from n + 1/4 with an even sum to n + 3/4 with an odd one, and back.
uint8_t HalfSigns(size_t index) {
  return static_cast<uint8_t>(index | (std::popcount(index) % 2 == 0 ? 128u : 0u));
}

float Sign(uint8_t signs, size_t i) { return (signs >> i & 1) != 0 ? -0.5f : 0.5f; }

int GroupSum(const int8_t* n) {
  int sum = 0;
  for (size_t i = 0; i < kGroup; ++i) sum += n[i];
  return sum;
}

}  // namespace

// A step: to which n, by how much, and what it brings.
struct Descent::Step {
  float gain = 0;  // of the error; negative is better
  int8_t n[kGroup] = {};
  float by[kGroup] = {};  // in units of the points
};

class Descent::Search {
 public:
  Search(const Descent& descent, const float* weights, size_t columns, int fine_bits, RoundedRow* row)
      : descent_(descent), size_(descent.basis_.size), fine_bits_(fine_bits), row_(row), gradient_(size_) {
    std::vector<float> rounded(size_);
    DequantizePlaces(*row, rounded.data());
    const std::vector<float> exact = ByPlace(weights, columns);
    for (size_t k = 0; k < size_; ++k) AddColumn(k, rounded[k] - exact[k]);
  }

  // Whether a step was taken.
  bool Visit(size_t group) {
    const size_t at = group * kGroup;
    const float unit = 4.0f * Bf16ToFloat(row_->scale) *
                       static_cast<float>(kLatticeMultipliers[row_->multipliers[at / kBlock]]);
    Step best;
    TryPairs(at, unit, &best);
    TryHalves(at, unit, &best);
    if (!(best.gain < 0)) return false;
    std::copy(best.n, best.n + kGroup, &row_->n[at]);
    for (size_t i = 0; i < kGroup; ++i) AddColumn(at + i, unit * best.by[i]);
    return true;
  }

 private:
  float Metric(size_t i, size_t j) const { return descent_.basis_.damped[i * size_ + j]; }

  void AddColumn(size_t k, float by) {
    if (by == 0) return;
    const float* column = &descent_.basis_.damped[k * size_];
    for (size_t i = 0; i < size_; ++i) gradient_[i] += by * column[i];
  }

  // e_i and e_j of either sign.
  void TryPairs(size_t at, float unit, Step* best) const {
    for (size_t i = 0; i < kGroup; ++i) {
      for (size_t j = i + 1; j < kGroup; ++j) {
        const float own = Metric(at + i, at + i) + Metric(at + j, at + j), cross = 2 * Metric(at + i, at + j);
        for (int signs = 0; signs < 4; ++signs) {
          const float a = (signs & 1) != 0 ? -1.0f : 1.0f, b = (signs & 2) != 0 ? -1.0f : 1.0f;
          const float gain =
              unit * (2 * (a * gradient_[at + i] + b * gradient_[at + j]) + unit * (own + a * b * cross));
          if (gain >= best->gain) continue;
          Step step;
          step.gain = gain;
          std::copy(&row_->n[at], &row_->n[at] + kGroup, step.n);
          step.n[i] = static_cast<int8_t>(step.n[i] + static_cast<int>(a));
          step.n[j] = static_cast<int8_t>(step.n[j] + static_cast<int>(b));
          step.by[i] = a;
          step.by[j] = b;
          if (IsInCode(fine_bits_, step.n)) *best = step;
        }
      }
    }
  }

  void TryHalves(size_t at, float unit, Step* best) const {
    const bool even = GroupSum(&row_->n[at]) % 2 == 0;
    for (size_t index = 0; index < kHalves; ++index) {
      const uint8_t signs = HalfSigns(index);
      float slope = 0;
      for (size_t i = 0; i < kGroup; ++i) slope += Sign(signs, i) * gradient_[at + i];
      const float gain = unit * (2 * slope + unit * descent_.halves_[at / kGroup][index]);
      if (gain >= best->gain) continue;
      Step step;
      step.gain = gain;
      for (size_t i = 0; i < kGroup; ++i) {
        const int minus = signs >> i & 1;
        step.n[i] = static_cast<int8_t>(row_->n[at + i] + (even ? -minus : 1 - minus));
        step.by[i] = Sign(signs, i);
      }
      if (IsInCode(fine_bits_, step.n)) *best = step;
    }
  }

  const Descent& descent_;
  size_t size_;
  int fine_bits_;
  RoundedRow* row_;
  std::vector<float> gradient_;  // H e
};

Descent::Descent(const NearestPlaneBasis& basis) : basis_(basis), halves_(basis.size / kGroup) {
  for (size_t group = 0; group < halves_.size(); ++group) {
    const float* block = &basis.damped[group * kGroup * (basis.size + 1)];
    for (size_t index = 0; index < kHalves; ++index) {
      const uint8_t signs = HalfSigns(index);
      float sum = 0;
      for (size_t i = 0; i < kGroup; ++i) {
        for (size_t j = 0; j < kGroup; ++j)
          sum += Sign(signs, i) * Sign(signs, j) * block[i * basis.size + j];
      }
      halves_[group][index] = sum;
    }
  }
}

void Descent::Improve(const float* weights, size_t columns, int fine_bits, int sweeps,
                      RoundedRow* row) const {
  Search search(*this, weights, columns, fine_bits, row);
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    bool changed = false;
    for (size_t group = 0; group < halves_.size(); ++group) changed |= search.Visit(group);
    if (!changed) break;
  }
}

void Descent::FitScale(const float* weights, size_t columns, RoundedRow* row) const {
  const size_t n = basis_.size;
  std::vector<float> rounded(n);
  DequantizePlaces(*row, rounded.data());
  const std::vector<float> exact = ByPlace(weights, columns);
  double both = 0, own = 0;
  for (size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (size_t j = 0; j < n; ++j) sum += double{basis_.damped[i * n + j]} * double{rounded[j]};
    own += sum * double{rounded[i]};
    both += sum * double{exact[i]};
  }
  if (both > 0 && own > 0)
    row->scale = Bf16Nearest(static_cast<float>(double{Bf16ToFloat(row->scale)} * both / own));
}

}  // namespace cllm
