#include "kernels/mixed.h"

#include "base/layout.h"

// Here alone two targets more count: they have the bfloat16 dot product.
#ifdef CLLM_MIXED_DISABLED_TARGETS
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS CLLM_MIXED_DISABLED_TARGETS
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/mixed.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/mixed_tile-inl.h"
#include "kernels/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace {

constexpr size_t kPairs = kMixedDepth / 2;
// Rows of A that are rounded at once and then serve all panels, and panels of B that serve all columns.
constexpr size_t kPackedRows = 120, kPackedPanels = 8;

using TileFunction = void (*)(const MixedBlock&, size_t, size_t);

// The tile for each number of rows from 1 to kMixedRows.
template <size_t kCount>
struct MixedTiles {
  template <size_t kRows>
  static constexpr TileFunction Get() {
    if constexpr (kRows <= kMixedRows) {
      return &MixedTile<kRows, kCount>;
    } else {
      return nullptr;
    }
  }
  static constexpr TileFunction kOfRows[12] = {Get<1>(), Get<2>(), Get<3>(), Get<4>(),  Get<5>(),  Get<6>(),
                                               Get<7>(), Get<8>(), Get<9>(), Get<10>(), Get<11>(), Get<12>()};
};

// All rows by panels from `panel` on, in tiles as even as they can be.
HWY_INLINE void MultiplyBlock(const MixedBlock& block, size_t rows, size_t panel) {
  const size_t tiles = (rows + kMixedRows - 1) / kMixedRows;
  while (panel < block.panel_end) {
    const bool several = panel + kMixedPanels <= block.panel_end;
    const auto& of_rows = several ? MixedTiles<kMixedPanels>::kOfRows : MixedTiles<1>::kOfRows;
    for (size_t tile = 0, row = 0; tile < tiles; ++tile) {
      const size_t count = rows / tiles + (tile < rows % tiles ? 1 : 0);
      of_rows[count - 1](block, row, panel);
      row += count;
    }
    panel += several ? kMixedPanels : 1;
  }
}

// Rows k of `count` floats, `stride` apart, as words of pairs, kPanel a pair.
HWY_INLINE void PackColumns(const float* from, size_t stride, size_t count, size_t depth, uint32_t* words) {
  size_t k = 0;
  for (; k + 2 <= depth; k += 2, words += kPanel) {
    PackPair(from + k * stride, from + (k + 1) * stride, count, words);
  }
  if (k < depth) PackPair(from + k * stride, nullptr, count, words);
}

struct PackedRows {
  alignas(64) uint32_t words[kPackedRows * kPairs];
};

struct PackedColumns {
  alignas(64) uint32_t a[kPairs * kPanel];
  alignas(64) uint32_t b[kPackedPanels * kPairs * kPanel];
};

size_t BlockDepth(size_t depth, size_t k) { return depth - k < kMixedDepth ? depth - k : kMixedDepth; }

}  // namespace

void MixedRows(const Bf16Gemm& g) {
  PackedRows packed;
  for (size_t row = 0; row < g.rows; row += kPackedRows) {
    const size_t rows = g.rows - row < kPackedRows ? g.rows - row : kPackedRows;
    for (size_t k = 0; k < g.depth; k += kMixedDepth) {
      const size_t depth = BlockDepth(g.depth, k), pairs = (depth + 1) / 2;
      for (size_t r = 0; r < rows; ++r) {
        const float* a = g.a + (row + r) * g.a_row + k;
        for (size_t i = 0; i < depth; i += 32)
          PackRun(a + i, depth - i < 32 ? depth - i : 32, packed.words + r * pairs + i / 2);
      }
      const auto* b = reinterpret_cast<const uint32_t*>(g.b) + k / 2 * kPanel;
      MultiplyBlock({packed.words, pairs, 1, b, g.b_panel / 2, g.panel_end, pairs, g.c + row * g.c_row,
                     g.c_row, g.c_panel, g.accumulate || k != 0},
                    rows, g.panel_begin);
    }
  }
}

void MixedColumns(const Gemm& g) {
  PackedColumns packed;
  for (size_t panel = g.panel_begin; panel < g.panel_end; panel += kPackedPanels) {
    const size_t panels = g.panel_end - panel < kPackedPanels ? g.panel_end - panel : kPackedPanels;
    for (size_t k = 0; k < g.depth; k += kMixedDepth) {
      const size_t depth = BlockDepth(g.depth, k), pairs = (depth + 1) / 2;
      for (size_t p = 0; p < panels; ++p) {
        PackColumns(g.b + (panel + p) * g.b_panel + k * g.b_k, g.b_k, kPanel, depth,
                    packed.b + p * pairs * kPanel);
      }
      const size_t tiles = (g.rows + kMixedRows - 1) / kMixedRows;
      for (size_t tile = 0, row = 0; tile < tiles; ++tile) {
        const size_t rows = g.rows / tiles + (tile < g.rows % tiles ? 1 : 0);
        PackColumns(g.a + row + k * g.a_k, g.a_k, rows, depth, packed.a);
        MultiplyBlock({packed.a, 1, kPanel, packed.b, pairs * kPanel, panels, pairs,
                       g.c + row * g.c_row + panel * g.c_panel, g.c_row, g.c_panel, g.accumulate || k != 0},
                      rows, 0);
        row += rows;
      }
    }
  }
}

void RoundAll(const float* panels, size_t depth, size_t panel_begin, size_t panel_end, uint16_t* factors) {
  for (size_t p = panel_begin; p < panel_end; ++p) {
    PackColumns(panels + p * depth * kPanel, kPanel, kPanel, depth,
                reinterpret_cast<uint32_t*>(factors + p * MixedPanel(depth)));
  }
}

// A panel of the transposed matrix: a step takes 16 of the matrix's rows.
HWY_INLINE void RoundTransposedPanel(const float* panels, size_t rows, size_t columns, size_t panel,
                                     uint16_t* factors) {
  auto* words = reinterpret_cast<uint32_t*>(factors);
  const size_t first = panel * kPanel, count = columns - first < kPanel ? columns - first : kPanel;
  alignas(64) uint32_t tile[kPanel * kPanel / 2] = {};
  for (size_t row = 0; row < rows; row += kPanel, words += kPanel * kPanel / 2) {
    const float* from = panels + (row * columns + first * kPanel);
    for (size_t j = 0; j < count; ++j) PackRun(from + j * kPanel, kPanel, tile + j * (kPanel / 2));
    Transpose(tile, kPanel / 2, kPanel, kPanel / 2, words, kPanel);
  }
}

void RoundAllTransposed(const float* panels, size_t rows, size_t columns, size_t panel_begin,
                        size_t panel_end, uint16_t* factors) {
  for (size_t p = panel_begin; p < panel_end; ++p) {
    RoundTransposedPanel(panels, rows, columns, p, factors + p * MixedPanel(rows));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(MixedRows);
HWY_EXPORT(MixedColumns);
HWY_EXPORT(RoundAll);
HWY_EXPORT(RoundAllTransposed);

void RoundPanels(const float* panels, size_t depth, size_t panel_begin, size_t panel_end, uint16_t* factors) {
  HWY_DYNAMIC_DISPATCH(RoundAll)(panels, depth, panel_begin, panel_end, factors);
}

void RoundTransposedPanels(const float* panels, size_t rows, size_t columns, size_t panel_begin,
                           size_t panel_end, uint16_t* factors) {
  HWY_DYNAMIC_DISPATCH(RoundAllTransposed)(panels, rows, columns, panel_begin, panel_end, factors);
}

void GemmMixed(const Bf16Gemm& gemm) { HWY_DYNAMIC_DISPATCH(MixedRows)(gemm); }

void GemmMixedColumns(const Gemm& gemm) { HWY_DYNAMIC_DISPATCH(MixedColumns)(gemm); }

}  // namespace cllm
#endif  // HWY_ONCE
