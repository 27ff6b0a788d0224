#include "kernels/activation.h"

#include <cmath>
#include <complex>

#include "tests/kernels/every_target.h"
#include "tests/support/reference_activation.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Number;
using testing::OnEveryTarget;

const Activation kActivations[] = {Activation::kSilu, Activation::kGeluTanh, Activation::kGeluErf,
                                   Activation::kRelu, Activation::kReluSquared};

Variant MakeVariant(Activation activation, bool gated) {
  Variant variant;
  variant.activation = activation;
  variant.gated = gated;
  return variant;
}

// Inputs of the function from -20 to 20 or so, ups around 1.
std::vector<float> Inputs(const Variant& variant, size_t rows, size_t stride) {
  std::vector<float> x(rows * variant.feed_forward_inputs() * stride);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = Number(1, i) * (!variant.gated || i % 32 < 16 ? 3.0f : 1.0f);
  }
  return x;
}

// Where the function's argument for element i of h is; with a gate its factor lies 16 further.
size_t At(const Variant& variant, size_t i) { return i / 16 * 16 * variant.feed_forward_inputs() + i % 16; }

// body(variant) for every activation, gated and not.
template <class Body>
void ForVariants(const Body& body) {
  for (const Activation activation : kActivations) {
    for (const bool gated : {true, false}) {
      CAPTURE(static_cast<int>(activation));
      CAPTURE(gated);
      body(MakeVariant(activation, gated));
    }
  }
}

TEST_CASE("activations against double; the same bits on every target") {
  ForVariants([](const Variant& variant) {
    std::vector<float> first;
    OnEveryTarget([&](const std::string&) {
      for (size_t rows : {1, 3}) {
        for (size_t stride : {16, 32, 80}) {
          const std::vector<float> in = Inputs(variant, rows, stride);
          std::vector<float> h(rows * stride);
          Activate(variant, in.data(), rows, stride, h.data());
          for (size_t i = 0; i < h.size(); ++i) {
            const double x = in[At(variant, i)], up = variant.gated ? in[At(variant, i) + 16] : 1.0f;
            const double want = reference::Activate(variant.activation, x) * up;
            // In GELU's tails the exponential's argument has an error of its own: there it is beside x.
            const bool gelu =
                variant.activation == Activation::kGeluErf || variant.activation == Activation::kGeluTanh;
            const double size = gelu ? std::fabs(x * up) : 0;
            CHECK(std::fabs(double{h[i]} - want) <= 4e-7 * size + 9e-7 * std::fabs(want));
          }
          if (rows == 3 && stride == 80) {
            if (first.empty()) first = h;
            CheckSameBits(h, first);
          }
        }
      }
    });
  });
}

TEST_CASE("activations of zeros, of large numbers, of infinities") {
  ForVariants([](const Variant& variant) {
    OnEveryTarget([&](const std::string&) {
      std::vector<float> in(16 * variant.feed_forward_inputs(), 0.0f), h(16, 5.0f);
      in[1] = 1000.0f, in[2] = -1000.0f, in[3] = -61.0f, in[4] = -1e30f;
      for (size_t i = 1; variant.gated && i < 5; ++i) in[16 + i] = 2.0f;
      Activate(variant, in.data(), 1, 16, h.data());
      const float most = variant.activation == Activation::kReluSquared ? 1e6f : 1000.0f;
      CHECK(h[1] == (variant.gated ? 2 : 1) * most);
      for (size_t i = 2; i < 5; ++i) CHECK(h[i] == 0.0f);
      CHECK(testing::Bits(h[0]) == 0);
      for (size_t i = 5; i < 16; ++i) CHECK(testing::Bits(h[i]) == 0);
    });
  });
}

TEST_CASE("gradients of activations are those of complex-step differentiation; the same bits everywhere") {
  using Complex = std::complex<double>;
  const double step = 1e-100;
  ForVariants([&](const Variant& variant) {
    std::vector<float> first;
    OnEveryTarget([&](const std::string&) {
      const size_t rows = 3, stride = 48;
      const std::vector<float> in = Inputs(variant, rows, stride), dh = testing::Numbers(2, rows * stride);
      std::vector<float> gradient = in;
      ActivateBackward(variant, dh.data(), rows, stride, gradient.data());
      for (size_t i = 0; i < dh.size(); ++i) {
        const size_t at = At(variant, i);
        const double x = in[at], up = variant.gated ? in[at + 16] : 1.0f, seed = dh[i];
        const double slope = reference::Activate(variant.activation, Complex(x, step)).imag() / step;
        // Around its zeros the slope has an absolute error only: the sigmoid's, times the argument.
        CHECK(std::fabs(double{gradient[at]} - seed * up * slope) <=
              8e-7 * (std::fabs(seed * up * slope) + std::fabs(seed * up)));
        if (!variant.gated) continue;
        const double d_up = seed * reference::Activate(variant.activation, x);
        CHECK(std::fabs(double{gradient[at + 16]} - d_up) <= 6e-7 * (std::fabs(d_up) + std::fabs(seed * x)));
      }
      if (first.empty()) first = gradient;
      CheckSameBits(gradient, first);
    });
  });
}

}  // namespace
}  // namespace cllm
