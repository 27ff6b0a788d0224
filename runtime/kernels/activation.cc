#include "kernels/activation.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void SwiGlu(const float* gate_up, size_t rows, size_t stride, float* h) {
  const RowTag d;
  const size_t blocks = rows * stride / 16;
  for (size_t b = 0; b < blocks; ++b, gate_up += 32, h += 16) {
    for (size_t i = 0; i < 16; i += hn::Lanes(d)) {
      hn::StoreU(SiluTimes(d, hn::LoadU(d, gate_up + i), hn::LoadU(d, gate_up + 16 + i)), d, h + i);
    }
  }
}

void SwiGluBackward(const float* dh, size_t rows, size_t stride, float* gate_up) {
  const RowTag d;
  const RowVector one = hn::Set(d, 1.0f);
  const size_t blocks = rows * stride / 16;
  for (size_t b = 0; b < blocks; ++b, gate_up += 32, dh += 16) {
    for (size_t i = 0; i < 16; i += hn::Lanes(d)) {
      const RowVector gate = hn::LoadU(d, gate_up + i);
      const RowVector up = hn::LoadU(d, gate_up + 16 + i);
      const RowVector gradient = hn::LoadU(d, dh + i);
      // silu' = s (1 + x (1 - s)), s the sigmoid.
      const RowVector s = Sigmoid(d, gate);
      const RowVector slope = hn::Mul(s, hn::Add(one, hn::Mul(gate, hn::Sub(one, s))));
      hn::StoreU(hn::Mul(hn::Mul(gradient, up), slope), d, gate_up + i);
      hn::StoreU(hn::Mul(gradient, hn::Mul(gate, s)), d, gate_up + 16 + i);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(SwiGlu);
HWY_EXPORT(SwiGluBackward);

void SwiGlu(const float* gate_up, size_t rows, size_t stride, float* h) {
  HWY_DYNAMIC_DISPATCH(SwiGlu)(gate_up, rows, stride, h);
}

void SwiGluBackward(const float* dh, size_t rows, size_t stride, float* gate_up) {
  HWY_DYNAMIC_DISPATCH(SwiGluBackward)(dh, rows, stride, gate_up);
}

}  // namespace cllm
#endif  // HWY_ONCE
