#include "kernels/optimizer.h"

#include "kernels/vector.h"
#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Numbers;
using testing::OnEveryTarget;

// Loshchilov and Hutter, arXiv 1711.05101, algorithm 2, in double.
TEST_CASE("AdamW against double over ten steps; the same bits on every target") {
  const size_t n = 48;
  const double rate = 1e-2, decay = 0.1, beta1 = 0.9, beta2 = 0.99, epsilon = 1e-8, clip = 0.5;
  std::vector<float> first;
  OnEveryTarget([&](const std::string&) {
    std::vector<float> p = Numbers(6, n), m(n, 0.0f), v(n, 0.0f);
    std::vector<double> want(p.begin(), p.end()), want_m(n, 0.0), want_v(n, 0.0);
    for (int t = 1; t <= 10; ++t) {
      std::vector<float> gradient = Numbers(100 + static_cast<uint64_t>(t), n);
      for (size_t i = 0; i < n; ++i) {
        const double g = double{gradient[i]} * clip;
        want_m[i] = beta1 * want_m[i] + (1 - beta1) * g;
        want_v[i] = beta2 * want_v[i] + (1 - beta2) * g * g;
        const double m_hat = want_m[i] / (1 - std::pow(beta1, t)),
                     v_hat = want_v[i] / (1 - std::pow(beta2, t));
        want[i] = want[i] * (1 - rate * decay) - rate * m_hat / (std::sqrt(v_hat) + epsilon);
      }
      const AdamWStep step = {static_cast<float>(rate / (1 - std::pow(beta1, t))),
                              static_cast<float>(1 - rate * decay),
                              static_cast<float>(beta1),
                              static_cast<float>(beta2),
                              static_cast<float>(1 / (1 - std::pow(beta2, t))),
                              static_cast<float>(epsilon),
                              static_cast<float>(clip)};
      AdamW(step, n, p.data(), gradient.data(), m.data(), v.data());
      for (float g : gradient) CHECK(testing::Bits(g) == 0);
    }
    for (size_t i = 0; i < n; ++i) CHECK(std::fabs(double{p[i]} - want[i]) < 1e-5 * (1 + std::fabs(want[i])));
    std::vector<float> all = p;
    all.insert(all.end(), m.begin(), m.end());
    all.insert(all.end(), v.begin(), v.end());
    if (first.empty()) first = all;
    CheckSameBits(all, first);
  });
}

TEST_CASE("Sgd, NesterovMomentum, Descend, Scale and Blend, bit for bit") {
  const MomentumStep step = {0.3f, 0.99f, 0.9f, 0.7f};
  OnEveryTarget([&](const std::string&) {
    for (size_t n = 0; n <= 112; n += 16) {
      const std::vector<float> p = Numbers(1, n), g = Numbers(2, n), m = Numbers(3, n), zero(n, 0.0f);
      std::vector<float> want_p = p, want_m = m, want_g = g, got_p = p, got_m = m, got_g = g;
      for (size_t i = 0; i < n; ++i) {
        want_m[i] = step.momentum * m[i] + g[i] * step.gradient_scale;
        want_p[i] = p[i] * step.decay - step.rate * want_m[i];
      }
      Sgd(step, n, got_p.data(), got_g.data(), got_m.data());
      CheckSameBits(got_p, want_p);
      CheckSameBits(got_m, want_m);
      CheckSameBits(got_g, zero);

      got_g = g, got_m = m;
      for (size_t i = 0; i < n; ++i) {
        const float rest = (1.0f - step.momentum) * (g[i] * step.gradient_scale);
        want_m[i] = step.momentum * m[i] + rest;
        want_g[i] = rest + step.momentum * want_m[i];
      }
      NesterovMomentum(step, n, got_g.data(), got_m.data());
      CheckSameBits(got_m, want_m);
      CheckSameBits(got_g, want_g);

      got_p = p, got_g = g;
      for (size_t i = 0; i < n; ++i) want_p[i] = p[i] * step.decay - step.rate * g[i];
      Descend(step, n, got_p.data(), got_g.data());
      CheckSameBits(got_p, want_p);
      CheckSameBits(got_g, zero);

      got_p = p, got_g = g;
      for (size_t i = 0; i < n; ++i) want_p[i] = 0.3f * p[i], want_g[i] = -1.5f * p[i] + 0.25f * g[i];
      Blend(-1.5f, p.data(), 0.25f, n, got_g.data());
      Scale(0.3f, n, got_p.data());
      CheckSameBits(got_p, want_p);
      CheckSameBits(got_g, want_g);
    }
  });
}

}  // namespace
}  // namespace cllm
