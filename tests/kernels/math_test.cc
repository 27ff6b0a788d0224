// The polynomials: accuracy against double on one target, and the same bits on all.
#include <cmath>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/kernels/math_test.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// n is a multiple of 16 in all of these.
void ExpAll(const float* x, size_t n, float* y) {
  const RowTag d;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) hn::StoreU(Exp(d, hn::LoadU(d, x + i)), d, y + i);
}

void LogAll(const float* x, size_t n, float* y) {
  const RowTag d;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) hn::StoreU(Log(d, hn::LoadU(d, x + i)), d, y + i);
}

// Tanh, and the normal distribution; y is [2][n].
void TanhAndNormalAll(const float* x, size_t n, float* y) {
  const RowTag d;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    RowVector bell;
    hn::StoreU(Tanh(d, hn::LoadU(d, x + i)), d, y + i);
    hn::StoreU(NormalDistribution(d, hn::LoadU(d, x + i), bell), d, y + n + i);
  }
}

void CosSinAll(const int32_t* quadrant, const float* turns, size_t n, float* cosine, float* sine) {
  const RowTag d;
  const hn::RebindToSigned<RowTag> di;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    RowVector c, s;
    CosSin(d, hn::LoadU(di, quadrant + i), hn::LoadU(d, turns + i), c, s);
    hn::StoreU(c, d, cosine + i);
    hn::StoreU(s, d, sine + i);
  }
}

// DivExact, SqrtExact, FusedMulAdd and both roundings of each triple; y is [5][n].
void ArithmeticAll(const float* a, const float* b, const float* c, size_t n, float* y) {
  const RowTag d;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    const RowVector va = hn::LoadU(d, a + i), vb = hn::LoadU(d, b + i), vc = hn::LoadU(d, c + i);
    hn::StoreU(DivExact(d, va, vb), d, y + i);
    hn::StoreU(SqrtExact(d, hn::Abs(va)), d, y + n + i);
    hn::StoreU(FusedMulAdd(d, va, vb, vc), d, y + 2 * n + i);
    hn::StoreU(RoundToFloat(d, vc), d, y + 3 * n + i);
    hn::StoreU(hn::ConvertTo(d, RoundToInt(d, vc)), d, y + 4 * n + i);
  }
}

float EmulatedFma(float a, float b, float c) { return EmulatedFusedMulAdd(a, b, c); }

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

HWY_EXPORT(ExpAll);
HWY_EXPORT(LogAll);
HWY_EXPORT(TanhAndNormalAll);
HWY_EXPORT(CosSinAll);
HWY_EXPORT(ArithmeticAll);
HWY_EXPORT(EmulatedFma);

using testing::Bits;
using testing::CheckSameBits;
using testing::FromBits;
using testing::OnEveryTarget;

// |got - want| in units of the last place of want.
double UlpError(float got, double want) {
  int exponent;
  std::frexp(want, &exponent);
  return std::fabs(static_cast<double>(got) - want) / std::ldexp(1.0, exponent - 24);
}

// Every stride-th float from low to high, both of the same sign, filled up to a multiple of 16.
std::vector<float> Sweep(float low, float high, uint32_t stride) {
  std::vector<float> x;
  const uint32_t first = std::min(Bits(low), Bits(high)), last = std::max(Bits(low), Bits(high));
  for (uint64_t bits = first; bits <= last; bits += stride)
    x.push_back(FromBits(static_cast<uint32_t>(bits)));
  while (x.size() % 16 != 0) x.push_back(high);
  return x;
}

TEST_CASE("Exp: within 1 unit in the last place, the same bits on every target") {
  std::vector<float> x = Sweep(1e-10f, 88.0f, 1009), negative = Sweep(-1e-10f, -60.0f, 1009);
  x.insert(x.end(), negative.begin(), negative.end());
  std::vector<float> first;
  OnEveryTarget([&](const std::string&) {
    std::vector<float> y(x.size());
    HWY_DYNAMIC_DISPATCH(ExpAll)(x.data(), x.size(), y.data());
    if (first.empty()) {
      double worst = 0;
      for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, UlpError(y[i], std::exp(double{x[i]})));
      MESSAGE("Exp: largest error ", worst, " ulp over ", x.size(), " arguments");
      CHECK(worst < 1.0);
      first = y;
    }
    CheckSameBits(y, first);
  });
}

TEST_CASE("Exp outside its range") {
  const float below = std::nextafter(-60.0f, -100.0f);
  const std::vector<float> x = {0.0f,     -0.0f, below,  -1000.0f, -INFINITY, -1e30f, 88.5f, 1000.0f,
                                INFINITY, NAN,   -60.0f, -3e38f,   3e38f,     1e-45f, 88.0f, -0.0f};
  OnEveryTarget([&](const std::string&) {
    std::vector<float> y(16);
    HWY_DYNAMIC_DISPATCH(ExpAll)(x.data(), 16, y.data());
    CHECK(y[0] == 1.0f);
    CHECK(y[1] == 1.0f);
    for (size_t i : {2, 3, 4, 5, 11}) CHECK(Bits(y[i]) == 0);
    for (size_t i : {6, 7, 8, 12}) CHECK(Bits(y[i]) == Bits(y[14]));
    CHECK(std::isnan(y[9]));
    CHECK(y[10] > 8e-27f);
  });
}

TEST_CASE("Log: within 0.85 units in the last place, the same bits on every target") {
  std::vector<float> x = Sweep(1.17549435e-38f, 3.4e38f, 1009);
  // Near 1 the result is small and its units are fine.
  const std::vector<float> near_one = Sweep(0.99f, 1.01f, 7);
  x.insert(x.end(), near_one.begin(), near_one.end());
  std::vector<float> first;
  OnEveryTarget([&](const std::string&) {
    std::vector<float> y(x.size());
    HWY_DYNAMIC_DISPATCH(LogAll)(x.data(), x.size(), y.data());
    if (first.empty()) {
      double worst = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double want = std::log(double{x[i]});
        if (want == 0) {
          CHECK(y[i] == 0.0f);
        } else {
          worst = std::max(worst, UlpError(y[i], want));
        }
      }
      MESSAGE("Log: largest error ", worst, " ulp over ", x.size(), " arguments");
      CHECK(worst < 0.85);
      first = y;
    }
    CheckSameBits(y, first);
    std::vector<float> special(16, INFINITY), result(16);
    special[1] = NAN;
    HWY_DYNAMIC_DISPATCH(LogAll)(special.data(), 16, result.data());
    CHECK(std::isinf(result[0]));
    CHECK(std::isnan(result[1]));
  });
}

TEST_CASE("Tanh within 2 units in the last place, the normal distribution within 3e-7; on every target") {
  std::vector<float> x = Sweep(1e-10f, 100.0f, 1009), negative = Sweep(-1e-10f, -100.0f, 1009);
  x.insert(x.end(), negative.begin(), negative.end());
  // No subnormal numbers: 32-bit NEON takes them for zeros.
  const std::vector<float> special = {0.0f,   1000.0f,  -1000.0f, INFINITY, -INFINITY, 0.625f, -0.625f, 1e30f,
                                      -1e30f, 0.62499f, 1.2e-38f, 60.0f,    -60.0f,    0.5f,   2.0f,    9.0f};
  x.insert(x.end(), special.begin(), special.end());
  std::vector<float> first;
  OnEveryTarget([&](const std::string&) {
    const size_t n = x.size();
    std::vector<float> y(2 * n);
    HWY_DYNAMIC_DISPATCH(TanhAndNormalAll)(x.data(), n, y.data());
    if (first.empty()) {
      double tanh_error = 0, normal_error = 0;
      for (size_t i = 0; i < n; ++i) {
        const double want = std::tanh(double{x[i]}), normal = 0.5 * std::erfc(-double{x[i]} * M_SQRT1_2);
        if (std::fabs(x[i]) > 1e-30f) tanh_error = std::max(tanh_error, UlpError(y[i], want));
        normal_error = std::max(normal_error, std::fabs(double{y[n + i]} - normal));
      }
      MESSAGE("Tanh: largest error ", tanh_error, " ulp; normal distribution: ", normal_error);
      CHECK(tanh_error < 2.0);
      CHECK(normal_error < 3e-7);
      first = y;
    }
    CheckSameBits(y, first);
  });
}

TEST_CASE("CosSin: absolute error below 8e-8, the same bits on every target") {
  std::vector<int32_t> quadrant;
  std::vector<float> turns;
  for (int32_t i = -100000; i <= 100000; ++i) {
    quadrant.push_back(i % 9);
    turns.push_back(static_cast<float>(i) * (0.125f / 100000));
  }
  while (turns.size() % 16 != 0) quadrant.push_back(0), turns.push_back(0.0f);
  std::vector<float> first;
  OnEveryTarget([&](const std::string&) {
    const size_t n = turns.size();
    std::vector<float> y(2 * n);
    HWY_DYNAMIC_DISPATCH(CosSinAll)(quadrant.data(), turns.data(), n, y.data(), y.data() + n);
    if (first.empty()) {
      const double tau = 8 * std::atan(1.0);
      double worst = 0;
      for (size_t i = 0; i < n; ++i) {
        const double angle = tau * (double{turns[i]} + 0.25 * (((quadrant[i] % 4) + 4) % 4));
        worst = std::max(worst, std::fabs(double{y[i]} - std::cos(angle)));
        worst = std::max(worst, std::fabs(double{y[n + i]} - std::sin(angle)));
      }
      MESSAGE("CosSin: largest error ", worst);
      CHECK(worst < 8e-8);
      first = y;
    }
    CheckSameBits(y, first);
  });
}

TEST_CASE("Division, square root, fused multiply-add and rounding are exact") {
  const size_t n = 16384;
  std::vector<float> a(n), b(n), c(n), want(5 * n);
  for (size_t i = 0; i < n; ++i) {
    a[i] = testing::Number(1, i);
    b[i] = testing::Number(2, i);
    // Half of the sums cancel nearly, a few exactly.
    c[i] = i % 2 == 0 ? -a[i] * b[i] : testing::Number(3, i);
    if (i % 5 == 0) c[i] = static_cast<float>(static_cast<int>(i % 401) - 200) * 0.5f;
    want[i] = a[i] / b[i];
    want[n + i] = std::sqrt(std::fabs(a[i]));
    want[2 * n + i] = std::fma(a[i], b[i], c[i]);
    want[3 * n + i] = std::nearbyint(c[i]) + 0.0f;
    want[4 * n + i] = want[3 * n + i];
  }
  OnEveryTarget([&](const std::string&) {
    std::vector<float> y(5 * n);
    HWY_DYNAMIC_DISPATCH(ArithmeticAll)(a.data(), b.data(), c.data(), n, y.data());
    CheckSameBits(y, want);
  });
}

TEST_CASE("The emulated fused multiply-add is the real one, for any bits") {
  UseTarget("SCALAR");
  int wrong = 0;
  for (uint64_t i = 0; i < 2000000; ++i) {
    float a = FromBits(static_cast<uint32_t>(Random(1, 1, i)));
    float b = FromBits(static_cast<uint32_t>(Random(1, 2, i)));
    float c = FromBits(static_cast<uint32_t>(Random(1, 3, i)));
    // Three in four: sums of like magnitudes, where the rounding is hard; a part of them denormal.
    if (i % 4 != 0) {
      a = std::ldexp(1 + UniformFloat(Random(2, 1, i)), static_cast<int>(i % 160) - 80);
      b = std::ldexp(1 + UniformFloat(Random(2, 2, i)), static_cast<int>(i / 7 % 160) - 80);
      c = std::ldexp(-a * b, static_cast<int>(Random(2, 3, i) % 60) - 30);
      if (i % 3 == 0) c = std::nextafter(c, 0.0f);
    }
    const float got = HWY_DYNAMIC_DISPATCH(EmulatedFma)(a, b, c);
    const float want = std::fma(a, b, c);
    if (std::isnan(want) ? !std::isnan(got) : Bits(got) != Bits(want)) ++wrong;
  }
  UseTarget(nullptr);
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace cllm
#endif  // HWY_ONCE
