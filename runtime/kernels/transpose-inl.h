// Room: kernels. Rows as columns, four by four.
#if defined(CLLM_KERNELS_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_TRANSPOSE_INL_H_
#undef CLLM_KERNELS_TRANSPOSE_INL_H_
#else
#define CLLM_KERNELS_TRANSPOSE_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// to[c * to_stride + r] = from[r * from_stride + c] for r < rows, c < columns. T: a type of 4 bytes.
template <class T>
HWY_INLINE void Transpose(const T* HWY_RESTRICT from, size_t from_stride, size_t rows, size_t columns,
                          T* HWY_RESTRICT to, size_t to_stride) {
  size_t r = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<T, 4> d;
  for (; r + 4 <= rows; r += 4) {
    const T* HWY_RESTRICT row = from + r * from_stride;
    size_t c = 0;
    for (; c + 4 <= columns; c += 4) {
      const auto r0 = hn::LoadU(d, row + c), r1 = hn::LoadU(d, row + from_stride + c);
      const auto r2 = hn::LoadU(d, row + 2 * from_stride + c), r3 = hn::LoadU(d, row + 3 * from_stride + c);
      const auto even_low = hn::InterleaveLower(d, r0, r2), odd_low = hn::InterleaveLower(d, r1, r3);
      const auto even_high = hn::InterleaveUpper(d, r0, r2), odd_high = hn::InterleaveUpper(d, r1, r3);
      T* HWY_RESTRICT column = to + c * to_stride + r;
      hn::StoreU(hn::InterleaveLower(d, even_low, odd_low), d, column);
      hn::StoreU(hn::InterleaveUpper(d, even_low, odd_low), d, column + to_stride);
      hn::StoreU(hn::InterleaveLower(d, even_high, odd_high), d, column + 2 * to_stride);
      hn::StoreU(hn::InterleaveUpper(d, even_high, odd_high), d, column + 3 * to_stride);
    }
    for (; c < columns; ++c) {
      for (size_t j = 0; j < 4; ++j) to[c * to_stride + r + j] = row[j * from_stride + c];
    }
  }
#endif
  for (; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) to[c * to_stride + r] = from[r * from_stride + c];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
