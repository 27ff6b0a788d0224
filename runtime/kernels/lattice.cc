#include "kernels/lattice.h"

#include <cstring>

#include "base/bf16.h"
#include "base/layout.h"
#include "kernels/lattice_code.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/lattice.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/lattice_row-inl.h"
#include "kernels/lattice_sdot.h"
#include "kernels/lattice_tile-inl.h"
#include "kernels/row_tiles.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {

#if !CLLM_INT8_VECTORS

void GemmLattice(const LatticeGemm& g) {
  for (size_t row = 0; row < g.rows; ++row) {
    for (size_t panel = g.panel_begin; panel < g.panel_end; panel += kLatticePanels) {
      LatticeScalarPanels(g, row, panel, HWY_MIN(g.panel_end - panel, kLatticePanels));
    }
  }
}

#else

struct LatticeTiles {
  template <size_t kRows>
  static constexpr auto Of() {
    return &LatticeTile<kRows>;
  }
};

// A panel for some rows at a time, so many that decoding weighs little beside the products.
constexpr size_t kLatticeGroupRows = 48;

void LatticeRows(const LatticeGemm& g, size_t panel, size_t row, size_t rows) {
  const LatticePanel from = PanelOf(g, panel);
  const size_t blocks = g.depth / kLatticeBlock;
  const RowTiles tiles(rows, kLatticeMaxRows);
  HWY_ALIGN int32_t sums[kLatticeGroupRows * kPanel];
  std::memset(sums, 0, rows * kPanel * sizeof(int32_t));
  LatticeStretch stretch;
  for (size_t first = 0; first < blocks; first += LatticeStretch::kBlocks) {
    const size_t count = HWY_MIN(blocks - first, LatticeStretch::kBlocks);
    DecodeStretch(g, from, first, count, &stretch);
#if CLLM_INT8_SDOT && HWY_TARGET_IS_NEON
    if (HasSdot()) {
      AddBlocksSdot({stretch.weights, stretch.multipliers[0], first, count}, g.x.From(row), rows, sums);
      continue;
    }
#endif
    for (size_t tile = 0, r = 0; tile < tiles.count(); r += tiles.rows(tile++)) {
      kTiles<LatticeTiles, kLatticeMaxRows>.of_rows[tiles.rows(tile)](stretch, first, count,
                                                                      g.x.From(row + r), sums + r * kPanel);
    }
  }
  StoreLatticeSums(g, panel, row, rows, sums);
}

void GemmLattice(const LatticeGemm& g) {
#if CLLM_LATTICE_ROW
  if (g.rows == 1) {
    return g.fine_bits == 0 ? LatticeRowOf<0>(g) : g.fine_bits == 1 ? LatticeRowOf<1>(g) : LatticeRowOf<2>(g);
  }
#endif
  for (size_t panel = g.panel_begin; panel < g.panel_end; ++panel) {
    for (size_t row = 0; row < g.rows; row += kLatticeGroupRows) {
      LatticeRows(g, panel, row, HWY_MIN(g.rows - row, kLatticeGroupRows));
    }
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(GemmLattice);

void GemmLattice(const LatticeGemm& gemm) { HWY_DYNAMIC_DISPATCH(GemmLattice)(gemm); }

void DequantizeLatticeRow(const LatticeMatrix& m, size_t row, float* out) {
  const size_t blocks = static_cast<size_t>(LatticeBlocks(m.columns)), panel = row / kPanel, j = row % kPanel;
  const size_t multiplier_bytes = static_cast<size_t>(LatticeMultiplierBytes(m.columns));
  const float scale = Bf16ToFloat(m.weight_scales[row]);
  for (size_t block = 0; block < blocks; ++block) {
    const uint8_t* from = m.weights + (panel * blocks + block) * LatticeBlockBytes(m.fine_bits);
    const uint8_t indices = m.multipliers[(panel * multiplier_bytes + block / 4) * kPanel + j];
    const int multiplier = kLatticeMultipliers[indices >> block % 4 * 2 & 3];
    for (size_t group = 0; group < 4; ++group) {
      int8_t n[kLatticeGroup], point[kLatticeGroup];
      LatticeIntegers(UnpackLatticeGroup(from, m.fine_bits, j, group), m.fine_bits, n);
      LatticePoint(n, point);
      for (size_t i = 0; i < kLatticeGroup; ++i) {
        const size_t k = block * kLatticeBlock + LatticeColumn(group, i);
        if (k < m.columns) out[k] = static_cast<float>(point[i] * multiplier) * scale;
      }
    }
  }
  for (size_t k = m.columns; k < PaddedRow(m.columns); ++k) out[k] = 0.0f;
}

}  // namespace cllm
#endif  // HWY_ONCE
