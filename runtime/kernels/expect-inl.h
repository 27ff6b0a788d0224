// Room: kernels. Fetching what a tile of a product will add to.
#if defined(CLLM_KERNELS_EXPECT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_EXPECT_INL_H_
#undef CLLM_KERNELS_EXPECT_INL_H_
#else
#define CLLM_KERNELS_EXPECT_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {

// Rows and panels of 16 floats: of gradients they are often in memory only, and arrive while the tile's sums
// are under way.
HWY_INLINE void Expect(const float* c, size_t rows, size_t c_row, size_t panels, size_t c_panel) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t p = 0; p < panels; ++p) __builtin_prefetch(c + r * c_row + p * c_panel, 1);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
