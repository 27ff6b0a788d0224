// Activations written out plainly, for T = double and, to differentiate by the complex step, std::complex.
#ifndef CLLM_TESTS_SUPPORT_REFERENCE_ACTIVATION_H_
#define CLLM_TESTS_SUPPORT_REFERENCE_ACTIVATION_H_

#include <cmath>
#include <complex>

#include "base/variant.h"

namespace cllm::reference {

inline double Real(double x) { return x; }
inline double Real(const std::complex<double>& x) { return x.real(); }

// For complex numbers of the series around the real part only the first power counts in a complex step.
inline double Erf(double x) { return std::erf(x); }
inline std::complex<double> Erf(const std::complex<double>& x) {
  const double slope = 2 / std::sqrt(M_PI) * std::exp(-x.real() * x.real());
  return {std::erf(x.real()), slope * x.imag()};
}

template <class T>
T Activate(Activation activation, const T& x) {
  const double root = std::sqrt(2 / M_PI);
  switch (activation) {
    case Activation::kSilu: return x / (T(1) + std::exp(-x));
    case Activation::kGeluTanh: return 0.5 * x * (T(1) + std::tanh(root * (x + 0.044715 * x * x * x)));
    case Activation::kGeluErf: return 0.5 * x * (T(1) + Erf(x * M_SQRT1_2));
    case Activation::kRelu: return Real(x) > 0 ? x : T(0);
    case Activation::kReluSquared: return Real(x) > 0 ? x * x : T(0);
  }
  return x;
}

}  // namespace cllm::reference

#endif  // CLLM_TESTS_SUPPORT_REFERENCE_ACTIVATION_H_
