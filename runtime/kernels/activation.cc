#include "kernels/activation.h"

#include <type_traits>

#include "base/features.h"
#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Of each function: its value, and its value and slope together.
struct Silu {
  static HWY_INLINE RowVector Value(RowTag d, RowVector x) { return hn::Mul(x, Sigmoid(d, x)); }
  static HWY_INLINE RowVector Slope(RowTag d, RowVector x, RowVector& value) {
    const RowVector one = hn::Set(d, 1.0f), s = Sigmoid(d, x);
    value = hn::Mul(x, s);
    return hn::Mul(s, hn::Add(one, hn::Mul(x, hn::Sub(one, s))));
  }
};

// x / 2 (1 + tanh u) = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
struct GeluTanh {
  static HWY_INLINE RowVector Inner(RowTag d, RowVector square, float cubic) {
    return MulThenAdd(d, hn::Set(d, cubic), square, hn::Set(d, 1.59576917f));
  }
  static HWY_INLINE RowVector Value(RowTag d, RowVector x) {
    return hn::Mul(x, Sigmoid(d, hn::Mul(x, Inner(d, hn::Mul(x, x), 0.0713548139f))));
  }
  static HWY_INLINE RowVector Slope(RowTag d, RowVector x, RowVector& value) {
    const RowVector one = hn::Set(d, 1.0f), square = hn::Mul(x, x);
    const RowVector s = Sigmoid(d, hn::Mul(x, Inner(d, square, 0.0713548139f)));
    value = hn::Mul(x, s);
    const RowVector inner_slope = Inner(d, square, 0.214064434f);
    return hn::Add(s, hn::Mul(hn::Mul(value, hn::Sub(one, s)), inner_slope));
  }
};

struct GeluErf {
  static HWY_INLINE RowVector Value(RowTag d, RowVector x) {
    RowVector bell;
    return hn::Mul(x, NormalDistribution(d, x, bell));
  }
  static HWY_INLINE RowVector Slope(RowTag d, RowVector x, RowVector& value) {
    RowVector bell;
    const RowVector share = NormalDistribution(d, x, bell);
    value = hn::Mul(x, share);
    return hn::Add(share, hn::Mul(hn::Mul(x, bell), hn::Set(d, 0.398942292f)));
  }
};

struct Relu {
  static HWY_INLINE RowVector Value(RowTag d, RowVector x) {
    return hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), x);
  }
  static HWY_INLINE RowVector Slope(RowTag d, RowVector x, RowVector& value) {
    value = Value(d, x);
    return hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), hn::Set(d, 1.0f));
  }
};

struct ReluSquared {
  static HWY_INLINE RowVector Value(RowTag d, RowVector x) {
    const RowVector positive = Relu::Value(d, x);
    return hn::Mul(positive, positive);
  }
  static HWY_INLINE RowVector Slope(RowTag d, RowVector x, RowVector& value) {
    const RowVector positive = Relu::Value(d, x);
    value = hn::Mul(positive, positive);
    return hn::Add(positive, positive);
  }
};

template <class Function, bool kGated>
void Forward(const float* in, size_t blocks, float* h) {
  const RowTag d;
  constexpr size_t kStep = kGated ? 2 * kPanel : kPanel;
  for (size_t b = 0; b < blocks; ++b, in += kStep, h += kPanel) {
    for (size_t i = 0; i < kPanel; i += hn::Lanes(d)) {
      RowVector value = Function::Value(d, hn::LoadU(d, in + i));
      if (kGated) value = hn::Mul(value, hn::LoadU(d, in + kPanel + i));
      hn::StoreU(value, d, h + i);
    }
  }
}

template <class Function, bool kGated>
void Backward(const float* dh, size_t blocks, float* in) {
  const RowTag d;
  constexpr size_t kStep = kGated ? 2 * kPanel : kPanel;
  for (size_t b = 0; b < blocks; ++b, in += kStep, dh += kPanel) {
    for (size_t i = 0; i < kPanel; i += hn::Lanes(d)) {
      const RowVector gradient = hn::LoadU(d, dh + i);
      RowVector value;
      const RowVector slope = Function::Slope(d, hn::LoadU(d, in + i), value);
      RowVector passed = gradient;
      if (kGated) {
        passed = hn::Mul(gradient, hn::LoadU(d, in + kPanel + i));
        hn::StoreU(hn::Mul(gradient, value), d, in + kPanel + i);
      }
      hn::StoreU(hn::Mul(passed, slope), d, in + i);
    }
  }
}

// Calls body(function, gated), both as types.
template <class Body>
HWY_INLINE void WithFunction(const Variant& variant, const Body& body) {
  const auto gated_or_not = [&](auto function) {
    if (variant.gated) return body(function, std::true_type());
    body(function, std::false_type());
  };
  if (!kHasVariants) return gated_or_not(Silu());
  switch (variant.activation) {
    case Activation::kSilu: return gated_or_not(Silu());
    case Activation::kGeluTanh: return gated_or_not(GeluTanh());
    case Activation::kGeluErf: return gated_or_not(GeluErf());
    case Activation::kRelu: return gated_or_not(Relu());
    case Activation::kReluSquared: return gated_or_not(ReluSquared());
  }
}

}  // namespace

void ActivateRows(const Variant& variant, const float* in, size_t blocks, float* h) {
  WithFunction(variant, [&](auto function, auto gated) {
    Forward<decltype(function), decltype(gated)::value>(in, blocks, h);
  });
}

void ActivateRowsBackward(const Variant& variant, const float* dh, size_t blocks, float* in) {
  WithFunction(variant, [&](auto function, auto gated) {
    Backward<decltype(function), decltype(gated)::value>(dh, blocks, in);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(ActivateRows);
HWY_EXPORT(ActivateRowsBackward);

void Activate(const Variant& variant, const float* in, size_t rows, size_t stride, float* h) {
  HWY_DYNAMIC_DISPATCH(ActivateRows)(variant, in, rows * stride / kPanel, h);
}

void ActivateBackward(const Variant& variant, const float* dh, size_t rows, size_t stride, float* in) {
  HWY_DYNAMIC_DISPATCH(ActivateRowsBackward)(variant, dh, rows * stride / kPanel, in);
}

}  // namespace cllm
#endif  // HWY_ONCE
