// Room: kernels. The register tile of the integer product, and its conversion to float.
#if defined(CLLM_KERNELS_INT8_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_INT8_TILE_INL_H_
#undef CLLM_KERNELS_INT8_TILE_INL_H_
#else
#define CLLM_KERNELS_INT8_TILE_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "base/bf16.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/int8.h"
#include "kernels/int8_cortex_m.h"
#include "kernels/int8_dot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if CLLM_INT8_VECTORS

// y of Lanes outputs from `column` on, after the offset's share is off.
HWY_INLINE void StoreScaled(const Int8Gemm& g, size_t row, size_t column, SumVector sum) {
  const RowScale scale = g.scales[row];
  StoreProducts(hn::Sub(sum, hn::Set(SumTag(), kWeightOffset * scale.sum)), g.weight_scales + column,
                scale.scale, g.accumulate, g.y + row * g.y_stride + column);
}

#if HWY_HAVE_SCALABLE

inline constexpr size_t kInt8MaxRows = 4;

// Vectors without a size cannot be elements of arrays, so the sums of the four rows have names.
template <size_t kRows>
HWY_NOINLINE void Int8Tile(const Int8Gemm& g, size_t row, size_t panel) {
  static_assert(kRows <= 4, "four sums");
  const SumTag d;
  for (size_t lane = 0; lane < 16; lane += hn::Lanes(d)) {
    const uint8_t* w = g.weights + panel * 16 * g.depth + 4 * lane;
    const int8_t* q = g.q + row * g.q_stride;
    SumVector s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    for (size_t k = 0; k < g.depth; k += 4, w += 64, q += 4) {
      const Weights weights = LoadWeights(w);
      s0 = Dot(weights, LoadInputs(q), s0);
      if constexpr (kRows > 1) s1 = Dot(weights, LoadInputs(q + g.q_stride), s1);
      if constexpr (kRows > 2) s2 = Dot(weights, LoadInputs(q + 2 * g.q_stride), s2);
      if constexpr (kRows > 3) s3 = Dot(weights, LoadInputs(q + 3 * g.q_stride), s3);
    }
    StoreScaled(g, row, panel * 16 + lane, s0);
    if constexpr (kRows > 1) StoreScaled(g, row + 1, panel * 16 + lane, s1);
    if constexpr (kRows > 2) StoreScaled(g, row + 2, panel * 16 + lane, s2);
    if constexpr (kRows > 3) StoreScaled(g, row + 3, panel * 16 + lane, s3);
  }
}

#else

// Rows by panels that fill the registers; for one row, panels by steps of k at once (integer sums may be
// split as one likes) that keep the multipliers busy.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
inline constexpr size_t kInt8MaxRows = 12, kInt8Panels = 2, kInt8RowPanels = 2, kInt8RowSteps = 4;
#elif HWY_ARCH_X86 && HWY_TARGET == HWY_AVX3
inline constexpr size_t kInt8MaxRows = 8, kInt8Panels = 2, kInt8RowPanels = 2, kInt8RowSteps = 2;
#elif HWY_TARGET == HWY_AVX2 || HWY_ARCH_ARM_A64
inline constexpr size_t kInt8MaxRows = 4, kInt8Panels = 1, kInt8RowPanels = 2, kInt8RowSteps = 2;
#else
inline constexpr size_t kInt8MaxRows = 2, kInt8Panels = 1, kInt8RowPanels = 1, kInt8RowSteps = 1;
#endif

// One group of 4 inputs, for all sums of a tile.
template <size_t kRows, size_t kVectors>
HWY_INLINE void AddGroup(const uint8_t* HWY_RESTRICT w, size_t panel_bytes, const int8_t* HWY_RESTRICT q,
                         size_t q_stride, SumVector (&sums)[kRows][kVectors]) {
  constexpr size_t kLanes = hn::MaxLanes(SumTag()), kPerPanel = 16 / kLanes;
  Weights weights[kVectors];
  HWY_UNROLL(16)
  for (size_t v = 0; v < kVectors; ++v) {
    weights[v] = LoadWeights(w + v / kPerPanel * panel_bytes + v % kPerPanel * 4 * kLanes);
  }
  HWY_UNROLL(16)
  for (size_t r = 0; r < kRows; ++r) {
    const Inputs inputs = LoadInputs(q + r * q_stride);
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) sums[r][v] = Dot(weights[v], inputs, sums[r][v]);
  }
}

// Rows [row, row + kRows), panels [panel, panel + kCount), kSteps groups of 4 inputs at a time; unless kAhead
// is 0, weights are asked for that many bytes ahead.
template <size_t kRows, size_t kCount, size_t kSteps, size_t kAhead = 0>
HWY_INLINE void Int8Sums(const Int8Gemm& g, size_t row, size_t panel) {
  const SumTag d;
  constexpr size_t kLanes = hn::MaxLanes(SumTag());
  constexpr size_t kPerPanel = 16 / kLanes, kVectors = kCount * kPerPanel;
  SumVector sums[kSteps][kRows][kVectors];
  HWY_UNROLL(16)
  for (size_t s = 0; s < kSteps; ++s) {
    HWY_UNROLL(16)
    for (size_t r = 0; r < kRows; ++r) {
      HWY_UNROLL(16)
      for (size_t v = 0; v < kVectors; ++v) sums[s][r][v] = hn::Zero(d);
    }
  }
  const size_t panel_bytes = 16 * g.depth, q_stride = g.q_stride;
  const uint8_t* HWY_RESTRICT w = g.weights + panel * panel_bytes;
  const int8_t* HWY_RESTRICT q = g.q + row * q_stride;
  size_t groups = g.depth / 4;
  for (; groups >= kSteps; groups -= kSteps) {
    if constexpr (kAhead != 0) {
      HWY_UNROLL(16)
      for (size_t s = 0; s < kSteps; ++s) hwy::Prefetch(w + 64 * s + kAhead);
    }
    HWY_UNROLL(16)
    for (size_t s = 0; s < kSteps; ++s) AddGroup(w + 64 * s, panel_bytes, q + 4 * s, q_stride, sums[s]);
    w += 64 * kSteps;
    q += 4 * kSteps;
  }
  for (; groups != 0; --groups, w += 64, q += 4) AddGroup(w, panel_bytes, q, q_stride, sums[0]);
  HWY_UNROLL(16)
  for (size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) {
      SumVector sum = sums[0][r][v];
      HWY_UNROLL(16)
      for (size_t s = 1; s < kSteps; ++s) sum = hn::Add(sum, sums[s][r][v]);
      StoreScaled(g, row + r, (panel + v / kPerPanel) * 16 + v % kPerPanel * kLanes, sum);
    }
  }
}

template <size_t kRows, size_t kCount>
HWY_NOINLINE void Int8Tile(const Int8Gemm& g, size_t row, size_t panel) {
  Int8Sums<kRows, kCount, 1>(g, row, panel);
}

// A range of this many bytes of weights is not expected in the second cache: it is read in one stream, panel
// by panel, and asked for this far ahead, across the ends of panels and of the matrix; to ask for what is not
// there does nothing.
inline constexpr size_t kInt8StreamBytes = 65536, kInt8AheadBytes = 8192;

// One row, all panels but an odd last one, if a step takes two; returns the first that is left.
HWY_NOINLINE inline size_t Int8Row(const Int8Gemm& g) {
  size_t panel = g.panel_begin;
  if ((g.panel_end - g.panel_begin) * 16 * g.depth >= kInt8StreamBytes) {
    for (; panel < g.panel_end; ++panel) {
      Int8Sums<1, 1, kInt8RowPanels * kInt8RowSteps, kInt8AheadBytes>(g, 0, panel);
    }
  }
  for (; panel + kInt8RowPanels <= g.panel_end; panel += kInt8RowPanels) {
    Int8Sums<1, kInt8RowPanels, kInt8RowSteps>(g, 0, panel);
  }
  return panel;
}

#endif  // HWY_HAVE_SCALABLE

#else

#if !CLLM_INT8_CORTEX_M
// sums[j] = sum over k < depth of q[k] * (panel[k / 4][j][k % 4] - 128) for the 16 rows j of a panel; four at
// a time, so that each input is loaded once for the four.
HWY_INLINE void PanelSums(const int8_t* q, int32_t q_sum, const uint8_t* panel, size_t depth, int32_t* sums) {
  for (size_t j = 0; j < 16; j += 4) {
    int32_t sum0 = -128 * q_sum, sum1 = sum0, sum2 = sum0, sum3 = sum0;
    const uint8_t* w = panel + 4 * j;
    for (size_t k = 0; k < depth; k += 4, w += 64) {
      const int32_t q0 = q[k], q1 = q[k + 1], q2 = q[k + 2], q3 = q[k + 3];
      sum0 += w[0] * q0 + w[1] * q1 + w[2] * q2 + w[3] * q3;
      sum1 += w[4] * q0 + w[5] * q1 + w[6] * q2 + w[7] * q3;
      sum2 += w[8] * q0 + w[9] * q1 + w[10] * q2 + w[11] * q3;
      sum3 += w[12] * q0 + w[13] * q1 + w[14] * q2 + w[15] * q3;
    }
    sums[j] = sum0, sums[j + 1] = sum1, sums[j + 2] = sum2, sums[j + 3] = sum3;
  }
}
#endif

HWY_INLINE void Int8Panel(const Int8Gemm& g, size_t row, size_t panel) {
  const RowScale scale = g.scales[row];
  int32_t sums[kPanel];
  PanelSums(g.q + row * g.q_stride, scale.sum, g.weights + panel * kPanel * g.depth, g.depth, sums);
  StorePanel(sums, g.weight_scales + panel * kPanel, scale.scale, g.accumulate,
             g.y + row * g.y_stride + panel * kPanel);
}

#endif  // CLLM_INT8_VECTORS

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
