// Room: kernels. The register tile of the float product: kRows rows by some panels, all their sums held in
// registers while k runs upwards. One accumulator an output, so that no tiling changes a bit.
#if defined(CLLM_KERNELS_GEMM_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_GEMM_TILE_INL_H_
#undef CLLM_KERNELS_GEMM_TILE_INL_H_
#else
#define CLLM_KERNELS_GEMM_TILE_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "kernels/arithmetic-inl.h"
#include "kernels/expect-inl.h"
#include "kernels/gemm.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

HWY_INLINE void StoreSum(RowTag d, RowVector sum, bool accumulate, float* c) {
  hn::StoreU(accumulate ? hn::Add(hn::LoadU(d, c), sum) : sum, d, c);
}

HWY_INLINE RowVector LoadWeights(RowTag d, const float* weights) { return hn::LoadU(d, weights); }

// bf16 are the upper halves of float32.
HWY_INLINE RowVector LoadWeights(RowTag d, const uint16_t* weights) {
  const hn::Rebind<uint16_t, RowTag> halves;
  const hn::Rebind<uint32_t, RowTag> words;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(words, hn::LoadU(halves, weights))));
}

#if HWY_HAVE_SCALABLE

// Vectors without a size cannot be elements of arrays, so the eight sums have names: sum i is row i /
// kVectors, vector i % kVectors. Tile shapes for a full register file of SVE and RVV (LMUL 1).
inline constexpr size_t kMaxRows = 8;

// Rows [row, row + kRows) of kVectors vectors, counted from the first vector of panel_begin.
template <size_t kRows, size_t kVectors, class Weight>
HWY_INLINE void ScalableTile(const BasicGemm<Weight>& g, size_t row, size_t vector) {
  static_assert(kRows * kVectors <= 8 && kVectors <= 4 + 4 * (kRows == 1), "eight sums");
  constexpr size_t kSums = kRows * kVectors;
  const RowTag d;
  const size_t lanes = hn::Lanes(d), per_panel = 16 / lanes;
  const auto panel_of = [&](size_t i) { return g.panel_begin + (vector + i % kVectors) / per_panel; };
  const auto lane_of = [&](size_t i) { return (vector + i % kVectors) % per_panel * lanes; };
  const Weight *b0, *b1, *b2, *b3, *b4, *b5, *b6, *b7;
  const auto b_of = [&](size_t i) { return g.b + panel_of(i) * g.b_panel + lane_of(i); };
  b0 = b_of(0), b1 = b_of(1), b2 = b_of(2), b3 = b_of(3);
  b4 = b_of(4), b5 = b_of(5), b6 = b_of(6), b7 = b_of(7);
  const float* a = g.a + row * g.a_row;
  RowVector s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  for (size_t k = 0; k < g.depth; ++k, a += g.a_k) {
    const size_t at = k * g.b_k;
    const auto term = [&](size_t i, const Weight* b, RowVector s) HWY_ATTR {
      return FusedMulAdd(d, hn::Set(d, a[i / kVectors * g.a_row]), LoadWeights(d, b + at), s);
    };
    s0 = term(0, b0, s0);
    if constexpr (kSums > 1) s1 = term(1, b1, s1);
    if constexpr (kSums > 2) s2 = term(2, b2, s2);
    if constexpr (kSums > 3) s3 = term(3, b3, s3);
    if constexpr (kSums > 4) s4 = term(4, b4, s4);
    if constexpr (kSums > 5) s5 = term(5, b5, s5);
    if constexpr (kSums > 6) s6 = term(6, b6, s6);
    if constexpr (kSums > 7) s7 = term(7, b7, s7);
  }
  const auto finish = [&](size_t i, RowVector s) HWY_ATTR {
    float* c = g.c + (row + i / kVectors) * g.c_row + panel_of(i) * g.c_panel + lane_of(i);
    StoreSum(d, s, g.accumulate, c);
  };
  finish(0, s0);
  if constexpr (kSums > 1) finish(1, s1);
  if constexpr (kSums > 2) finish(2, s2);
  if constexpr (kSums > 3) finish(3, s3);
  if constexpr (kSums > 4) finish(4, s4);
  if constexpr (kSums > 5) finish(5, s5);
  if constexpr (kSums > 6) finish(6, s6);
  if constexpr (kSums > 7) finish(7, s7);
}

#else

// Tile shapes: how many rows by how many panels fill the registers, and how many panels keep the multipliers
// busy when there are few rows.
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
inline constexpr size_t kMaxRows = 12, kPanels = 2, kPanelsOf2Rows = 4, kPanelsOf1Row = 8;
#elif HWY_TARGET == HWY_AVX2 || (HWY_ARCH_ARM_A64 && HWY_TARGET_IS_NEON)
inline constexpr size_t kMaxRows = 6, kPanels = 1, kPanelsOf2Rows = 2, kPanelsOf1Row = 4;
#elif HWY_TARGET == HWY_SCALAR
inline constexpr size_t kMaxRows = 1, kPanels = 1, kPanelsOf2Rows = 1, kPanelsOf1Row = 1;
#else
inline constexpr size_t kMaxRows = 2, kPanels = 1, kPanelsOf2Rows = 1, kPanelsOf1Row = 2;
#endif

// A product whose sums go on from what C holds, rather than start at 0, if `resume`.
template <class Weight>
struct TiledGemm : BasicGemm<Weight> {
  bool resume;
};

// Whether there is a stack of some 30 KB to be had, and it pays.
#undef CLLM_GEMM_PACKS
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2) || HWY_ARCH_ARM_A64
#define CLLM_GEMM_PACKS 1
#else
#define CLLM_GEMM_PACKS 0
#endif

// Rows [row, row + kRows), panels [panel, panel + kCount).
template <class Weight, size_t kRows, size_t kCount>
HWY_NOINLINE void Tile(const TiledGemm<Weight>& g, size_t row, size_t panel) {
  const RowTag d;
  constexpr size_t kLanes = hn::MaxLanes(RowTag());
  constexpr size_t kPerPanel = 16 / kLanes, kVectors = kCount * kPerPanel;
  RowVector sums[kRows][kVectors];
  HWY_UNROLL(16)
  for (size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(d);
  }
  if (HWY_UNLIKELY(g.resume)) {
    HWY_UNROLL(16)
    for (size_t r = 0; r < kRows; ++r) {
      const float* c = g.c + (row + r) * g.c_row + panel * g.c_panel;
      HWY_UNROLL(16)
      for (size_t v = 0; v < kVectors; ++v) {
        sums[r][v] = hn::LoadU(d, c + v / kPerPanel * g.c_panel + v % kPerPanel * kLanes);
      }
    }
  }
#if CLLM_GEMM_PACKS
  if (g.accumulate) Expect(g.c + row * g.c_row + panel * g.c_panel, kRows, g.c_row, kCount, g.c_panel);
#endif
  const float* HWY_RESTRICT a = g.a + row * g.a_row;
  const Weight* HWY_RESTRICT b = g.b + panel * g.b_panel;
  const size_t a_row = g.a_row, a_k = g.a_k, b_panel = g.b_panel, b_k = g.b_k;
#if CLLM_GEMM_PACKS
  // B of the next panels, which a head's products would wait for memory to give.
  const size_t ahead = panel + kCount < g.panel_end ? kCount * b_panel : 0;
#endif
  for (size_t k = g.depth; k != 0; --k) {
    RowVector bs[kVectors];
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) {
      bs[v] = LoadWeights(d, b + v / kPerPanel * b_panel + v % kPerPanel * kLanes);
    }
    HWY_UNROLL(16)
    for (size_t r = 0; r < kRows; ++r) {
      const RowVector factor = hn::Set(d, a[r * a_row]);
      HWY_UNROLL(16)
      for (size_t v = 0; v < kVectors; ++v) sums[r][v] = FusedMulAdd(d, factor, bs[v], sums[r][v]);
    }
#if CLLM_GEMM_PACKS
    if constexpr (kRows > 2) {
      HWY_UNROLL(16)
      for (size_t p = 0; p < kCount; ++p) __builtin_prefetch(b + ahead + p * b_panel, 0, 2);
    }
#endif
    a += a_k;
    b += b_k;
  }
  HWY_UNROLL(16)
  for (size_t r = 0; r < kRows; ++r) {
    float* c = g.c + (row + r) * g.c_row + panel * g.c_panel;
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) {
      StoreSum(d, sums[r][v], g.accumulate, c + v / kPerPanel * g.c_panel + v % kPerPanel * kLanes);
    }
  }
}

#endif  // HWY_HAVE_SCALABLE

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
