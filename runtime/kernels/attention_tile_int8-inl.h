// Room: kernels. What attention of many queries does differently where queries are int8, and keys and values
// int8 or on the lattice.
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
#include "kernels/attention_lattice-inl.h"
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

// Scores of `count` positions of a panel of keys, the first of which begins at `key`.
template <class ScaleOf>
HWY_INLINE void ScoreInt8Panel(const uint8_t* HWY_RESTRICT key, const ScaleOf& scale_of, size_t head_size,
                               size_t count, const Int8Tile& tile, float* HWY_RESTRICT scores) {
  const RowTag d;
  const SumTag di;
  const size_t n = hn::Lanes(d), depth = static_cast<size_t>(RoundUp(head_size, 4));
  const SumVector excess = hn::Load(di, tile.excess);
  const RowVector query_scales = hn::Load(d, tile.scales);
  for (size_t t = 0; t < count; ++t, key += 4, scores += n) {
    const uint8_t* HWY_RESTRICT k = key;
    SumVector sum = hn::Zero(di);
    for (size_t i = 0; i < depth; i += 4, k += 4 * kPanel) {
      sum = Dot(BroadcastWeights(k), LoadEachInputs(tile.queries + i * n), sum);
    }
    const RowVector score = hn::Mul(hn::ConvertTo(d, hn::Sub(sum, excess)), hn::Set(d, scale_of(t)));
    hn::Store(hn::Mul(score, query_scales), d, scores);
  }
}

// Scores of the positions [start, start + count) of a block.
HWY_INLINE void ScoreInt8Tile(const AttentionRows& a, size_t start, size_t count, const Int8Tile& tile,
                              float* HWY_RESTRICT scores) {
  const size_t n = hn::Lanes(RowTag()), depth = static_cast<size_t>(RoundUp(a.head_size, 4));
  if (a.int8->lattice_keys.words == nullptr) {
    const uint16_t* HWY_RESTRICT scales = a.int8->cache.key_scales + start;
    for (size_t t = 0; t < count; t += kPanel) {
      ScoreInt8Panel(
          a.int8->cache.keys + (start + t) * depth, [&](size_t i) { return Bf16ToFloat(scales[t + i]); },
          a.head_size, HWY_MIN(kPanel, count - t), tile, scores + t * n);
    }
    return;
  }
  alignas(64) uint8_t decoded[kTileHeadSize * kPanel];
  for (size_t t = 0; t < count; t += kPanel) {
    const LatticeHead keys = a.int8->lattice_keys.From(start + t, a.head_size);
    DecodeLatticeKeys(keys.words, a.head_size, decoded);
    ScoreInt8Panel(
        decoded, [&](size_t i) { return LatticeScale(keys.scales[i]); }, a.head_size,
        HWY_MIN(kPanel, count - t), tile, scores + t * n);
  }
}

// Weights of values from position `start` on get the values' scales.
HWY_INLINE void ScaleInt8Tile(const Int8Attention& int8, size_t start, size_t count,
                              float* HWY_RESTRICT weights) {
  const RowTag d;
  const bool lattice = int8.lattice_values.words != nullptr;
  for (size_t t = start; t < start + count; ++t, weights += hn::Lanes(d)) {
    const float scale =
        lattice ? LatticeScale(int8.lattice_values.scales[t]) : Bf16ToFloat(int8.cache.value_scales[t]);
    hn::Store(hn::Mul(hn::Load(d, weights), hn::Set(d, scale)), d, weights);
  }
}

// Eight elements from `first` on, or the last ones, of the values of a block as floats [count][8].
HWY_INLINE void ConvertValues(const AttentionRows& a, size_t start, size_t first, size_t count,
                              float* HWY_RESTRICT to) {
  const hn::CappedTag<float, 8> d;
  const int8_t* values;
  size_t stride;
  alignas(64) int8_t decoded[kAttentionBlock * kLatticeGroup];
  if (a.int8->lattice_values.words != nullptr) {
    const uint8_t* words =
        a.int8->lattice_values.words + LatticeWordAt(a.head_size, start, first / kLatticeGroup);
    DecodeLatticeValues(words, a.head_size, (count + kPanel - 1) / kPanel, kLatticeGroup, decoded);
    values = decoded;
    stride = kLatticeGroup;
  } else {
    values = a.int8->cache.values + start * a.head_size + first;
    stride = a.head_size;
  }
  const size_t elements = HWY_MIN(8, a.head_size - first);
  for (size_t t = 0; t < count; ++t, values += stride, to += 8) {
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
