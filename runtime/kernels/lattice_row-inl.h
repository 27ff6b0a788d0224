// Room: kernels. The product of one row with lattice weights: each step goes from its bits into the
// multiplication.
#if defined(CLLM_KERNELS_LATTICE_ROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_LATTICE_ROW_INL_H_
#undef CLLM_KERNELS_LATTICE_ROW_INL_H_
#else
#define CLLM_KERNELS_LATTICE_ROW_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/int8_dot-inl.h"
#include "kernels/lattice.h"
#include "kernels/lattice_code.h"
#include "kernels/lattice_points-inl.h"
#include "kernels/lattice_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#undef CLLM_LATTICE_ROW
#define CLLM_LATTICE_ROW (CLLM_INT8_VECTORS && (CLLM_LATTICE_AFFINE || CLLM_LATTICE_PAIRS))
#if CLLM_LATTICE_ROW

// As for int8: a range of this many bytes is not expected in the second cache and asked for ahead.
inline constexpr size_t kLatticeStreamBytes = 65536, kLatticeAheadBytes = 8192;

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

#else

template <int kFine, size_t kAhead>
HWY_INLINE void LatticePanelRow(const LatticeGemm& g, size_t panel) {
  const SumTag d;
  constexpr size_t kLanes = hn::MaxLanes(SumTag()), kVectors = kPanel / kLanes,
                   kBytes = LatticeBlockBytes(kFine);
  const size_t blocks = g.depth / kLatticeBlock;
  const LatticePanel at = PanelOf(g, panel);
  const int16_t* HWY_RESTRICT inputs = BlockSums(g.x, 0);
  const uint8_t* HWY_RESTRICT block = at.blocks;
  const int8_t* HWY_RESTRICT q = g.x.q;
  SumVector sums[kVectors];
  HWY_UNROLL(4)
  for (size_t v = 0; v < kVectors; ++v) sums[v] = hn::Zero(d);
  LatticeFields fields[2];
  LoadFields(block, fields);
  for (size_t i = 0; i < blocks; ++i, block += kBytes, q += kLatticeBlock) {
    if constexpr (kAhead != 0) {
      HWY_UNROLL(4)
      for (size_t line = 0; line < kBytes; line += 64) hwy::Prefetch(block + line + kAhead);
    }
    // The next block's scalar loads go between the vectors' operations, so that both are always at hand.
    const uint8_t* HWY_RESTRICT next = i + 1 < blocks ? block + kBytes : block;
    LatticeFields* HWY_RESTRICT next_fields = fields + (i + 1) % 2;
    HWY_UNROLL(4)
    for (size_t v = 0; v < kVectors; ++v) {
      SumVector products = hn::Set(d, -kSumOffset * inputs[i]);
      TakeSteps<kFine>(block, fields[i % 2], 4 * v * kLanes, [&](size_t step, Bytes points) {
        products = DotCoordinates(points, LoadCoordinateInputs(q + 4 * step), products);
        for (size_t at_step = v * 8 + step, row = at_step * 2 / kVectors; row < (at_step + 1) * 2 / kVectors;
             ++row) {
          LoadRowFields(next, row, next_fields);
        }
      });
      sums[v] = hn::Add(sums[v], hn::Mul(products, MultipliersOf(at, i, v * kLanes)));
    }
  }
  HWY_UNROLL(4)
  for (size_t v = 0; v < kVectors; ++v) {
    const size_t column = panel * kPanel + v * kLanes;
    StoreProducts(sums[v], g.weight_scales + column, g.x.scales[0].scale, g.accumulate, g.y + column);
  }
}

template <int kFine, size_t kAhead>
HWY_NOINLINE void LatticeRow(const LatticeGemm& g) {
  for (size_t panel = g.panel_begin; panel < g.panel_end; ++panel) LatticePanelRow<kFine, kAhead>(g, panel);
}

#endif

template <int kFine>
HWY_INLINE void LatticeRowOf(const LatticeGemm& g) {
  const size_t bytes = (g.panel_end - g.panel_begin) * (g.depth / kLatticeBlock) * LatticeBlockBytes(kFine);
  bytes >= kLatticeStreamBytes ? LatticeRow<kFine, kLatticeAheadBytes>(g) : LatticeRow<kFine, 0>(g);
}

#endif  // CLLM_LATTICE_ROW

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
