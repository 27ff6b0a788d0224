// Room: kernels. The products of rows with blocks of lattice weights: for many rows a stretch of a panel is
// decoded once, for one row each step goes from its bits into the multiplication.
#if defined(CLLM_KERNELS_LATTICE_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_LATTICE_TILE_INL_H_
#undef CLLM_KERNELS_LATTICE_TILE_INL_H_
#else
#define CLLM_KERNELS_LATTICE_TILE_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/bf16.h"
#include "hwy/cache_control.h"
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

HWY_INLINE int32_t MultiplierOf(const uint8_t* multipliers, size_t block, size_t row) {
  return kLatticeMultipliers[multipliers[block / 4 * kPanel + row] >> block % 4 * 2 & 3];
}

#if CLLM_INT8_VECTORS

// Blocks of a panel, decoded.
struct LatticeStretch {
  static constexpr size_t kBlocks = 8;
  HWY_ALIGN uint8_t weights[kBlocks * kLatticeBlock * kPanel];
  HWY_ALIGN int32_t multipliers[kBlocks][kPanel];
};

HWY_INLINE void DecodeStretch(const LatticeGemm& g, const LatticePanel& panel, size_t first, size_t count,
                              LatticeStretch* to) {
  const size_t bytes = LatticeBlockBytes(g.fine_bits);
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* block = panel.blocks + (first + i) * bytes;
    uint8_t* weights = to->weights + i * kLatticeBlock * kPanel;
    if (g.fine_bits == 0) DecodeLatticeBlock<0>(block, weights);
    if (g.fine_bits == 1) DecodeLatticeBlock<1>(block, weights);
    if (g.fine_bits == 2) DecodeLatticeBlock<2>(block, weights);
    for (size_t j = 0; j < kPanel; ++j) {
      to->multipliers[i][j] = MultiplierOf(panel.multipliers, first + i, j);
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

#if CLLM_LATTICE_AFFINE

// A block's sums of 8 steps, from the bits into the multiplications: two at a time, for one waits for its
// last multiplication. They contain kWeightOffset times the inputs.
template <int kFine, size_t... i>
HWY_INLINE SumVector BlockSum(const uint8_t* HWY_RESTRICT block, const int8_t* HWY_RESTRICT q,
                              std::index_sequence<i...>) {
  const LatticeBits bits = LoadLatticeBits<kFine>(block);
  SumVector sums[2] = {hn::Zero(SumTag()), hn::Zero(SumTag())};
  ((sums[i % 2] = DotWord(Weights{LatticeStep<kFine, i>(bits)}, q + 4 * i, sums[i % 2])), ...);
  return hn::Add(sums[0], sums[1]);
}

// The multipliers of two blocks as 16-bit integers, by two indices of two bits.
struct MultiplierPairs {
  alignas(64) int16_t of[16][2];
};
constexpr MultiplierPairs MakeMultiplierPairs() {
  MultiplierPairs pairs = {};
  for (int i = 0; i < 16; ++i) {
    pairs.of[i][0] = static_cast<int16_t>(kLatticeMultipliers[i & 3]);
    pairs.of[i][1] = static_cast<int16_t>(kLatticeMultipliers[i >> 2]);
  }
  return pairs;
}
inline constexpr MultiplierPairs kMultiplierPairs = MakeMultiplierPairs();

// As for int8: a range of this many bytes is not expected in the second cache and asked for ahead.
inline constexpr size_t kLatticeStreamBytes = 65536, kLatticeAheadBytes = 8192;

// The sums of a panel's rows.
template <int kFine, size_t kAhead>
HWY_INLINE SumVector LatticePanelSums(const LatticeGemm& g, const LatticePanel& at) {
  const SumTag d;
  constexpr size_t kBytes = LatticeBlockBytes(kFine);
  const size_t blocks = g.depth / kLatticeBlock;
  const int16_t* HWY_RESTRICT block_sums = BlockSums(g.x, 0);
  const uint8_t* HWY_RESTRICT block = at.blocks;
  const int8_t* HWY_RESTRICT q = g.x.q;
  const Bytes table = _mm512_load_si512(kMultiplierPairs.of);
  // `inputs`: sums of a block's inputs, times its multiplier.
  SumVector sum = hn::Zero(d), inputs = sum, indices = sum;
  const auto next_sum = [&] {
    if constexpr (kAhead != 0) {
      HWY_UNROLL(4)
      for (size_t line = 0; line < kBytes; line += 64) hwy::Prefetch(block + line + kAhead);
    }
    const SumVector products = BlockSum<kFine>(block, q, std::make_index_sequence<8>());
    block += kBytes, q += kLatticeBlock;
    return products;
  };
  for (size_t i = 0; i < blocks; i += 2) {
    // Only the lower four bits of an index count.
    indices = i % 4 != 0 ? hn::ShiftRight<4>(indices)
                         : hn::PromoteTo(
                               d, hn::LoadU(hn::Rebind<uint8_t, SumTag>(), at.multipliers + i / 4 * kPanel));
    const SumVector pair = {_mm512_permutexvar_epi32(indices.raw, table)};
    const SumVector first = hn::And(pair, hn::Set(d, 0xFFFF));
    const bool both = i + 1 < blocks;
    const hn::Repartition<int16_t, SumTag> d16;
    int32_t two_sums;
    std::memcpy(&two_sums, block_sums + i, sizeof(two_sums));
    inputs = DotPairs(inputs, hn::BitCast(d16, both ? pair : first), hn::BitCast(d16, hn::Set(d, two_sums)));
    sum = hn::Add(sum, hn::Mul(next_sum(), first));
    if (both) sum = hn::Add(sum, hn::Mul(next_sum(), hn::ShiftRight<16>(pair)));
  }
  return hn::Sub(sum, hn::Mul(inputs, hn::Set(d, kWeightOffset)));
}

template <int kFine, size_t kAhead>
HWY_NOINLINE void LatticeRow(const LatticeGemm& g) {
  for (size_t panel = g.panel_begin; panel < g.panel_end; ++panel) {
    StoreProducts(LatticePanelSums<kFine, kAhead>(g, PanelOf(g, panel)), g.weight_scales + panel * kPanel,
                  g.x.scales[0].scale, g.accumulate, g.y + panel * kPanel);
  }
}

template <int kFine>
HWY_INLINE void LatticeRowOf(const LatticeGemm& g) {
  const size_t bytes = (g.panel_end - g.panel_begin) * (g.depth / kLatticeBlock) * LatticeBlockBytes(kFine);
  bytes >= kLatticeStreamBytes ? LatticeRow<kFine, kLatticeAheadBytes>(g) : LatticeRow<kFine, 0>(g);
}

#endif  // CLLM_LATTICE_AFFINE

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
