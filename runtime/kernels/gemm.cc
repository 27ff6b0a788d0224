#include "kernels/gemm.h"

#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_HAVE_SCALABLE

// All vectors of the panels, in tiles of kRows rows.
template <size_t kRows, size_t kVectors>
HWY_NOINLINE void ScalableRows(const Gemm& g, size_t row) {
  const size_t vectors = (g.panel_end - g.panel_begin) * (16 / hn::Lanes(RowTag()));
  size_t v = 0;
  for (; v + kVectors <= vectors; v += kVectors) ScalableTile<kRows, kVectors>(g, row, v);
  for (; v < vectors; ++v) ScalableTile<kRows, 1>(g, row, v);
}

void GemmF32(const Gemm& g) {
  size_t row = 0;
  for (; row + 8 <= g.rows; row += 8) ScalableRows<8, 1>(g, row);
  for (; row + 4 <= g.rows; row += 4) ScalableRows<4, 2>(g, row);
  for (; row + 2 <= g.rows; row += 2) ScalableRows<2, 4>(g, row);
  for (; row < g.rows; ++row) ScalableRows<1, 8>(g, row);
}

#else

using TileFunction = void (*)(const Gemm&, size_t, size_t);

// The tile for each number of rows from 1 to kMaxRows.
template <size_t kCount>
struct Tiles {
  template <size_t kRows>
  static constexpr TileFunction Get() {
    if constexpr (kRows <= kMaxRows) {
      return &Tile<kRows, kCount>;
    } else {
      return nullptr;
    }
  }
  static constexpr TileFunction kOfRows[12] = {Get<1>(), Get<2>(), Get<3>(), Get<4>(),  Get<5>(),  Get<6>(),
                                               Get<7>(), Get<8>(), Get<9>(), Get<10>(), Get<11>(), Get<12>()};
};

// All rows of kCount panels, in as few tiles as there can be, and those as even as they can be.
template <size_t kCount>
HWY_INLINE void AllRows(const Gemm& g, size_t panel) {
  const size_t tiles = (g.rows + kMaxRows - 1) / kMaxRows;
  const size_t small = g.rows / tiles, large_count = g.rows % tiles;
  size_t row = 0;
  for (size_t tile = 0; tile < tiles; ++tile) {
    const size_t rows = small + (tile < large_count ? 1 : 0);
    Tiles<kCount>::kOfRows[rows - 1](g, row, panel);
    row += rows;
  }
}

// Rows [row, row + kRows) of panels in steps of kCount while there are as many; returns the next panel.
template <size_t kRows, size_t kCount>
HWY_INLINE size_t WidePanels(const Gemm& g, size_t panel) {
  for (; panel + kCount <= g.panel_end; panel += kCount) Tile<kRows, kCount>(g, 0, panel);
  return panel;
}

void GemmF32(const Gemm& g) {
  if (g.rows == 0) return;
  size_t panel = g.panel_begin;
  if (g.rows == 1) panel = WidePanels<1, kPanelsOf1Row>(g, panel);
  if (g.rows == 2 && kMaxRows >= 2) panel = WidePanels<2, kPanelsOf2Rows>(g, panel);
  for (; panel + kPanels <= g.panel_end; panel += kPanels) AllRows<kPanels>(g, panel);
  for (; panel < g.panel_end; ++panel) AllRows<1>(g, panel);
}

#endif  // HWY_HAVE_SCALABLE

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(GemmF32);

void GemmF32(const Gemm& gemm) { HWY_DYNAMIC_DISPATCH(GemmF32)(gemm); }

void TransposePanels(const float* panels, size_t rows, size_t columns, float* transposed, size_t panel_begin,
                     size_t panel_end) {
  for (size_t p = panel_begin; p < panel_end; ++p) {
    float* to = transposed + p * rows * kPanel;
    for (size_t row = 0; row < rows; ++row) {
      const float* from = panels + row / kPanel * columns * kPanel + row % kPanel;
      for (size_t j = 0; j < kPanel; ++j) {
        const size_t column = p * kPanel + j;
        to[row * kPanel + j] = column < columns ? from[column * kPanel] : 0.0f;
      }
    }
  }
}

}  // namespace cllm
#endif  // HWY_ONCE
