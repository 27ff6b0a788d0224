// Room: kernels. The products of many rows with blocks of lattice weights, a stretch of a panel decoded once
// for all of them; on cores without vectors, of each row.
#if defined(CLLM_KERNELS_LATTICE_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_LATTICE_TILE_INL_H_
#undef CLLM_KERNELS_LATTICE_TILE_INL_H_
#else
#define CLLM_KERNELS_LATTICE_TILE_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bf16.h"
#include "hwy/highway.h"
#include "kernels/int8_dot-inl.h"
#include "kernels/lattice.h"
#include "kernels/lattice_code.h"
#include "kernels/lattice_points-inl.h"
#include "kernels/lattice_scalar.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A panel's bytes, and where the multipliers of its rows begin.
struct LatticePanel {
  const uint8_t* blocks;
  const uint8_t* multipliers;
};

HWY_INLINE LatticePanel PanelOf(const LatticeGemm& g, size_t panel) {
  const size_t blocks = g.depth / kLatticeBlock;
  return {g.weights + panel * blocks * LatticeBlockBytes(g.fine_bits),
          g.multipliers + panel * kPanel * static_cast<size_t>(LatticeMultiplierBytes(g.depth))};
}

#if CLLM_INT8_VECTORS

// Of a block, for the rows from `row` on.
HWY_INLINE SumVector MultipliersOf(const LatticePanel& panel, size_t block, size_t row) {
  const SumTag d;
  const hn::Rebind<uint8_t, SumTag> d8;
  const auto four = hn::PromoteTo(d, hn::LoadU(d8, panel.multipliers + block / 4 * kPanel + row));
  const auto index = hn::And(hn::ShiftRightSame(four, static_cast<int>(block % 4 * 2)), hn::Set(d, 3));
  return hn::TableLookupLanes(hn::LoadDup128(d, kLatticeMultipliers), hn::IndicesFromVec(d, index));
}

// Blocks of a panel, decoded.
struct LatticeStretch {
  static constexpr size_t kBlocks = 8;
  HWY_ALIGN uint8_t weights[kBlocks * kLatticeBlock * kPanel];
  HWY_ALIGN int32_t multipliers[kBlocks][kPanel];
};

template <int kFine>
HWY_INLINE void DecodeLatticeBlocks(const uint8_t* HWY_RESTRICT blocks, size_t count,
                                    uint8_t* HWY_RESTRICT to) {
  constexpr size_t kBytes = LatticeBlockBytes(kFine);
#if CLLM_LATTICE_AFFINE
  for (size_t i = 0; i < count; ++i) {
    DecodeLatticeBlock<kFine>(blocks + i * kBytes, to + i * kLatticeBlock * kPanel);
  }
#else
  LatticeFields fields[LatticeStretch::kBlocks];
  for (size_t i = 0; i < count; ++i) LoadFields(blocks + i * kBytes, fields + i);
  for (size_t i = 0; i < count; ++i) {
    DecodeLatticeBlock<kFine>(blocks + i * kBytes, fields[i], to + i * kLatticeBlock * kPanel);
  }
#endif
}

HWY_INLINE void DecodeStretch(const LatticeGemm& g, const LatticePanel& panel, size_t first, size_t count,
                              LatticeStretch* to) {
  const uint8_t* const blocks = panel.blocks + first * LatticeBlockBytes(g.fine_bits);
  if (g.fine_bits == 0) DecodeLatticeBlocks<0>(blocks, count, to->weights);
  if (g.fine_bits == 1) DecodeLatticeBlocks<1>(blocks, count, to->weights);
  if (g.fine_bits == 2) DecodeLatticeBlocks<2>(blocks, count, to->weights);
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < kPanel; j += hn::Lanes(SumTag())) {
      hn::Store(MultipliersOf(panel, first + i, j), SumTag(), to->multipliers[i] + j);
    }
  }
}

// The sums of the inputs of row r's blocks.
HWY_INLINE const int16_t* BlockSums(const QuantizedRows& x, size_t r) {
  return x.group_sums + (2 * r + 1) * x.groups();
}

// sums [kRows][16] += the products of rows of x, blocks from `first` on, with a stretch of them.
#if HWY_HAVE_SCALABLE

inline constexpr size_t kLatticeMaxRows = 2;

HWY_INLINE SumVector BlockStart(const QuantizedRows& x, size_t r, size_t block) {
  return hn::Set(SumTag(), -kSumOffset * BlockSums(x, r)[block]);
}

// Vectors without a size cannot be elements of arrays, so the sums of the rows have names.
template <size_t kRows>
HWY_NOINLINE void LatticeTile(const LatticeStretch& w, size_t first, size_t count, const QuantizedRows& x,
                              int32_t* HWY_RESTRICT sums) {
  static_assert(kRows <= 2, "two sums");
  const SumTag d;
  for (size_t lane = 0; lane < kPanel; lane += hn::Lanes(d)) {
    SumVector sum0 = hn::LoadU(d, sums + lane), sum1 = kRows > 1 ? hn::LoadU(d, sums + kPanel + lane) : sum0;
    for (size_t i = 0; i < count; ++i) {
      const uint8_t* at = w.weights + i * kLatticeBlock * kPanel + 4 * lane;
      const int8_t* q = x.q + (first + i) * kLatticeBlock;
      SumVector s0 = BlockStart(x, 0, first + i), s1 = kRows > 1 ? BlockStart(x, 1, first + i) : s0;
      for (size_t step = 0; step < 8; ++step, at += 64, q += 4) {
        const Coordinates weights = LoadCoordinates(at);
        s0 = DotCoordinates(weights, LoadCoordinateInputs(q), s0);
        if constexpr (kRows > 1) s1 = DotCoordinates(weights, LoadCoordinateInputs(q + x.stride), s1);
      }
      const SumVector multiplier = hn::LoadU(d, w.multipliers[i] + lane);
      sum0 = hn::Add(sum0, hn::Mul(s0, multiplier));
      if constexpr (kRows > 1) sum1 = hn::Add(sum1, hn::Mul(s1, multiplier));
    }
    hn::StoreU(sum0, d, sums + lane);
    if constexpr (kRows > 1) hn::StoreU(sum1, d, sums + kPanel + lane);
  }
}

#else

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
inline constexpr size_t kLatticeMaxRows = 12, kLatticeVectors = 1;
#elif HWY_ARCH_X86 && HWY_TARGET == HWY_AVX3
inline constexpr size_t kLatticeMaxRows = 8, kLatticeVectors = 1;
#elif HWY_TARGET == HWY_AVX2 || HWY_ARCH_ARM_A64
inline constexpr size_t kLatticeMaxRows = 4, kLatticeVectors = 2;
#else
inline constexpr size_t kLatticeMaxRows = 2, kLatticeVectors = 2;
#endif

template <size_t kRows>
HWY_NOINLINE void LatticeTile(const LatticeStretch& w, size_t first, size_t count, const QuantizedRows& x,
                              int32_t* HWY_RESTRICT sums) {
  const SumTag d;
  constexpr size_t kLanes = hn::MaxLanes(SumTag()), kVectors = HWY_MIN(kLatticeVectors, kPanel / kLanes);
  const int8_t* HWY_RESTRICT q0 = x.q + first * kLatticeBlock;
  for (size_t lane = 0; lane < kPanel; lane += kVectors * kLanes) {
    SumVector totals[kRows][kVectors];
    HWY_UNROLL(16)
    for (size_t r = 0; r < kRows; ++r) {
      HWY_UNROLL(16)
      for (size_t v = 0; v < kVectors; ++v)
        totals[r][v] = hn::LoadU(d, sums + r * kPanel + lane + v * kLanes);
    }
    for (size_t i = 0; i < count; ++i) {
      const uint8_t* HWY_RESTRICT at = w.weights + i * kLatticeBlock * kPanel + 4 * lane;
      const int8_t* HWY_RESTRICT q = q0 + i * kLatticeBlock;
      SumVector products[kRows][kVectors];
      HWY_UNROLL(16)
      for (size_t r = 0; r < kRows; ++r) {
        const SumVector start = hn::Set(d, -kSumOffset * BlockSums(x, r)[first + i]);
        HWY_UNROLL(16)
        for (size_t v = 0; v < kVectors; ++v) products[r][v] = start;
      }
      HWY_UNROLL(8)
      for (size_t step = 0; step < 8; ++step) {
        Coordinates weights[kVectors];
        HWY_UNROLL(16)
        for (size_t v = 0; v < kVectors; ++v) weights[v] = LoadCoordinates(at + 64 * step + 4 * v * kLanes);
        HWY_UNROLL(16)
        for (size_t r = 0; r < kRows; ++r) {
          const CoordinateInputs inputs = LoadCoordinateInputs(q + r * x.stride + 4 * step);
          HWY_UNROLL(16)
          for (size_t v = 0; v < kVectors; ++v)
            products[r][v] = DotCoordinates(weights[v], inputs, products[r][v]);
        }
      }
      HWY_UNROLL(16)
      for (size_t v = 0; v < kVectors; ++v) {
        const SumVector multiplier = hn::Load(d, w.multipliers[i] + lane + v * kLanes);
        HWY_UNROLL(16)
        for (size_t r = 0; r < kRows; ++r) {
          totals[r][v] = hn::Add(totals[r][v], hn::Mul(products[r][v], multiplier));
        }
      }
    }
    HWY_UNROLL(16)
    for (size_t r = 0; r < kRows; ++r) {
      HWY_UNROLL(16)
      for (size_t v = 0; v < kVectors; ++v)
        hn::StoreU(totals[r][v], d, sums + r * kPanel + lane + v * kLanes);
    }
  }
}

#endif  // HWY_HAVE_SCALABLE

// y of rows [row, row + rows) of a panel from their sums.
HWY_INLINE void StoreLatticeSums(const LatticeGemm& g, size_t panel, size_t row, size_t rows,
                                 const int32_t* sums) {
  const SumTag d;
  const size_t column = panel * kPanel;
  for (size_t r = row; r < row + rows; ++r, sums += kPanel) {
    for (size_t lane = 0; lane < kPanel; lane += hn::Lanes(d)) {
      StoreProducts(hn::LoadU(d, sums + lane), g.weight_scales + column + lane, g.x.scales[r].scale,
                    g.accumulate, g.y + r * g.y_stride + column + lane);
    }
  }
}

#else

// Panels that share the work of taking a block's inputs apart.
inline constexpr size_t kLatticePanels = 4;

template <int kFine>
HWY_INLINE void AddLatticeBlocks(const LatticeGemm& g, size_t panel, size_t count, const int8_t* q,
                                 int32_t* sums) {
  LatticeInputs inputs;
  for (size_t block = 0; block < g.depth / kLatticeBlock; ++block, q += kLatticeBlock) {
    LoadLatticeInputs(q, &inputs);
    for (size_t p = 0; p < count; ++p) {
      const LatticePanel at = PanelOf(g, panel + p);
      AddLatticeBlock<kFine>(at.blocks + block * LatticeBlockBytes(kFine), inputs,
                             at.multipliers + block / 4 * kPanel, static_cast<int>(block % 4 * 2),
                             sums + p * kPanel);
    }
  }
}

// One row of x, `count` panels.
HWY_INLINE void LatticeScalarPanels(const LatticeGemm& g, size_t row, size_t panel, size_t count) {
  const int8_t* const q = g.x.q + row * g.x.stride;
  int32_t sums[kLatticePanels * kPanel] = {};
  if (g.fine_bits == 0) AddLatticeBlocks<0>(g, panel, count, q, sums);
  if (g.fine_bits == 1) AddLatticeBlocks<1>(g, panel, count, q, sums);
  if (g.fine_bits == 2) AddLatticeBlocks<2>(g, panel, count, q, sums);
  for (size_t p = 0; p < count; ++p) {
    const size_t column = (panel + p) * kPanel;
    StorePanel(sums + p * kPanel, g.weight_scales + column, g.x.scales[row].scale, g.accumulate,
               g.y + row * g.y_stride + column);
  }
}

#endif  // CLLM_INT8_VECTORS

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
