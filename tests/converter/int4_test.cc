#include "converter/quantize/int4.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/bf16.h"

namespace cllm {
namespace {

std::vector<float> NormalRow(std::mt19937& random, size_t columns) {
  std::vector<float> row(columns);
  for (float& w : row) {
    float sum = 0;
    for (int i = 0; i < 12; ++i) sum += static_cast<float>(random() >> 8) * 0x1p-24f - 0.5f;
    w = sum * 0.02f;
  }
  return row;
}

double Value(const Int4Row& row, size_t k) {
  return double{Bf16ToFloat(row.scale)} * Int4Value(row.halves[k], row.groups[k / 32]);
}

double SquaredError(const Int4Row& row, const std::vector<float>& weights) {
  double sum = 0;
  for (size_t k = 0; k < weights.size(); ++k) sum += std::pow(Value(row, k) - weights[k], 2);
  return sum;
}

// The least error of a group for this scale of the row, over all scales and zeros.
double LeastError(const std::vector<float>& weights, size_t begin, double row_scale) {
  double least = INFINITY;
  for (int byte = 0; byte < 256; ++byte) {
    double sum = 0;
    for (size_t k = begin; k < std::min(begin + 32, weights.size()); ++k) {
      double nearest = INFINITY;
      for (int half = 0; half < 16; ++half) {
        const double value = row_scale * Int4Value(static_cast<uint8_t>(half), static_cast<uint8_t>(byte));
        nearest = std::min(nearest, std::abs(value - weights[k]));
      }
      sum += nearest * nearest;
    }
    least = std::min(least, sum);
  }
  return least;
}

TEST_CASE("int4: each group as good as any scale and zero could make it, but for 1%; halves the nearest") {
  std::mt19937 random(3);
  double got = 0, least = 0, plain = 0, norm = 0;
  for (const size_t columns : {1, 7, 32, 33, 64, 172, 288}) {
    for (int round = 0; round < 4; ++round) {
      std::vector<float> weights = NormalRow(random, columns);
      if (round == 3) weights[columns / 2] *= 20;
      const Int4Row row = QuantizeInt4Row(weights.data(), columns);
      REQUIRE(row.halves.size() == columns);
      REQUIRE(row.groups.size() == (columns + 31) / 32);
      got += SquaredError(row, weights);
      for (size_t k = 0; k < columns; k += 32) least += LeastError(weights, k, Bf16ToFloat(row.scale));
      if (round != 3) {
        plain += SquaredError(row, weights);
        for (const float w : weights) norm += double{w} * w;
      }
      for (size_t k = 0; k < columns; ++k) {
        const double distance = std::abs(Value(row, k) - weights[k]);
        for (uint8_t half = 0; half < 16; ++half) {
          const double value = double{Bf16ToFloat(row.scale)} * Int4Value(half, row.groups[k / 32]);
          REQUIRE(distance <= std::abs(value - weights[k]) * (1 + 1e-6));
        }
      }
    }
  }
  CHECK(got >= least * (1 - 1e-6));
  CHECK(got <= least * 1.01);
  CHECK(plain < 0.006 * norm);
}

TEST_CASE("int4: zeros stay zero, and the smallest and largest floats have finite scales") {
  const std::vector<float> zeros(40, 0.0f);
  const Int4Row none = QuantizeInt4Row(zeros.data(), zeros.size());
  CHECK(Bf16ToFloat(none.scale) == 0x1p-50f);
  for (size_t k = 0; k < zeros.size(); ++k) CHECK(Value(none, k) == 0);
  for (const float magnitude : {1e-42f, 1e-20f, 3e38f}) {
    std::vector<float> weights(40, magnitude);
    for (size_t k = 0; k < weights.size(); k += 3) weights[k] = -magnitude;
    const Int4Row row = QuantizeInt4Row(weights.data(), weights.size());
    CHECK(Bf16ToFloat(row.scale) >= 0x1p-50f);
    CHECK(std::isfinite(Bf16ToFloat(row.scale)));
    for (size_t k = 0; k < weights.size(); ++k) CHECK(std::abs(Value(row, k) - weights[k]) <= magnitude);
    if (magnitude > 1) CHECK(SquaredError(row, weights) < 0.01 * 40 * std::pow(double{magnitude}, 2));
  }
}

TEST_CASE("int4: no product leaves 32 bits, of the longest rows there can be either") {
  std::vector<float> weights(65536, 1.0f);
  for (size_t k = 0; k < weights.size(); k += 2) weights[k] = -1.0f;
  const Int4Row row = QuantizeInt4Row(weights.data(), weights.size());
  int64_t most = 0;
  for (size_t k = 0; k < weights.size(); ++k) {
    most += 127 * std::abs(Int4Value(row.halves[k], row.groups[k / 32]));
  }
  CHECK(most <= 0x7FFFFFFF);
  CHECK(most > 0x7FFFFFFF / 4);
  CHECK(SquaredError(row, weights) < 0.01 * static_cast<double>(weights.size()));
}

}  // namespace
}  // namespace cllm
