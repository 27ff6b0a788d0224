#include "kernels/activation.h"

#include <cmath>
#include <complex>

#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Number;
using testing::OnEveryTarget;

// Gates from -20 to 20 or so, ups around 1.
std::vector<float> GateUp(size_t rows, size_t stride) {
  std::vector<float> x(rows * 2 * stride);
  for (size_t i = 0; i < x.size(); ++i) x[i] = Number(1, i) * (i % 32 < 16 ? 3.0f : 1.0f);
  return x;
}

template <class T>
T SwiGluOf(T gate, T up) {
  return gate / (1.0 + std::exp(-gate)) * up;
}

TEST_CASE("SwiGlu against double; the same bits on every target") {
  std::vector<float> first;
  OnEveryTarget([&](const std::string&) {
    for (size_t rows : {1, 3}) {
      for (size_t stride : {16, 32, 80}) {
        const std::vector<float> gate_up = GateUp(rows, stride);
        std::vector<float> h(rows * stride);
        SwiGlu(gate_up.data(), rows, stride, h.data());
        for (size_t i = 0; i < h.size(); ++i) {
          const double want =
              SwiGluOf<double>(gate_up[i / 16 * 32 + i % 16], gate_up[i / 16 * 32 + 16 + i % 16]);
          CHECK(std::fabs(double{h[i]} - want) <= 4e-7 * std::fabs(want));
        }
        if (rows == 3 && stride == 80) {
          if (first.empty()) first = h;
          CheckSameBits(h, first);
        }
      }
    }
  });
}

TEST_CASE("SwiGlu of zeros and of large gates") {
  OnEveryTarget([](const std::string&) {
    std::vector<float> gate_up(32, 0.0f), h(16, 5.0f);
    gate_up[1] = 1000.0f, gate_up[17] = 2.0f;
    gate_up[2] = -1000.0f, gate_up[18] = 2.0f;
    gate_up[3] = -61.0f, gate_up[19] = 1e-20f;
    SwiGlu(gate_up.data(), 1, 16, h.data());
    CHECK(h[0] == 0.0f);
    CHECK(h[1] == 2000.0f);
    CHECK(h[2] == 0.0f);
    CHECK(h[3] == 0.0f);
    for (size_t i = 4; i < 16; ++i) CHECK(testing::Bits(h[i]) == 0);
  });
}

TEST_CASE("The gradient of SwiGlu is that of complex-step differentiation; the same bits on every target") {
  using Complex = std::complex<double>;
  const double step = 1e-100;
  std::vector<float> first;
  OnEveryTarget([&](const std::string&) {
    const size_t rows = 3, stride = 48;
    const std::vector<float> gate_up = GateUp(rows, stride), dh = testing::Numbers(2, rows * stride);
    std::vector<float> gradient = gate_up;
    SwiGluBackward(dh.data(), rows, stride, gradient.data());
    for (size_t i = 0; i < dh.size(); ++i) {
      const size_t at = i / 16 * 32 + i % 16;
      const double gate = gate_up[at], up = gate_up[at + 16], seed = dh[i];
      const double d_gate = seed * SwiGluOf(Complex(gate, step), Complex(up)).imag() / step;
      const double d_up = seed * SwiGluOf(Complex(gate), Complex(up, step)).imag() / step;
      // Around its zero the slope has an absolute error only: the sigmoid's, times the gate.
      CHECK(std::fabs(double{gradient[at]} - d_gate) <= 5e-7 * (std::fabs(d_gate) + std::fabs(seed * up)));
      CHECK(std::fabs(double{gradient[at + 16]} - d_up) <= 5e-7 * std::fabs(d_up));
    }
    if (first.empty()) first = gradient;
    CheckSameBits(gradient, first);
  });
}

}  // namespace
}  // namespace cllm
