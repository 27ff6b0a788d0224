// Room: kernels. What attention of many queries does differently where keys, values and queries are int8.
#if defined(CLLM_KERNELS_ATTENTION_TILE_INT8_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_ATTENTION_TILE_INT8_INL_H_
#undef CLLM_KERNELS_ATTENTION_TILE_INT8_INL_H_
#else
#define CLLM_KERNELS_ATTENTION_TILE_INT8_INL_H_
#endif

#include <cstddef>
#include <cstring>

#include "base/bf16.h"
#include "base/layout.h"
#include "hwy/highway.h"
#include "kernels/attention.h"
#include "kernels/attention_products-inl.h"
#include "kernels/int8_dot-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#undef CLLM_ATTENTION_TILE
#define CLLM_ATTENTION_TILE (HWY_TARGET != HWY_SCALAR)
#if CLLM_ATTENTION_TILE

// Wider heads would need too much stack, and take the path of single queries.
inline constexpr size_t kTileHeadSize = 256;

// Of an int8 cache: the queries, 4 elements of each after the other, what their sums have too much, and
// scales.
struct Int8Tile {
  static constexpr size_t kLanes = hn::MaxLanes(RowTag());
  alignas(64) int8_t queries[kTileHeadSize * kLanes];
  alignas(64) int32_t excess[kLanes];
  alignas(64) float scales[kLanes];
};

HWY_INLINE void LoadInt8Tile(const AttentionRows& a, size_t row, size_t rows, Int8Tile& tile) {
  const size_t n = hn::Lanes(RowTag());
  for (size_t r = 0; r < n; ++r) {
    const size_t from = row + (r < rows ? r : rows - 1);
    const int8_t* query = a.int8->queries + from * a.int8->query_stride;
    for (size_t i = 0; i < a.head_size; i += 4) std::memcpy(tile.queries + i * n + 4 * r, query + i, 4);
    const RowScale& scale = a.int8->scales[from * a.int8->scale_stride];
    tile.excess[r] = kWeightOffset * scale.sum;
    tile.scales[r] = scale.scale;
  }
}

// Scores of the positions [start, start + count).
HWY_INLINE void ScoreInt8Tile(const AttentionRows& a, size_t start, size_t count, const Int8Tile& tile,
                              float* HWY_RESTRICT scores) {
  const RowTag d;
  const SumTag di;
  const size_t n = hn::Lanes(d), depth = static_cast<size_t>(RoundUp(a.head_size, 4));
  const SumVector excess = hn::Load(di, tile.excess);
  const RowVector query_scales = hn::Load(d, tile.scales);
  for (size_t t = start; t < start + count; ++t, scores += n) {
    const uint8_t* HWY_RESTRICT key = a.int8->cache.keys + t / kPanel * kPanel * depth + t % kPanel * 4;
    SumVector sum = hn::Zero(di);
    for (size_t i = 0; i < depth; i += 4, key += 4 * kPanel) {
      sum = Dot(BroadcastWeights(key), LoadEachInputs(tile.queries + i * n), sum);
    }
    const RowVector scale = hn::Set(d, Bf16ToFloat(a.int8->cache.key_scales[t]));
    const RowVector score = hn::Mul(hn::ConvertTo(d, hn::Sub(sum, excess)), scale);
    hn::Store(hn::Mul(score, query_scales), d, scores);
  }
}

// Weights get the values' scales.
HWY_INLINE void ScaleInt8Tile(const uint16_t* HWY_RESTRICT scales, size_t count,
                              float* HWY_RESTRICT weights) {
  const RowTag d;
  for (size_t t = 0; t < count; ++t, weights += hn::Lanes(d)) {
    hn::Store(hn::Mul(hn::Load(d, weights), hn::Set(d, Bf16ToFloat(scales[t]))), d, weights);
  }
}

// Eight elements, or the last ones, of the values of a block as floats.
HWY_INLINE void ConvertValues(const int8_t* HWY_RESTRICT values, size_t head_size, size_t count,
                              size_t elements, float* HWY_RESTRICT to) {
  const hn::CappedTag<float, 8> d;
  for (size_t t = 0; t < count; ++t, values += head_size, to += 8) {
    for (size_t i = 0; i < elements; i += hn::Lanes(d)) {
      hn::Store(LoadValues(d, values + i, HWY_MIN(hn::Lanes(d), elements - i)), d, to + i);
    }
  }
}

#endif  // CLLM_ATTENTION_TILE

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
