#include "kernels/loss.h"

#include <cmath>
#include <complex>

#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Numbers;
using testing::OnEveryTarget;

double LogSumExpOf(const std::vector<float>& x, size_t count) {
  double maximum = -INFINITY, sum = 0;
  for (size_t i = 0; i < count; ++i) maximum = std::max(maximum, double{x[i]});
  for (size_t i = 0; i < count; ++i) sum += std::exp(double{x[i]} - maximum);
  return maximum + std::log(sum);
}

TEST_CASE("LogSumExp and SoftmaxFrom against double, for every count; the same bits on every target") {
  std::vector<float> first;
  OnEveryTarget([&](const std::string&) {
    std::vector<float> all;
    for (size_t count = 1; count <= 70; ++count) {
      // What follows the row must neither count nor change.
      std::vector<float> x = Numbers(count, count + 17);
      x[count] = 1000.0f;
      const double want = LogSumExpOf(x, count);
      const float got = LogSumExp(x.data(), count);
      CHECK(std::fabs(double{got} - want) < 4e-7 * (1 + std::fabs(want)));
      std::vector<float> p(x.size(), 3.0f);
      SoftmaxFrom(x.data(), count, got, p.data());
      for (size_t i = 0; i < count; ++i) {
        CHECK(std::fabs(double{p[i]} - std::exp(double{x[i]} - want)) < 3e-6 * double{p[i]} + 1e-12);
      }
      for (size_t i = count; i < p.size(); ++i) CHECK(p[i] == 3.0f);
      std::vector<float> in_place = x;
      SoftmaxFrom(in_place.data(), count, got, in_place.data());
      p.resize(count);
      in_place.resize(count);
      CheckSameBits(in_place, p);
      all.push_back(got);
      all.insert(all.end(), p.begin(), p.end());
    }
    if (first.empty()) first = all;
    CheckSameBits(all, first);
  });
}

TEST_CASE("LogSumExp of a large row, of large values, and of a value that is not a number") {
  OnEveryTarget([](const std::string&) {
    std::vector<float> x = Numbers(1, 32003);
    CHECK(std::fabs(double{LogSumExp(x.data(), x.size())} - LogSumExpOf(x, x.size())) < 1e-5);
    for (float& value : x) value += 1e30f;
    CHECK(LogSumExp(x.data(), x.size()) == 1e30f);
    x[31999] = NAN;
    CHECK(std::isnan(LogSumExp(x.data(), x.size())));
  });
}

TEST_CASE("CrossEntropy and its gradient against double; the same bits on every target") {
  std::vector<float> first;
  OnEveryTarget([&](const std::string&) {
    std::vector<float> all;
    for (size_t count = 1; count <= 50; ++count) {
      const size_t padded = (count + 15) / 16 * 16;
      std::vector<float> logits = Numbers(count, padded);
      const std::vector<float> x = logits;
      const uint32_t target = static_cast<uint32_t>(count * 7 / 9);
      const double log_sum_exp = LogSumExpOf(x, count);
      const float without = CrossEntropy(logits.data(), count, target, nullptr);
      CheckSameBits(logits, x);
      const LossGradient gradient = {0.25f};
      const float loss = CrossEntropy(logits.data(), count, target, &gradient);
      CHECK(testing::Bits(loss) == testing::Bits(without));
      CHECK(std::fabs(double{loss} - (log_sum_exp - double{x[target]})) < 3e-6);
      for (size_t i = 0; i < padded; ++i) {
        double want = i < count ? 0.25 * std::exp(double{x[i]} - log_sum_exp) : 0.0;
        if (i == target) want -= 0.25;
        CHECK(std::fabs(double{logits[i]} - want) < 1e-6);
        if (i >= count) CHECK(testing::Bits(logits[i]) == 0);
      }
      all.push_back(loss);
      all.insert(all.end(), logits.begin(), logits.end());
    }
    if (first.empty()) first = all;
    CheckSameBits(all, first);
  });
}

TEST_CASE("ArgMax: the lowest of equals, never a NaN") {
  OnEveryTarget([](const std::string&) {
    for (size_t count = 1; count <= 70; ++count) {
      for (size_t at = 0; at < count; ++at) {
        std::vector<float> x(count + 16, -1.0f);
        x[count] = 99.0f;
        x[at] = 2.0f;
        if (at + 3 < count) x[at + 3] = 2.0f;
        if (at > 0) x[at - 1] = NAN;
        CHECK(ArgMax(x.data(), count) == at);
      }
      std::vector<float> x(count, NAN);
      CHECK(ArgMax(x.data(), count) == 0);
      x[count - 1] = -INFINITY;
      CHECK(ArgMax(x.data(), count) == count - 1);
    }
  });
}

// Szegedy et al., arXiv 1512.00567: the gradient is that of the mixture of target and uniform distribution,
// and of the teacher's; by the products before a soft cap, by the complex step.
TEST_CASE("smoothed, taught and mapped gradients against double; the same bits on every target") {
  using Complex = std::complex<double>;
  for (const LogitMap& map : {LogitMap{}, LogitMap{1.7f, 0.0f}, LogitMap{1.0f, 3.0f}, LogitMap{0.6f, 2.0f}}) {
    for (const size_t count : {1, 2, 17, 65}) {
      std::vector<float> first;
      OnEveryTarget([&](const std::string&) {
        std::vector<float> logits = Numbers(5, (count + 15) / 16 * 16);
        const std::vector<float> z(logits.begin(), logits.begin() + static_cast<long>(count));
        const auto target = static_cast<uint32_t>(count / 2);
        const double weight = 0.3, smoothing = 0.1, taught = 0.4, step = 1e-100;
        std::vector<float> teacher = Numbers(6, logits.size());
        const double teacher_sum = LogSumExpOf(teacher, count);
        const LossGradient gradient = {0.3f, 0.1f, map, teacher.data(), 0.4f};
        MapLogits(map, logits.size(), logits.data());
        std::vector<float> all = logits;
        CrossEntropy(logits.data(), count, target, &gradient);
        for (size_t k = 0; k < count; ++k) {
          Complex total = 0, wanted = 0;
          for (size_t i = 0; i < count; ++i) {
            Complex y = Complex(z[i], i == k ? step : 0) * static_cast<double>(map.scale);
            if (map.softcap != 0)
              y = static_cast<double>(map.softcap) * std::tanh(y / static_cast<double>(map.softcap));
            CHECK(std::abs(y.real() - static_cast<double>(all[i])) < 1e-6 * (1 + std::abs(y.real())));
            total += std::exp(y);
            wanted += y * ((1 - smoothing - taught) * (i == target) + smoothing / static_cast<double>(count) +
                           taught * std::exp(double{teacher[i]} - teacher_sum));
          }
          CHECK(std::abs(logits[k] - weight * (std::log(total) - wanted).imag() / step) < 1e-6);
        }
        for (size_t i = count; i < logits.size(); ++i) CHECK(logits[i] == 0.0f);
        all.insert(all.end(), logits.begin(), logits.end());
        if (first.empty()) first = all;
        CheckSameBits(all, first);
      });
    }
  }
}

}  // namespace
}  // namespace cllm
