#include "kernels/norm.h"

#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct ProductTerm {
  const float *x, *weight, *dy;
  HWY_INLINE RowVector operator()(RowTag d, size_t k) const {
    const RowVector g = hn::Mul(hn::LoadU(d, dy + k), hn::LoadU(d, weight + k));
    return hn::Mul(g, hn::LoadU(d, x + k));
  }
};

void RmsNorm(const float* x, const float* weight, float epsilon, size_t rows, size_t count, float* y,
             float* inverse) {
  const RowTag d;
  const size_t stride = PaddedRow(count);
  for (size_t r = 0; r < rows; ++r, x += stride, y += stride) {
    const float factor = NormFactor(x, epsilon, count);
    if (inverse != nullptr) inverse[r] = factor;
    const RowVector factors = hn::Set(d, factor);
    for (size_t k = 0; k < stride; k += hn::Lanes(d)) {
      const RowVector scaled = hn::Mul(hn::LoadU(d, x + k), factors);
      hn::StoreU(hn::Mul(scaled, hn::LoadU(d, weight + k)), d, y + k);
    }
  }
}

void RmsNormBackward(const float* x, const float* weight, const float* inverse, const float* dy, size_t rows,
                     size_t count, float* dx) {
  const RowTag d;
  const size_t stride = PaddedRow(count);
  for (size_t r = 0; r < rows; ++r, x += stride, dy += stride, dx += stride) {
    // dx = i (dy w) - x i^3 / count * sum(dy w x), i the inverse.
    const float dot = Reduce<SumOf>(d, stride, ProductTerm{x, weight, dy});
    const float i = inverse[r];
    const RowVector direct = hn::Set(d, i);
    const RowVector through_mean = hn::Set(d, dot / static_cast<float>(count) * (i * i * i));
    for (size_t k = 0; k < stride; k += hn::Lanes(d)) {
      const RowVector g = hn::Mul(hn::LoadU(d, dy + k), hn::LoadU(d, weight + k));
      const RowVector change = hn::Sub(hn::Mul(g, direct), hn::Mul(hn::LoadU(d, x + k), through_mean));
      hn::StoreU(hn::Add(hn::LoadU(d, dx + k), change), d, dx + k);
    }
  }
}

void RmsNormBackwardWeight(const float* x, const float* inverse, const float* dy, size_t rows, size_t stride,
                           size_t begin, size_t end, float* dweight) {
  const RowTag d;
  for (size_t k = begin; k < end; k += hn::Lanes(d)) {
    RowVector sum = hn::Zero(d);
    for (size_t r = 0; r < rows; ++r) {
      const RowVector scaled = hn::Mul(hn::LoadU(d, x + r * stride + k), hn::Set(d, inverse[r]));
      sum = hn::Add(sum, hn::Mul(hn::LoadU(d, dy + r * stride + k), scaled));
    }
    hn::StoreU(hn::Add(hn::LoadU(d, dweight + k), sum), d, dweight + k);
  }
}

// The last head_size % 16 elements, then zeros.
struct HeadTail {
  alignas(64) float x[kPanel] = {};
  HeadTail(const float* head, size_t head_size) {
    for (size_t i = head_size / kPanel * kPanel; i < head_size; ++i) x[i % kPanel] = head[i];
  }
};

HWY_INLINE float HeadFactor(const float* x, float epsilon, size_t head_size) {
  const RowTag d;
  const HeadTail tail(x, head_size);
  VirtualLanes lanes = StartLanes<SumOf>();
  TakeIntoLanes<SumOf>(d, head_size / kPanel * kPanel, SquareTerm{x}, lanes);
  TakeIntoLanes<SumOf>(d, kPanel, SquareTerm{tail.x}, lanes);
  const float mean = FinishLanes<SumOf>(lanes) / static_cast<float>(head_size);
  return 1.0f / ScalarSqrt(mean + epsilon);
}

void RmsNormHeads(const float* weight, float epsilon, size_t heads, size_t head_size, float* x) {
  const RowTag d;
  const size_t n = hn::Lanes(d);
  for (size_t h = 0; h < heads; ++h, x += head_size) {
    const float factor = HeadFactor(x, epsilon, head_size);
    size_t k = 0;
    for (; k + n <= head_size; k += n) {
      const RowVector scaled = hn::Mul(hn::LoadU(d, x + k), hn::Set(d, factor));
      hn::StoreU(hn::Mul(scaled, hn::LoadU(d, weight + k)), d, x + k);
    }
    for (; k < head_size; ++k) x[k] = x[k] * factor * weight[k];
  }
}

void RmsNormHeadsBackward(const float* weight, float epsilon, size_t heads, size_t head_size, float* x,
                          float* dy) {
  const RowTag d;
  const size_t whole = head_size / kPanel * kPanel;
  for (size_t h = 0; h < heads; ++h, x += head_size, dy += head_size) {
    const float i = HeadFactor(x, epsilon, head_size);
    const HeadTail tail_x(x, head_size), tail_dy(dy, head_size), tail_weight(weight, head_size);
    VirtualLanes lanes = StartLanes<SumOf>();
    TakeIntoLanes<SumOf>(d, whole, ProductTerm{x, weight, dy}, lanes);
    TakeIntoLanes<SumOf>(d, kPanel, ProductTerm{tail_x.x, tail_weight.x, tail_dy.x}, lanes);
    const float through_mean = FinishLanes<SumOf>(lanes) / static_cast<float>(head_size) * (i * i * i);
    for (size_t k = 0; k < head_size; ++k) {
      const float gradient = dy[k], value = x[k];
      dy[k] = gradient * weight[k] * i - value * through_mean;
      x[k] = gradient * (value * i);
    }
  }
}

void AddHeadTerms(const float* terms, size_t rows, size_t stride, size_t heads, size_t head_size,
                  size_t begin, size_t end, float* dweight) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t h = 0; h < heads; ++h) {
      const float* head = terms + r * stride + h * head_size;
      for (size_t k = begin; k < end; ++k) dweight[k] += head[k];
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(RmsNorm);
HWY_EXPORT(RmsNormBackward);
HWY_EXPORT(RmsNormBackwardWeight);
HWY_EXPORT(RmsNormHeads);
HWY_EXPORT(RmsNormHeadsBackward);
HWY_EXPORT(AddHeadTerms);

void RmsNorm(const float* x, const float* weight, float epsilon, size_t rows, size_t count, float* y,
             float* inverse) {
  HWY_DYNAMIC_DISPATCH(RmsNorm)(x, weight, epsilon, rows, count, y, inverse);
}

void RmsNormBackward(const float* x, const float* weight, const float* inverse, const float* dy, size_t rows,
                     size_t count, float* dx) {
  HWY_DYNAMIC_DISPATCH(RmsNormBackward)(x, weight, inverse, dy, rows, count, dx);
}

void RmsNormBackwardWeight(const float* x, const float* inverse, const float* dy, size_t rows, size_t stride,
                           size_t begin, size_t end, float* dweight) {
  HWY_DYNAMIC_DISPATCH(RmsNormBackwardWeight)(x, inverse, dy, rows, stride, begin, end, dweight);
}

void RmsNormHeads(const float* weight, float epsilon, size_t heads, size_t head_size, float* x) {
  HWY_DYNAMIC_DISPATCH(RmsNormHeads)(weight, epsilon, heads, head_size, x);
}

void RmsNormHeadsBackward(const float* weight, float epsilon, size_t heads, size_t head_size, float* x,
                          float* dy) {
  HWY_DYNAMIC_DISPATCH(RmsNormHeadsBackward)(weight, epsilon, heads, head_size, x, dy);
}

void AddHeadTerms(const float* terms, size_t rows, size_t stride, size_t heads, size_t head_size,
                  size_t begin, size_t end, float* dweight) {
  HWY_DYNAMIC_DISPATCH(AddHeadTerms)(terms, rows, stride, heads, head_size, begin, end, dweight);
}

}  // namespace cllm
#endif  // HWY_ONCE
