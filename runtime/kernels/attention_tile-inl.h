// Room: kernels. Attention of many queries of one head: each lane of a vector is one query, so that nothing
// runs across lanes. Keys and values are read once for all lanes, an element at a time; scores, maxima and
// sums are plain vectors; any head size fills the vectors.
#if defined(CLLM_KERNELS_ATTENTION_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_ATTENTION_TILE_INL_H_
#undef CLLM_KERNELS_ATTENTION_TILE_INL_H_
#else
#define CLLM_KERNELS_ATTENTION_TILE_INL_H_
#endif

#include <cstddef>
#include <type_traits>

#include "base/layout.h"
#include "hwy/highway.h"
#include "kernels/arithmetic-inl.h"
#include "kernels/attention.h"
#include "kernels/attention_products-inl.h"
#include "kernels/attention_tile_int8-inl.h"
#include "kernels/math-inl.h"
#include "kernels/reduce-inl.h"
#include "kernels/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if CLLM_ATTENTION_TILE

// Element i of all the queries at + i * Lanes.
struct AttentionTile {
  static constexpr size_t kLanes = hn::MaxLanes(RowTag());
  alignas(64) float queries[kTileHeadSize * kLanes];
  alignas(64) float scores[kAttentionBlock * kLanes];         // then their exponentials
  alignas(64) float sums[(kPanel + kTileHeadSize) * kLanes];  // the 16 sums of exponentials, then of values
  alignas(64) float maximum[kLanes];

  float* lanes() { return sums; }
  float* out() { return sums + kPanel * hn::Lanes(RowTag()); }
};

// Scores of the positions [0, count) of a block, eight at a time; those past `count` up to a multiple of 8
// are computed from the panel's padding.
template <Arithmetic kArithmetic>
HWY_INLINE void ScoreTile(const float* HWY_RESTRICT keys, size_t head_size, size_t count, RowVector scale,
                          AttentionTile& tile) {
  const RowTag d;
  const size_t n = hn::Lanes(d);
  for (size_t t = 0; t < count; t += 8) {
    const float* HWY_RESTRICT k = keys + t / kPanel * kPanel * head_size + t % kPanel;
    const float* HWY_RESTRICT q = tile.queries;
    RowVector s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (size_t i = 0; i < head_size; ++i, k += kPanel, q += n) {
      const RowVector x = hn::Load(d, q);
      s0 = MultiplyAdd<kArithmetic>(x, hn::Set(d, k[0]), s0);
      s1 = MultiplyAdd<kArithmetic>(x, hn::Set(d, k[1]), s1);
      s2 = MultiplyAdd<kArithmetic>(x, hn::Set(d, k[2]), s2);
      s3 = MultiplyAdd<kArithmetic>(x, hn::Set(d, k[3]), s3);
      s4 = MultiplyAdd<kArithmetic>(x, hn::Set(d, k[4]), s4);
      s5 = MultiplyAdd<kArithmetic>(x, hn::Set(d, k[5]), s5);
      s6 = MultiplyAdd<kArithmetic>(x, hn::Set(d, k[6]), s6);
      s7 = MultiplyAdd<kArithmetic>(x, hn::Set(d, k[7]), s7);
    }
    float* HWY_RESTRICT to = tile.scores + t * n;
    hn::Store(hn::Mul(s0, scale), d, to);
    hn::Store(hn::Mul(s1, scale), d, to + n);
    hn::Store(hn::Mul(s2, scale), d, to + 2 * n);
    hn::Store(hn::Mul(s3, scale), d, to + 3 * n);
    hn::Store(hn::Mul(s4, scale), d, to + 4 * n);
    hn::Store(hn::Mul(s5, scale), d, to + 5 * n);
    hn::Store(hn::Mul(s6, scale), d, to + 6 * n);
    hn::Store(hn::Mul(s7, scale), d, to + 7 * n);
  }
}

// The maximum of the block is known: sums relative to a lower one are scaled down, those of other queries
// multiplied by one.
HWY_INLINE void RaiseMaxima(RowVector block_maximum, bool first, size_t head_size, AttentionTile& tile) {
  const RowTag d;
  const size_t n = hn::Lanes(d);
  const RowVector old = hn::Load(d, tile.maximum);
  const auto rises = hn::Gt(block_maximum, old);
  if (first) {
    hn::Store(block_maximum, d, tile.maximum);
  } else if (!hn::AllFalse(d, rises)) {
    const RowVector factor =
        hn::IfThenElse(rises, ExpOfNegative(d, hn::Sub(old, block_maximum)), hn::Set(d, 1.0f));
    for (size_t i = 0; i < (kPanel + head_size) * n; i += n) {
      hn::Store(hn::Mul(hn::Load(d, tile.sums + i), factor), d, tile.sums + i);
    }
    hn::Store(hn::IfThenElse(rises, block_maximum, old), d, tile.maximum);
  }
}

// The positions of a block: [0, full) are seen by all queries; t in [full, count) by all but the first
// t + ahead.
struct TileBlock {
  size_t count, full, ahead;
};

// Scores become exponentials; lanes, maxima and out follow.
HWY_INLINE void ExponentiateTile(const TileBlock& block, bool first, size_t head_size, AttentionTile& tile) {
  const RowTag d;
  const size_t n = hn::Lanes(d);
  const size_t count = block.count;
  for (size_t t = block.full; t < count; ++t) {
    const RowVector score = hn::Load(d, tile.scores + t * n);
    hn::Store(hn::IfThenElse(hn::FirstN(d, t + block.ahead), hn::Set(d, kMasked), score), d,
              tile.scores + t * n);
  }
  RowVector m0 = hn::Set(d, MaxOf::kStart), m1 = m0, m2 = m0, m3 = m0;
  size_t t = 0;
  for (; t + 4 <= count; t += 4) {
    const float* HWY_RESTRICT score = tile.scores + t * n;
    m0 = Larger(d, m0, hn::Load(d, score)), m1 = Larger(d, m1, hn::Load(d, score + n));
    m2 = Larger(d, m2, hn::Load(d, score + 2 * n)), m3 = Larger(d, m3, hn::Load(d, score + 3 * n));
  }
  for (; t < count; ++t) m0 = Larger(d, m0, hn::Load(d, tile.scores + t * n));
  RaiseMaxima(Larger(d, Larger(d, m0, m1), Larger(d, m2, m3)), first, head_size, tile);
  const RowVector shift = hn::Load(d, tile.maximum);
  for (t = 0; t < count; ++t) {
    float* HWY_RESTRICT score = tile.scores + t * n;
    float* HWY_RESTRICT lane = tile.lanes() + t % kPanel * n;
    const RowVector e = ExpOfNegative(d, hn::Sub(hn::Load(d, score), shift));
    hn::Store(e, d, score);
    hn::Store(hn::Add(hn::Load(d, lane), e), d, lane);
  }
}

// Scores [count][lanes] of a block that begins at position `start`, before the windows of queries at `first`,
// first + 1 and so on. Never inlined, as CapScores.
HWY_NOINLINE void MaskPassedTile(size_t start, size_t count, size_t first, size_t window,
                                 float* HWY_RESTRICT scores) {
  const RowTag d;
  for (size_t t = start; t < start + count; ++t, scores += hn::Lanes(d)) {
    const size_t seen = t + window > first ? t + window - first : 0;
    if (seen >= hn::Lanes(d)) return;
    hn::Store(hn::IfThenElse(hn::FirstN(d, seen), hn::Load(d, scores), hn::Set(d, kPassed)), d, scores);
  }
}

// out += weight times value for 2 or 8 elements of the values; a query that does not see a position keeps
// what it has, whatever the value.
template <Arithmetic kArithmetic, int kElements>
HWY_INLINE void AddValuesTile(const float* HWY_RESTRICT values, size_t stride, const TileBlock& block,
                              const AttentionTile& tile, float* HWY_RESTRICT out) {
  const RowTag d;
  const size_t n = hn::Lanes(d);
  static_assert(kElements == 2 || kElements == 8, "written out below");
  constexpr bool kAll = kElements == 8;
  RowVector s0 = hn::Load(d, out), s1 = hn::Load(d, out + n), s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0,
            s7 = s0;
  if constexpr (kAll) {
    s2 = hn::Load(d, out + 2 * n), s3 = hn::Load(d, out + 3 * n), s4 = hn::Load(d, out + 4 * n);
    s5 = hn::Load(d, out + 5 * n), s6 = hn::Load(d, out + 6 * n), s7 = hn::Load(d, out + 7 * n);
  }
  const float* HWY_RESTRICT weights = tile.scores;
  size_t t = 0;
  for (; t < block.full; ++t, values += stride, weights += n) {
    const RowVector w = hn::Load(d, weights);
    s0 = MultiplyAdd<kArithmetic>(w, hn::Set(d, values[0]), s0);
    s1 = MultiplyAdd<kArithmetic>(w, hn::Set(d, values[1]), s1);
    if constexpr (kAll) {
      s2 = MultiplyAdd<kArithmetic>(w, hn::Set(d, values[2]), s2);
      s3 = MultiplyAdd<kArithmetic>(w, hn::Set(d, values[3]), s3);
      s4 = MultiplyAdd<kArithmetic>(w, hn::Set(d, values[4]), s4);
      s5 = MultiplyAdd<kArithmetic>(w, hn::Set(d, values[5]), s5);
      s6 = MultiplyAdd<kArithmetic>(w, hn::Set(d, values[6]), s6);
      s7 = MultiplyAdd<kArithmetic>(w, hn::Set(d, values[7]), s7);
    }
  }
  for (; t < block.count; ++t, values += stride, weights += n) {
    const RowVector w = hn::Load(d, weights);
    const auto seen = hn::Not(hn::FirstN(d, t + block.ahead));
    const auto add = [&](float value, RowVector sum) HWY_ATTR {
      if constexpr (kArithmetic == Arithmetic::kSeparate) {
        return hn::MaskedAddOr(sum, seen, sum, hn::Mul(w, hn::Set(d, value)));
      } else {
        return hn::IfThenElse(seen, MultiplyAdd<kArithmetic>(w, hn::Set(d, value), sum), sum);
      }
    };
    s0 = add(values[0], s0), s1 = add(values[1], s1);
    if constexpr (kAll) {
      s2 = add(values[2], s2), s3 = add(values[3], s3), s4 = add(values[4], s4);
      s5 = add(values[5], s5), s6 = add(values[6], s6), s7 = add(values[7], s7);
    }
  }
  hn::Store(s0, d, out), hn::Store(s1, d, out + n);
  if constexpr (kAll) {
    hn::Store(s2, d, out + 2 * n), hn::Store(s3, d, out + 3 * n), hn::Store(s4, d, out + 4 * n);
    hn::Store(s5, d, out + 5 * n), hn::Store(s6, d, out + 6 * n), hn::Store(s7, d, out + 7 * n);
  }
}

// Divides by the sums and writes `rows` queries' outputs from row `row` on.
HWY_INLINE void FinishTile(const AttentionRows& a, size_t row, size_t rows, AttentionTile& tile) {
  const RowTag d;
  const size_t n = hn::Lanes(d);
  for (size_t half = kPanel / 2; half != 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) {
      float* HWY_RESTRICT lane = tile.lanes() + j * n;
      hn::Store(hn::Add(hn::Load(d, lane), hn::Load(d, lane + half * n)), d, lane);
    }
  }
  const RowVector sum = hn::Load(d, tile.lanes());
  const RowVector inverse = DivExact(d, hn::Set(d, 1.0f), sum);
  float* HWY_RESTRICT out = tile.out();
  for (size_t i = 0; i < a.head_size * n; i += n) {
    hn::Store(hn::Mul(hn::Load(d, out + i), inverse), d, out + i);
  }
  Transpose(out, n, a.head_size, rows, a.out + row * a.out_stride, a.out_stride);
  if (a.log_sum_exp == nullptr) return;
  hn::Store(hn::Add(hn::Load(d, tile.maximum), Log(d, sum)), d, tile.maximum);
  for (size_t r = 0; r < rows; ++r) a.log_sum_exp[row + r] = tile.maximum[r];
}

// out += the weights of a block times its values, from position `start` on.
template <Arithmetic kArithmetic, bool kInt8>
HWY_INLINE void AddAllValuesTile(const AttentionRows& a, size_t start, const TileBlock& block,
                                 AttentionTile& tile) {
  const size_t n = hn::Lanes(RowTag()), head_size = a.head_size;
  for (size_t i = 0; i < head_size;) {
    const float* from;
    size_t stride;
    alignas(64) float converted[kInt8 ? kAttentionBlock * 8 : 1];
    if constexpr (kInt8) {
      ConvertValues(a, start, i, block.count, converted);
      from = converted;
      stride = 8;
    } else {
      from = a.cache.values + start * head_size + i;
      stride = head_size;
    }
    const size_t end = HWY_MIN(head_size, i + 8);
    if (end == i + 8) {
      AddValuesTile<kArithmetic, 8>(from, stride, block, tile, tile.out() + i * n);
      i = end;
    }
    for (; i < end; i += 2, from += 2) {
      AddValuesTile<kArithmetic, 2>(from, stride, block, tile, tile.out() + i * n);
    }
  }
}

// Queries [row, row + rows), rows at most a vector's lanes; further lanes repeat the last query.
template <Arithmetic kArithmetic, bool kInt8>
void AttendTile(const AttentionRows& a, size_t row, size_t rows) {
  const RowTag d;
  const size_t n = hn::Lanes(d), head_size = a.head_size;
  AttentionTile tile;
  std::conditional_t<kInt8, Int8Tile, float> int8_tile;
  if constexpr (kInt8) {
    LoadInt8Tile(a, row, rows, int8_tile);
  } else {
    const float* HWY_RESTRICT queries = a.queries + row * a.query_stride;
    Transpose(queries, a.query_stride, rows, head_size, tile.queries, n);
    for (size_t r = rows; r < n; ++r) {
      Transpose(queries + (rows - 1) * a.query_stride, 0, 1, head_size, tile.queries + r, n);
    }
  }
  for (size_t i = 0; i < (kPanel + head_size) * n; i += n) hn::Store(hn::Zero(d), d, tile.sums + i);
  hn::Store(hn::Set(d, kMasked), d, tile.maximum);
  const size_t first = a.first_position + row, end = first + rows;
  const size_t begin = FirstBlock(first, a.window);
  for (size_t start = begin; start < end; start += kAttentionBlock) {
    const size_t count = HWY_MIN(kAttentionBlock, end - start);
    const TileBlock block = {count, first < start ? 0 : HWY_MIN(count, first + 1 - start), start - first};
    if constexpr (kInt8) {
      ScoreInt8Tile(a, start, count, int8_tile, tile.scores);
    } else {
      ScoreTile<kArithmetic>(a.cache.keys + start * head_size, head_size, count, hn::Set(d, a.scale), tile);
    }
    if (kHasVariants && a.softcap != 0.0f) CapScores(a.softcap, count * n, tile.scores);
    const bool windowed = kHasVariants && a.window != 0;
    if (windowed) MaskPassedTile(start, count, first, a.window, tile.scores);
    ExponentiateTile(block, start == 0 && !windowed, head_size, tile);
    if constexpr (kInt8) ScaleInt8Tile(*a.int8, start, count, tile.scores);
    AddAllValuesTile<kArithmetic, kInt8>(a, start, block, tile);
  }
  FinishTile(a, row, rows, tile);
}

#endif  // CLLM_ATTENTION_TILE

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
