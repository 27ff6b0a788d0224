// Room: kernels. The register tile of the product with 4-bit weights, and its conversion to float.
#if defined(CLLM_KERNELS_INT4_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_INT4_TILE_INL_H_
#undef CLLM_KERNELS_INT4_TILE_INL_H_
#else
#define CLLM_KERNELS_INT4_TILE_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "base/bf16.h"
#include "base/layout.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/int4.h"
#include "kernels/int4_cortex_m.h"
#include "kernels/int4_dot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Of a group: 32 inputs of 16 rows are 4 steps of 64 bytes.
inline constexpr size_t kI4Steps = 4;

#if CLLM_INT8_VECTORS

HWY_INLINE void StoreScaled(const Int4Gemm& g, size_t row, size_t column, SumVector sum) {
  StoreProducts(sum, g.weight_scales + column, g.x.scales[row].scale, g.accumulate,
                g.y + row * g.y_stride + column);
}

#if HWY_HAVE_SCALABLE

inline constexpr size_t kInt4MaxRows = 2;

// One row's sum of (n - 8) q over a group of `steps` steps.
HWY_INLINE SumVector GroupProducts(const uint8_t* w, const int8_t* q, int16_t offset, size_t steps) {
  SumVector sum = hn::Set(SumTag(), offset);
  for (size_t s = 0; s < steps; ++s, w += 64, q += 8) {
    const Halves both = hn::LoadU(WeightTag(), w);
    sum = DotHalves(HighHalves(both), q + 4, DotHalves(LowHalves(both), q, sum));
  }
  return sum;
}

// A pair of groups; `groups` is the distance from offsets to sums of inputs.
HWY_INLINE SumVector AddPair(const uint8_t* w, const int8_t* q, const int16_t* offsets, size_t groups,
                             size_t steps, SumVector pair, SumVector sum) {
  const size_t first = HWY_MIN(steps, kI4Steps);
  sum = AddScaled(sum, pair, GroupProducts(w, q, offsets[0], first), offsets[groups]);
  if (steps <= kI4Steps) return sum;
  const auto products = GroupProducts(w + 64 * kI4Steps, q + kI4Group, offsets[1], steps - first);
  return AddScaled(sum, hn::ShiftRight<8>(pair), products, offsets[groups + 1]);
}

// Vectors without a size cannot be elements of arrays, so the sums of the rows have names.
template <size_t kRows>
HWY_NOINLINE void Int4Tile(const Int4Gemm& g, size_t row, size_t panel) {
  static_assert(kRows <= 2, "two sums");
  const SumTag d;
  const size_t units = g.depth / 8, groups = g.x.groups();
  const QuantizedRows x = g.x.From(row);
  for (size_t lane = 0; lane < 16; lane += hn::Lanes(d)) {
    const uint8_t* w = g.weights + panel * 64 * units + 4 * lane;
    const uint8_t* scale_bytes = g.group_scales + panel * 16 * I4Groups(g.depth) + 2 * lane;
    const int8_t* q = x.q;
    const int16_t* offsets = x.group_sums;
    SumVector s0 = hn::Zero(d), s1 = s0;
    for (size_t unit = 0; unit < units; unit += 2 * kI4Steps) {
      const size_t steps = HWY_MIN(units - unit, 2 * kI4Steps);
      const SumVector pair = LoadPair(scale_bytes);
      s0 = AddPair(w, q, offsets, groups, steps, pair, s0);
      if constexpr (kRows > 1) s1 = AddPair(w, q + x.stride, offsets + 2 * groups, groups, steps, pair, s1);
      w += 128 * kI4Steps, scale_bytes += 32, q += 2 * kI4Group, offsets += 2;
    }
    StoreScaled(g, row, panel * 16 + lane, s0);
    if constexpr (kRows > 1) StoreScaled(g, row + 1, panel * 16 + lane, s1);
  }
}

#else

// Rows by vectors of a panel that fill the registers.
inline constexpr size_t kI4PerPanel = 16 / hn::MaxLanes(SumTag());
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
inline constexpr size_t kInt4MaxRows = 12, kInt4Vectors = 1;
#elif HWY_ARCH_X86 && HWY_TARGET == HWY_AVX3
inline constexpr size_t kInt4MaxRows = 8, kInt4Vectors = 1;
#elif HWY_TARGET == HWY_AVX2 || HWY_ARCH_ARM_A64
inline constexpr size_t kInt4MaxRows = 4, kInt4Vectors = 1;
#else
inline constexpr size_t kInt4MaxRows = 2, kInt4Vectors = 1;
#endif

// One group of `steps` steps, for all sums of a tile; `second`: of its pair.
template <size_t kRows, size_t kVectors, bool kSecond>
HWY_INLINE void AddGroups(const uint8_t* HWY_RESTRICT w, const QuantizedRows& x, size_t group, size_t steps,
                          const PairScales (&scales)[kVectors], SumVector (&sums)[kRows][kVectors]) {
  constexpr size_t kLanes = hn::MaxLanes(SumTag());
  const size_t stride = x.stride, groups = x.groups();
  const int8_t* HWY_RESTRICT q = x.q + group * kI4Group;
  GroupSum products[kRows][kVectors];
  HWY_UNROLL(16)
  for (size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) products[r][v] = StartGroup(x.group_sums + r * 2 * groups + group);
  }
  for (size_t s = 0; s < steps; ++s, w += 64, q += 8) {
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) {
      const Halves both = hn::LoadU(WeightTag(), w + v * 4 * kLanes);
      const Halves low = LowHalves(both), high = HighHalves(both);
      HWY_UNROLL(16)
      for (size_t r = 0; r < kRows; ++r) {
        products[r][v] = DotHalves(low, q + r * stride, products[r][v]);
      }
      HWY_UNROLL(16)
      for (size_t r = 0; r < kRows; ++r) {
        products[r][v] = DotHalves(high, q + r * stride + 4, products[r][v]);
      }
    }
  }
  HWY_UNROLL(16)
  for (size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) {
      sums[r][v] = AddGroup(sums[r][v], products[r][v], kSecond ? scales[v].second : scales[v].first);
    }
  }
}

// Rows [row, row + kRows), vectors [vector, vector + kVectors) of a panel; unless kAhead is 0, weights are
// asked for that many bytes ahead.
template <size_t kRows, size_t kVectors, size_t kAhead = 0>
HWY_INLINE void Int4Sums(const Int4Gemm& g, size_t row, size_t panel, size_t vector) {
  const SumTag d;
  constexpr size_t kLanes = hn::MaxLanes(SumTag());
  const size_t lane = vector * kLanes, units = g.depth / 8, groups = g.x.groups();
  const QuantizedRows x = g.x.From(row);
  const uint8_t* HWY_RESTRICT w = g.weights + panel * 64 * units + 4 * lane;
  const uint8_t* HWY_RESTRICT scale_bytes = g.group_scales + panel * 16 * I4Groups(g.depth) + 2 * lane;
  SumVector sums[kRows][kVectors];
  HWY_UNROLL(16)
  for (size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(d);
  }
  for (size_t group = 0; group * kI4Steps < units; group += 2) {
    if constexpr (kAhead != 0) {
      HWY_UNROLL(8)
      for (size_t s = 0; s < 2 * kI4Steps; ++s) hwy::Prefetch(w + 64 * s + kAhead);
    }
    PairScales scales[kVectors];
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) {
      scales[v] = LoadPairScales(scale_bytes + v * 2 * kLanes);
      HWY_UNROLL(16)
      for (size_t r = 0; r < kRows; ++r) {
        const PairVector pair = PairOf(LoadWord(x.group_sums + (2 * r + 1) * groups + group));
        sums[r][v] = AddPairs(sums[r][v], scales[v].zeros, pair);
      }
    }
    const size_t steps = units - group * kI4Steps;
    if (steps >= 2 * kI4Steps) {
      AddGroups<kRows, kVectors, false>(w, x, group, kI4Steps, scales, sums);
      AddGroups<kRows, kVectors, true>(w + 64 * kI4Steps, x, group + 1, kI4Steps, scales, sums);
    } else {
      AddGroups<kRows, kVectors, false>(w, x, group, HWY_MIN(steps, kI4Steps), scales, sums);
      if (steps > kI4Steps) {
        AddGroups<kRows, kVectors, true>(w + 64 * kI4Steps, x, group + 1, steps - kI4Steps, scales, sums);
      }
    }
    w += 128 * kI4Steps;
    scale_bytes += 32;
  }
  HWY_UNROLL(16)
  for (size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) {
      StoreScaled(g, row + r, panel * 16 + lane + v * kLanes, sums[r][v]);
    }
  }
}

template <size_t kRows>
HWY_NOINLINE void Int4Tile(const Int4Gemm& g, size_t row, size_t panel) {
  for (size_t v = 0; v < kI4PerPanel; v += kInt4Vectors) Int4Sums<kRows, kInt4Vectors>(g, row, panel, v);
}

// As for int8: a range of this many bytes is not expected in the second cache and asked for ahead.
inline constexpr size_t kInt4StreamBytes = 65536, kInt4AheadBytes = 8192;

HWY_NOINLINE inline void Int4Row(const Int4Gemm& g) {
  const bool stream = (g.panel_end - g.panel_begin) * 8 * g.depth >= kInt4StreamBytes;
  for (size_t panel = g.panel_begin; panel < g.panel_end; ++panel) {
    for (size_t v = 0; v < kI4PerPanel; v += kInt4Vectors) {
      if (stream && v == 0) {
        Int4Sums<1, kInt4Vectors, kInt4AheadBytes>(g, 0, panel, v);
      } else {
        Int4Sums<1, kInt4Vectors>(g, 0, panel, v);
      }
    }
  }
}

#endif  // HWY_HAVE_SCALABLE

#else

HWY_INLINE void Int4Row(const Int4Gemm& g, size_t row) {
  const QuantizedRows x = g.x.From(row);
  const size_t panel_bytes = g.depth * kPanel / 2,
               panel_groups = (g.depth + 2 * kI4Group - 1) / (2 * kI4Group) * 2;
  for (size_t panel = g.panel_begin; panel < g.panel_end; ++panel) {
    int32_t sums[kPanel];
    Int4PanelSums({x.q, x.group_sums + x.groups(), g.weights + panel * panel_bytes,
                   g.group_scales + panel * panel_groups * kPanel, g.depth / 8},
                  sums);
    StorePanel(sums, g.weight_scales + panel * kPanel, x.scales[0].scale, g.accumulate,
               g.y + row * g.y_stride + panel * kPanel);
  }
}

#endif  // CLLM_INT8_VECTORS

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
