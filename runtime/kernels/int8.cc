#include "kernels/int8.h"

#include "base/bf16.h"
#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/int8.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/int8_sdot.h"
#include "kernels/int8_tile-inl.h"
#include "kernels/row_tiles.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if !CLLM_INT8_VECTORS

void GemmInt8(const Int8Gemm& g) {
  for (size_t row = 0; row < g.rows; ++row) {
    for (size_t panel = g.panel_begin; panel < g.panel_end; ++panel) Int8Panel(g, row, panel);
  }
}

#elif HWY_HAVE_SCALABLE

void GemmInt8(const Int8Gemm& g) {
  for (size_t panel = g.panel_begin; panel < g.panel_end; ++panel) {
    size_t row = 0;
    for (; row + 4 <= g.rows; row += 4) Int8Tile<4>(g, row, panel);
    for (; row + 2 <= g.rows; row += 2) Int8Tile<2>(g, row, panel);
    for (; row < g.rows; ++row) Int8Tile<1>(g, row, panel);
  }
}

#else

template <size_t kCount>
struct Int8Tiles {
  template <size_t kRows>
  static constexpr auto Of() {
    return &Int8Tile<kRows, kCount>;
  }
};

// All rows of kCount panels.
template <size_t kCount>
HWY_INLINE void AllInt8Rows(const Int8Gemm& g, size_t panel) {
  const RowTiles tiles(g.rows, kInt8MaxRows);
  for (size_t tile = 0, row = 0; tile < tiles.count(); row += tiles.rows(tile++)) {
    kTiles<Int8Tiles<kCount>, kInt8MaxRows>.of_rows[tiles.rows(tile)](g, row, panel);
  }
}

void GemmInt8(const Int8Gemm& g) {
  if (g.rows == 0) return;
#if CLLM_INT8_SDOT && HWY_TARGET_IS_NEON
  if (HasSdot()) return GemmInt8Sdot(g);
#endif
  size_t panel = g.rows == 1 ? Int8Row(g) : g.panel_begin;
  for (; panel + kInt8Panels <= g.panel_end; panel += kInt8Panels) AllInt8Rows<kInt8Panels>(g, panel);
  for (; panel < g.panel_end; ++panel) AllInt8Rows<1>(g, panel);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(GemmInt8);

void GemmInt8(const Int8Gemm& gemm) { HWY_DYNAMIC_DISPATCH(GemmInt8)(gemm); }

void DequantizeRow(const uint8_t* weights, const uint16_t* weight_scales, size_t columns, size_t row,
                   float* out) {
  const uint8_t* from = weights + row / kPanel * kPanel * RoundUp(columns, 4) + row % kPanel * 4;
  const float scale = Bf16ToFloat(weight_scales[row]);
  for (size_t k = 0; k < columns; k += 4, from += 4 * kPanel) {
    for (size_t i = 0; i < 4; ++i) out[k + i] = static_cast<float>(from[i] - 128) * scale;
  }
  for (size_t k = columns; k < PaddedRow(columns); ++k) out[k] = 0.0f;
}

}  // namespace cllm
#endif  // HWY_ONCE
