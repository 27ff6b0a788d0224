// What the kernels' tests share: running on every SIMD target, exact comparison, and numbers to test with.
#ifndef CLLM_TESTS_KERNELS_EVERY_TARGET_H_
#define CLLM_TESTS_KERNELS_EVERY_TARGET_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"
#include "doctest/doctest.h"
#include "kernels/targets.h"

namespace cllm::testing {

// Calls body(name) with dispatch restricted to each target that this machine runs, one after the other.
template <class Body>
void OnEveryTarget(const Body& body) {
  std::vector<std::string> names;
  for (int64_t rest = SupportedTargets(); rest != 0; rest &= rest - 1) {
    names.push_back(TargetName(rest & -rest));
  }
  for (const std::string& name : names) {
    REQUIRE(UseTarget(name.c_str()));
    REQUIRE(std::string(ChosenTarget()) == name);
    INFO("target " << name);
    body(name);
  }
  UseTarget(nullptr);
}

inline uint32_t Bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

inline float FromBits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

// The first index at which the bits differ, or -1.
inline int64_t FirstDifference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (Bits(a[i]) != Bits(b[i])) return static_cast<int64_t>(i);
  }
  return -1;
}

inline void CheckSameBits(const std::vector<float>& got, const std::vector<float>& want) {
  REQUIRE(got.size() == want.size());
  const int64_t at = FirstDifference(got, want);
  const size_t i = at < 0 ? 0 : static_cast<size_t>(at);
  CHECK_MESSAGE(at < 0, "element ", at, ": ", got[i], " instead of ", want[i]);
}

// Numbers around 1 with signs and magnitudes over some powers of two; the n-th depends on n and seed only.
inline float Number(uint64_t seed, uint64_t n) {
  const uint64_t random = Random(seed, 99, n);
  const float magnitude = std::ldexp(1.0f + UniformFloat(random), static_cast<int>(random % 7) - 4);
  return (random >> 8) % 2 != 0 ? -magnitude : magnitude;
}

inline std::vector<float> Numbers(uint64_t seed, size_t count) {
  std::vector<float> x(count);
  for (size_t i = 0; i < count; ++i) x[i] = Number(seed, i);
  return x;
}

// Rows of `count` numbers, each padded with zeros to a multiple of 16.
inline std::vector<float> PaddedRows(uint64_t seed, size_t rows, size_t count) {
  const size_t stride = (count + 15) / 16 * 16;
  std::vector<float> x(rows * stride);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < count; ++i) x[r * stride + i] = Number(seed, r * count + i);
  }
  return x;
}

// The contract's reduction of DESIGN.md section 5: 16 lanes, then halves. n is a multiple of 16.
template <class Combine>
float ReduceInOrder(const float* x, size_t n, float start, const Combine& combine) {
  float lanes[16];
  for (float& lane : lanes) lane = start;
  for (size_t i = 0; i < n; ++i) lanes[i % 16] = combine(lanes[i % 16], x[i]);
  for (size_t half = 8; half != 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) lanes[i] = combine(lanes[i], lanes[i + half]);
  }
  return lanes[0];
}

inline float SumInOrder(const std::vector<float>& x) {
  return ReduceInOrder(x.data(), x.size(), 0.0f, [](float a, float b) { return a + b; });
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_KERNELS_EVERY_TARGET_H_
