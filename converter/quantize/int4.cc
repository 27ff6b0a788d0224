#include "converter/quantize/int4.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/bf16.h"
#include "base/layout.h"
#include "kernels/int4.h"

namespace cllm {
namespace {

constexpr int kMostScale = 15, kMostZero = 15, kMostHalf = 15;
constexpr double kSmallestScale = 0x1p-50;
constexpr float kRoundingMagic = 12582912.0f;  // 1.5 * 2^23: added and taken off it rounds to nearest
constexpr size_t kLanes = 8;

// One group of a row.
struct Group {
  const float* weights;
  size_t count;
  double low, high;  // at most 0, at least 0
};

struct GroupChoice {
  int scale = 0, zero = 0;
  double error = 0;
};

// How finely a group's scales and zeros are searched around what its range suggests.
struct Search {
  int scales_below, zeros_around;
};
constexpr Search kCoarse = {2, 0}, kFine = {5, 3};

float Half(float t) {
  const float within = std::min(std::max(t, 0.0f), static_cast<float>(kMostHalf));
  return (within + kRoundingMagic) - kRoundingMagic;
}

float ZeroHalf(int zero) { return static_cast<float>(kI4ZeroBias + zero) * 0.5f; }

// Squared error of the group in units of `step`, the distance of two neighbouring values. Lanes have sums of
// their own: one order on every host, which compilers may use vectors for.
double SquaredError(const Group& group, double step, int zero) {
  const auto factor = static_cast<float>(1.0 / step);
  const float offset = ZeroHalf(zero);
  float sums[kLanes] = {};
  size_t k = 0;
  for (; k + kLanes <= group.count; k += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float t = group.weights[k + lane] * factor + offset;
      const float d = t - Half(t);
      sums[lane] += d * d;
    }
  }
  for (; k < group.count; ++k) {
    const float t = group.weights[k] * factor + offset;
    const float d = t - Half(t);
    sums[k % kLanes] += d * d;
  }
  double sum = 0;
  for (const float lane : sums) sum += lane;
  return sum * step * step;
}

double SumOfSquares(const Group& group) {
  double sum = 0;
  for (size_t k = 0; k < group.count; ++k) sum += static_cast<double>(group.weights[k]) * group.weights[k];
  return sum;
}

// The best scale and zero that `search` looks at, for this scale of the row. Scale 0 makes all weights zero.
GroupChoice Choose(const Group& group, double row_scale, const Search& search) {
  GroupChoice best = {0, 0, SumOfSquares(group)};
  if (best.error == 0) return best;
  const double widest =
      std::max({(group.high - group.low) / (2 * kMostHalf), group.high / (2 * kMostHalf - kI4ZeroBias),
                -group.low / (kI4ZeroBias + kMostZero)});
  const int largest = static_cast<int>(std::min<double>(std::ceil(widest / row_scale), kMostScale));
  for (int scale = largest; scale >= 1 && scale >= largest - search.scales_below; --scale) {
    const double step = 2 * scale * row_scale;
    // Halfway between the zeros that put the ends of the range on the ends of the values.
    const double middle = (2 * kMostHalf - 2 * (group.low + group.high) / step) / 2 - kI4ZeroBias;
    const int around = static_cast<int>(std::nearbyint(std::min(std::max(middle, 0.0), 1.0 * kMostZero)));
    for (int zero = around - search.zeros_around; zero <= around + search.zeros_around; ++zero) {
      if (zero < 0 || zero > kMostZero) continue;
      const double error = SquaredError(group, step, zero);
      if (error < best.error) best = {scale, zero, error};
    }
  }
  return best;
}

class RowSearch {
 public:
  RowSearch(const float* weights, size_t columns) : columns_(columns) {
    for (size_t k = 0; k < columns; k += kI4Group) {
      Group group = {weights + k, std::min(kI4Group, columns - k), 0, 0};
      for (size_t i = 0; i < group.count; ++i) {
        group.low = std::min<double>(group.low, group.weights[i]);
        group.high = std::max<double>(group.high, group.weights[i]);
      }
      widest_ = std::max(widest_, group.high - group.low);
      groups_.push_back(group);
    }
  }

  Int4Row Best() const {
    uint16_t best_scale = 0;
    double best_error = std::numeric_limits<double>::infinity();
    for (int candidate = 0; candidate < 8; ++candidate) {
      const uint16_t scale = Bf16Scale(widest_ / (2 * kMostHalf * kMostScale) * (1.15 - 0.05 * candidate));
      double error = 0;
      for (const Group& group : groups_) error += Choose(group, Bf16ToFloat(scale), kCoarse).error;
      if (error < best_error) {
        best_scale = scale;
        best_error = error;
      }
    }
    Int4Row row = Rounded(best_scale);
    for (uint16_t scale = best_scale; !Fits(row);) {
      scale = Bf16Scale(2.0 * Bf16ToFloat(scale));
      row = Rounded(scale);
    }
    return row;
  }

 private:
  // The bf16 at or next above a positive number, at least kSmallestScale.
  static uint16_t Bf16Scale(double scale) {
    return Bf16RoundUp(static_cast<float>(std::max(scale, kSmallestScale)));
  }

  Int4Row Rounded(uint16_t scale) const {
    Int4Row row;
    row.scale = scale;
    for (const Group& group : groups_) {
      const GroupChoice choice = Choose(group, Bf16ToFloat(scale), kFine);
      row.groups.push_back(static_cast<uint8_t>(choice.scale | choice.zero << 4));
      const double step = 2.0 * choice.scale * Bf16ToFloat(scale);
      const float factor = choice.scale != 0 ? static_cast<float>(1.0 / step) : 0.0f;
      for (size_t k = 0; k < group.count; ++k) {
        row.halves.push_back(static_cast<uint8_t>(Half(group.weights[k] * factor + ZeroHalf(choice.zero))));
      }
    }
    return row;
  }

  // Whether no inputs, at most 127, can make a sum that leaves 32 bits.
  bool Fits(const Int4Row& row) const {
    int64_t most = 0;
    for (size_t k = 0; k < columns_; ++k) {
      most += 127 * std::abs(Int4Value(row.halves[k], row.groups[k / kI4Group]));
    }
    return most <= std::numeric_limits<int32_t>::max();
  }

  size_t columns_;
  std::vector<Group> groups_;
  double widest_ = 0;
};

}  // namespace

int Int4Value(uint8_t half, uint8_t group) {
  return (2 * half - kI4ZeroBias - (group >> 4)) * (group & kMostScale);
}

Int4Row QuantizeInt4Row(const float* weights, size_t columns) { return RowSearch(weights, columns).Best(); }

}  // namespace cllm
