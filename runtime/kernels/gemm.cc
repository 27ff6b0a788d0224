#include "kernels/gemm.h"

#include <cstring>
#include <type_traits>

#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/gemm_tile-inl.h"
#include "kernels/row_tiles.h"
#include "kernels/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_HAVE_SCALABLE

// All vectors of the panels, in tiles of kRows rows.
template <size_t kRows, size_t kVectors, class Weight>
HWY_NOINLINE void ScalableRows(const BasicGemm<Weight>& g, size_t row) {
  const size_t vectors = (g.panel_end - g.panel_begin) * (16 / hn::Lanes(RowTag()));
  size_t v = 0;
  for (; v + kVectors <= vectors; v += kVectors) ScalableTile<kRows, kVectors>(g, row, v);
  for (; v < vectors; ++v) ScalableTile<kRows, 1>(g, row, v);
}

template <class Weight>
HWY_INLINE void Multiply(const BasicGemm<Weight>& g) {
  size_t row = 0;
  for (; row + 8 <= g.rows; row += 8) ScalableRows<8, 1>(g, row);
  for (; row + 4 <= g.rows; row += 4) ScalableRows<4, 2>(g, row);
  for (; row + 2 <= g.rows; row += 2) ScalableRows<2, 4>(g, row);
  for (; row < g.rows; ++row) ScalableRows<1, 8>(g, row);
}

#else

template <class Weight, size_t kCount>
struct Tiles {
  template <size_t kRows>
  static constexpr auto Of() {
    return &Tile<Weight, kRows, kCount>;
  }
};

template <class Weight, size_t kCount>
HWY_INLINE void AllRows(const TiledGemm<Weight>& g, size_t row_begin, size_t row_end, size_t panel) {
  const RowTiles tiles(row_end - row_begin, kMaxRows);
  for (size_t tile = 0, row = row_begin; tile < tiles.count(); row += tiles.rows(tile++)) {
    kTiles<Tiles<Weight, kCount>, kMaxRows>.of_rows[tiles.rows(tile)](g, row, panel);
  }
}

// Rows by panels, panels outermost: each is read from memory once for all the rows.
template <class Weight>
HWY_INLINE void RowsByPanels(const TiledGemm<Weight>& g, size_t row_begin, size_t row_end, size_t panel) {
  for (; panel + kPanels <= g.panel_end; panel += kPanels) {
    AllRows<Weight, kPanels>(g, row_begin, row_end, panel);
  }
  for (; panel < g.panel_end; ++panel) AllRows<Weight, 1>(g, row_begin, row_end, panel);
}

// Panels in steps of kCount for a product of few rows, while there are as many; returns the next panel.
template <size_t kRows, size_t kCount, class Weight>
HWY_INLINE size_t WidePanels(const TiledGemm<Weight>& g, size_t panel) {
  for (; panel + kCount <= g.panel_end; panel += kCount) Tile<Weight, kRows, kCount>(g, 0, panel);
  return panel;
}

#if CLLM_GEMM_PACKS
// Gradients of weights of a wide model: A is read down its columns, a few floats from each of many rows that
// lie a page or more apart, which defeats cache and address translation. So a tile's part of A is copied to
// the stack first and serves a group of panels. Sums go on from block to block of k in their one order.
inline constexpr size_t kPackedStride = 1024, kPackedDepth = 256, kPackedPanels = 16;

struct Packed {
  alignas(64) float a[kPackedDepth * 16];
  // Sums between the blocks of k, where C is added to at the end only.
  alignas(64) float sums[kMaxRows * kPackedPanels * 16];
};

HWY_INLINE void PackColumns(const Gemm& g, size_t row, size_t rows, size_t k_begin, size_t depth,
                            float* packed) {
  const RowTag d;
  const float* a = g.a + row + k_begin * g.a_k;
  for (size_t k = 0; k < depth; ++k, a += g.a_k, packed += 16) {
    for (size_t i = 0; i < rows; i += hn::Lanes(d)) hn::StoreU(hn::LoadN(d, a + i, rows - i), d, packed + i);
  }
}

// Rows [row, row + rows) of a group of panels.
HWY_INLINE void PackedTile(const Gemm& g, size_t row, size_t rows, Packed& packed) {
  const bool in_parts = g.accumulate && g.depth > kPackedDepth;
  TiledGemm<float> part = {g, false};
  part.a = packed.a, part.a_row = 1, part.a_k = 16;
  part.panel_begin = 0, part.panel_end = g.panel_end - g.panel_begin;
  part.c += row * g.c_row + g.panel_begin * g.c_panel;
  if (in_parts) {
    part.c = packed.sums, part.c_row = kPackedPanels * 16, part.c_panel = 16;
    part.accumulate = false;
  }
  for (size_t k = 0; k < g.depth; k += kPackedDepth) {
    part.depth = g.depth - k < kPackedDepth ? g.depth - k : kPackedDepth;
    part.b = g.b + g.panel_begin * g.b_panel + k * g.b_k;
    part.resume = k != 0;
    PackColumns(g, row, rows, k, part.depth, packed.a);
    RowsByPanels(part, 0, rows, 0);
  }
  if (!in_parts) return;
  const RowTag d;
  for (size_t r = 0; r < rows; ++r) {
    for (size_t p = g.panel_begin; p < g.panel_end; ++p) {
      const float* sums = packed.sums + (r * kPackedPanels + p - g.panel_begin) * 16;
      float* c = g.c + (row + r) * g.c_row + p * g.c_panel;
      for (size_t i = 0; i < 16; i += hn::Lanes(d)) StoreSum(d, hn::Load(d, sums + i), true, c + i);
    }
  }
}

HWY_NOINLINE void PackedGemm(const Gemm& g) {
  Packed packed;
  Gemm group = g;
  const RowTiles tiles(g.rows, kMaxRows);
  for (size_t panel = g.panel_begin; panel < g.panel_end; panel += kPackedPanels) {
    group.panel_begin = panel;
    group.panel_end = g.panel_end - panel < kPackedPanels ? g.panel_end : panel + kPackedPanels;
    for (size_t tile = 0, row = 0; tile < tiles.count(); row += tiles.rows(tile++)) {
      PackedTile(group, row, tiles.rows(tile), packed);
    }
  }
}
#endif  // CLLM_GEMM_PACKS

// Floats of A that stay in the second-level cache while all panels pass by.
inline constexpr size_t kCachedFloats = 128 * 1024;

#if CLLM_GEMM_PACKS
// The gradient of a head's inputs sums over the vocabulary: A's rows are so long that a few of them fill the
// cache, and all of B would come from memory again for each few rows. So k goes by in blocks, each for all
// rows and panels, and C holds the sums in between.
inline constexpr size_t kDeepBlock = 512;

template <class Weight>
HWY_NOINLINE void DeepGemm(const BasicGemm<Weight>& gemm) {
  TiledGemm<Weight> part = {gemm, false};
  for (size_t k = 0; k < gemm.depth; k += kDeepBlock) {
    part.a = gemm.a + k * gemm.a_k;
    part.b = gemm.b + k * gemm.b_k;
    part.depth = gemm.depth - k < kDeepBlock ? gemm.depth - k : kDeepBlock;
    part.resume = k != 0;
    RowsByPanels(part, 0, part.rows, part.panel_begin);
  }
}
#endif

template <class Weight>
HWY_INLINE void Multiply(const BasicGemm<Weight>& gemm) {
  if (gemm.rows == 0) return;
#if CLLM_GEMM_PACKS
  if (!gemm.accumulate && gemm.depth > 2 * kDeepBlock && gemm.rows > 2 * kMaxRows) return DeepGemm(gemm);
  if constexpr (std::is_same<Weight, float>::value) {
    if (gemm.a_row == 1 && gemm.a_k >= kPackedStride && gemm.depth > 0 &&
        gemm.panel_end - gemm.panel_begin >= 4) {
      return PackedGemm(gemm);
    }
  }
#endif
  const TiledGemm<Weight> g = {gemm, false};
  size_t panel = g.panel_begin;
  if (g.rows == 1) panel = WidePanels<1, kPanelsOf1Row>(g, panel);
  if (g.rows == 2 && kMaxRows >= 2) panel = WidePanels<2, kPanelsOf2Rows>(g, panel);
  const size_t tiles = kCachedFloats / ((g.depth + 1) * kMaxRows);
  const size_t block = (tiles < 4 ? 4 : tiles) * kMaxRows;
  for (size_t row = 0; row < g.rows; row += block) {
    RowsByPanels(g, row, g.rows - row < block ? g.rows : row + block, panel);
  }
}

#endif  // HWY_HAVE_SCALABLE

void GemmF32(const Gemm& gemm) { Multiply(gemm); }
void GemmBf16(const Bf16Gemm& gemm) { Multiply(gemm); }

void TransposePanels(const float* panels, size_t rows, size_t columns, float* transposed, size_t panel_begin,
                     size_t panel_end) {
  for (size_t p = panel_begin; p < panel_end; ++p) {
    const size_t column = p * kPanel, count = columns - column < kPanel ? columns - column : kPanel;
    float* to = transposed + p * rows * kPanel;
    for (size_t row = 0; row < rows; row += kPanel) {
      if (count < kPanel) std::memset(to + row * kPanel, 0, kPanel * kPanel * sizeof(float));
      Transpose(panels + (row * columns + column * kPanel), kPanel, count, kPanel, to + row * kPanel, kPanel);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(GemmF32);
HWY_EXPORT(GemmBf16);
HWY_EXPORT(TransposePanels);

void GemmF32(const Gemm& gemm) { HWY_DYNAMIC_DISPATCH(GemmF32)(gemm); }
void GemmBf16(const Bf16Gemm& gemm) { HWY_DYNAMIC_DISPATCH(GemmBf16)(gemm); }

void TransposePanels(const float* panels, size_t rows, size_t columns, float* transposed, size_t panel_begin,
                     size_t panel_end) {
  HWY_DYNAMIC_DISPATCH(TransposePanels)(panels, rows, columns, transposed, panel_begin, panel_end);
}

}  // namespace cllm
#endif  // HWY_ONCE
