#include "kernels/vector.h"

#include "base/bf16.h"
#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/vector.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/arithmetic-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void Add(const float* x, size_t n, float* y) {
  const RowTag d;
  for (size_t k = 0; k < n; k += hn::Lanes(d)) {
    hn::StoreU(hn::Add(hn::LoadU(d, y + k), hn::LoadU(d, x + k)), d, y + k);
  }
}

void Scale(float factor, size_t n, float* x) {
  const RowTag d;
  for (size_t k = 0; k < n; k += hn::Lanes(d)) {
    hn::StoreU(hn::Mul(hn::Set(d, factor), hn::LoadU(d, x + k)), d, x + k);
  }
}

void SumRows(const float* x, size_t rows, size_t stride, size_t begin, size_t end, float* sums) {
  const RowTag d;
  for (size_t k = begin; k < end; k += hn::Lanes(d)) {
    RowVector sum = hn::Zero(d);
    for (size_t r = 0; r < rows; ++r) sum = hn::Add(sum, hn::LoadU(d, x + r * stride + k));
    hn::StoreU(hn::Add(hn::LoadU(d, sums + k), sum), d, sums + k);
  }
}

float SumOfSquares(const float* x, size_t n) { return Reduce<SumOf>(RowTag(), n, SquareTerm{x}); }

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(Add);
HWY_EXPORT(Scale);
HWY_EXPORT(SumRows);
HWY_EXPORT(SumOfSquares);

void Add(const float* x, size_t n, float* y) { HWY_DYNAMIC_DISPATCH(Add)(x, n, y); }

void Scale(float factor, size_t n, float* x) { HWY_DYNAMIC_DISPATCH(Scale)(factor, n, x); }

void SumRows(const float* x, size_t rows, size_t stride, size_t begin, size_t end, float* sums) {
  HWY_DYNAMIC_DISPATCH(SumRows)(x, rows, stride, begin, end, sums);
}

float SumOfSquares(const float* x, size_t n) { return HWY_DYNAMIC_DISPATCH(SumOfSquares)(x, n); }

void GatherRow(const float* panels, size_t columns, size_t row, float* out) {
  const float* from = panels + row / kPanel * columns * kPanel + row % kPanel;
  for (size_t k = 0; k < columns; ++k) out[k] = from[k * kPanel];
  for (size_t k = columns; k < PaddedRow(columns); ++k) out[k] = 0.0f;
}

void GatherBf16Row(const uint16_t* panels, size_t columns, size_t row, float* out) {
  const uint16_t* from = panels + row / kPanel * columns * kPanel + row % kPanel;
  for (size_t k = 0; k < columns; ++k) out[k] = Bf16ToFloat(from[k * kPanel]);
  for (size_t k = columns; k < PaddedRow(columns); ++k) out[k] = 0.0f;
}

void ScatterAddRow(const float* x, size_t columns, size_t row, float* panels) {
  float* to = panels + row / kPanel * columns * kPanel + row % kPanel;
  for (size_t k = 0; k < columns; ++k) to[k * kPanel] += x[k];
}

}  // namespace cllm
#endif  // HWY_ONCE
