#include "kernels/int4.h"

#include "base/bf16.h"
#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/int4.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/int4_sdot.h"
#include "kernels/int4_tile-inl.h"
#include "kernels/row_tiles.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {

#if !CLLM_INT8_VECTORS

void GemmInt4(const Int4Gemm& g) {
  for (size_t row = 0; row < g.rows; ++row) Int4Row(g, row);
}

#else

struct Int4Tiles {
  template <size_t kRows>
  static constexpr auto Of() {
    return &Int4Tile<kRows>;
  }
};

// A panel at a time, all rows of it.
void GemmInt4(const Int4Gemm& g) {
  if (g.rows == 0) return;
#if CLLM_INT8_SDOT && HWY_TARGET_IS_NEON
  if (HasSdot()) return GemmInt4Sdot(g);
#endif
#if !HWY_HAVE_SCALABLE
  if (g.rows == 1) return Int4Row(g);
#endif
  const RowTiles tiles(g.rows, kInt4MaxRows);
  for (size_t panel = g.panel_begin; panel < g.panel_end; ++panel) {
    for (size_t tile = 0, row = 0; tile < tiles.count(); row += tiles.rows(tile++)) {
      kTiles<Int4Tiles, kInt4MaxRows>.of_rows[tiles.rows(tile)](g, row, panel);
    }
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(GemmInt4);

void GemmInt4(const Int4Gemm& gemm) { HWY_DYNAMIC_DISPATCH(GemmInt4)(gemm); }

void DequantizeInt4Row(const uint8_t* weights, const uint8_t* group_scales, const uint16_t* weight_scales,
                       size_t columns, size_t row, float* out) {
  const size_t panel = row / kPanel, j = row % kPanel;
  const uint8_t* from = weights + panel * kPanel / 2 * RoundUp(columns, 8) + 4 * j;
  const uint8_t* scale_bytes = group_scales + panel * kPanel * I4Groups(columns) + 2 * j;
  const float scale = Bf16ToFloat(weight_scales[row]);
  for (size_t k = 0; k < columns; ++k) {
    const int half = from[k / 8 * 4 * kPanel + k % 4] >> (k & 4) & 15;
    const size_t group = k / kI4Group;
    const int byte = scale_bytes[group / 2 * 2 * kPanel + group % 2];
    out[k] = static_cast<float>((2 * half - kI4ZeroBias - (byte >> 4)) * (byte & 15)) * scale;
  }
  for (size_t k = columns; k < PaddedRow(columns); ++k) out[k] = 0.0f;
}

}  // namespace cllm
#endif  // HWY_ONCE
