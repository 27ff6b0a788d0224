#include "kernels/low_rank.h"

#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/low_rank.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/arithmetic-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct DotTerm {
  const float *x, *y;
  HWY_INLINE RowVector operator()(RowTag d, size_t k) const {
    return hn::Mul(hn::LoadU(d, x + k), hn::LoadU(d, y + k));
  }
};

void InnerProducts(const InnerFactor& g, size_t rows, float* t) {
  const RowTag d;
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < g.rank; ++i) {
      const DotTerm term = {g.x + r * g.x_stride, g.factor + i * g.count};
      t[r * g.rank + i] = Reduce<SumOf>(d, g.count, term) * g.scale;
    }
  }
}

void AddOuterProducts(const OuterFactor& g, const float* t, size_t rows, float* y, size_t y_stride) {
  const RowTag d;
  for (size_t r = 0; r < rows; ++r) {
    for (size_t n = g.panel_begin * kPanel; n < g.panel_end * kPanel; n += hn::Lanes(d)) {
      RowVector sum = hn::Zero(d);
      for (size_t i = 0; i < g.rank; ++i) {
        const RowVector factor = hn::LoadU(d, g.factor + i * g.stride + n);
        sum = hn::Add(sum, hn::Mul(hn::Set(d, t[r * g.rank + i]), factor));
      }
      float* at = y + r * y_stride + n;
      hn::StoreU(hn::Add(hn::LoadU(d, at), sum), d, at);
    }
  }
}

// Four sums at a time hide the latency of one.
void AddRowGradient(const RowGradient& g, size_t rows) {
  const RowTag d;
  const size_t lanes = hn::Lanes(d);
  for (size_t p = g.panel_begin; p < g.panel_end; ++p) {
    for (size_t j = 0; j < kPanel; j += lanes) {
      const float* b = g.b + p * kPanel + j;
      float* c = g.c + p * g.c_panel + j;
      size_t m = 0;
      for (; m + 4 <= g.a_count; m += 4) {
        float* at = c + m * g.c_row;
        RowVector s0 = hn::LoadU(d, at), s1 = hn::LoadU(d, at + g.c_row);
        RowVector s2 = hn::LoadU(d, at + 2 * g.c_row), s3 = hn::LoadU(d, at + 3 * g.c_row);
        for (size_t r = 0; r < rows; ++r) {
          const RowVector row = hn::LoadU(d, b + r * g.b_stride);
          const float* a = g.a + r * g.a_stride + m;
          s0 = FusedMulAdd(d, hn::Set(d, a[0]), row, s0);
          s1 = FusedMulAdd(d, hn::Set(d, a[1]), row, s1);
          s2 = FusedMulAdd(d, hn::Set(d, a[2]), row, s2);
          s3 = FusedMulAdd(d, hn::Set(d, a[3]), row, s3);
        }
        hn::StoreU(s0, d, at);
        hn::StoreU(s1, d, at + g.c_row);
        hn::StoreU(s2, d, at + 2 * g.c_row);
        hn::StoreU(s3, d, at + 3 * g.c_row);
      }
      for (; m < g.a_count; ++m) {
        RowVector sum = hn::LoadU(d, c + m * g.c_row);
        for (size_t r = 0; r < rows; ++r) {
          sum = FusedMulAdd(d, hn::Set(d, g.a[r * g.a_stride + m]), hn::LoadU(d, b + r * g.b_stride), sum);
        }
        hn::StoreU(sum, d, c + m * g.c_row);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(InnerProducts);
HWY_EXPORT(AddOuterProducts);
HWY_EXPORT(AddRowGradient);

void InnerProducts(const InnerFactor& inner, size_t rows, float* t) {
  HWY_DYNAMIC_DISPATCH(InnerProducts)(inner, rows, t);
}

void AddOuterProducts(const OuterFactor& outer, const float* t, size_t rows, float* y, size_t y_stride) {
  HWY_DYNAMIC_DISPATCH(AddOuterProducts)(outer, t, rows, y, y_stride);
}

void AddRowGradient(const RowGradient& gradient, size_t rows) {
  HWY_DYNAMIC_DISPATCH(AddRowGradient)(gradient, rows);
}

}  // namespace cllm
#endif  // HWY_ONCE
