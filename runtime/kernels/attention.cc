#include "kernels/attention.h"

#include "base/bf16.h"
#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h, as Highway wants it.
#include "hwy/highway.h"
#include "kernels/attention_formats-inl.h"
#include "kernels/attention_products-inl.h"
#include "kernels/attention_tile-inl.h"
#include "kernels/math-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace {

CLLM_ATTENTION_INLINE float ScalarExp(float x) {
  const RowTag d;
  return hn::GetLane(ExpOfNegative(d, hn::Set(d, x)));
}

CLLM_ATTENTION_INLINE float ScalarLog(float x) {
  const RowTag d;
  return hn::GetLane(Log(d, hn::Set(d, x)));
}

HWY_INLINE void ScaleOut(float factor, size_t head_size, float* HWY_RESTRICT out) {
  for (size_t i = 0; i < head_size; ++i) out[i] *= factor;
}

// A block's maximum is known: what was summed relative to a lower one is scaled down.
HWY_INLINE void RaiseMaximum(AttentionRow& row, float maximum, size_t head_size, float* HWY_RESTRICT out) {
  if (row.maximum == kMasked) {
    row.maximum = maximum;  // nothing to scale yet
  } else if (maximum > row.maximum) {
    const float factor = ScalarExp(row.maximum - maximum);
    for (float& lane : row.lanes.lane) lane *= factor;
    ScaleOut(factor, head_size, out);
    row.maximum = maximum;
  }
}

#if HWY_TARGET == HWY_SCALAR

// The same as below, without the masked positions: their exponentials are zeros, and change no sum.
HWY_NOINLINE void Exponentiate(AttentionRow& row, size_t count, size_t head_size, float* HWY_RESTRICT out) {
  const RowTag d;
  float maximum = MaxOf::kStart;
  for (size_t t = 0; t < count; ++t) {
    if (row.scores[t] > maximum) maximum = row.scores[t];
  }
  RaiseMaximum(row, maximum, head_size, out);
  for (size_t t = 0; t < count; ++t) {
    const float e = ExpOfNegative(d, RowVector(row.scores[t] - row.maximum)).raw;
    row.scores[t] = e;
    row.lanes.lane[t % kPanel] += e;
  }
}

#else

// Scores of a block become exponentials; lanes, maximum and out follow.
HWY_INLINE void Exponentiate(AttentionRow& row, size_t count, size_t head_size, float* HWY_RESTRICT out) {
  const RowTag d;
  const size_t n = hn::Lanes(d), padded = (count + kPanel - 1) / kPanel * kPanel;
  for (size_t t = count / n * n; t < padded; t += n) {
    const auto seen = hn::FirstN(d, count > t ? count - t : 0);
    hn::Store(hn::IfThenElse(seen, hn::Load(d, row.scores + t), hn::Set(d, kMasked)), d, row.scores + t);
  }
  const auto score = [&](RowTag tag, size_t t) HWY_ATTR { return hn::Load(tag, row.scores + t); };
  RaiseMaximum(row, Reduce<MaxOf>(d, padded, score), head_size, out);
  const RowVector shift = hn::Set(d, row.maximum);
  for (size_t j = 0; j < kPanel; j += n) {
    RowVector sum = hn::Load(d, row.lanes.lane + j);
    for (size_t t = j; t < padded; t += kPanel) {
      const RowVector e = ExpOfNegative(d, hn::Sub(hn::Load(d, row.scores + t), shift));
      hn::Store(e, d, row.scores + t);
      sum = hn::Add(sum, e);
    }
    hn::Store(sum, d, row.lanes.lane + j);
  }
}

#endif

#if HWY_TARGET == HWY_SCALAR
// One for all: what surrounds the products is there once.
struct AnyProducts {
  static HWY_INLINE void Score(const AttentionHeads& a, size_t head, size_t block, size_t panels,
                               float* scores) {
    WithProducts(a.int8, a.arithmetic,
                 [&](auto products) { decltype(products)::Score(a, head, block, panels, scores); });
  }
  static HWY_INLINE void Add(const AttentionHeads& a, size_t begin, size_t count, size_t block, size_t seen,
                             AttentionRow* rows, float* out) {
    WithProducts(a.int8, a.arithmetic,
                 [&](auto products) { decltype(products)::Add(a, begin, count, block, seen, rows, out); });
  }
};
#endif

// The cap and the window of a block's scores, where there are any.
[[maybe_unused]] void ChangeScores(const AttentionHeads& a, size_t block, size_t panels, float* scores) {
  if (a.softcap != 0.0f) CapScores(a.softcap, panels * kPanel, scores);
  const size_t passed = FirstSeen(a.position, a.window);
  if (passed > block) MaskPassed(passed - block, scores);
}

// Heads [begin, begin + count), count at most kHeadsAtOnce. kPlain: scores stay as they are; a function of
// its own, because with a call in between registers would be spilled there too.
template <class Products, bool kPlain>
void AttendSomeHeads(const AttentionHeads& a, size_t begin, size_t count) {
  AttentionRow rows[kHeadsAtOnce];
  float* const out = a.out + begin * a.head_size;
  for (size_t h = 0; h < count; ++h) {
    rows[h].maximum = kMasked;
    rows[h].lanes = StartLanes<SumOf>();
  }
  for (size_t i = 0; i < count * a.head_size; ++i) out[i] = 0.0f;
  const size_t first = kPlain ? 0 : FirstBlock(a.position, a.window);
  for (size_t block = first; block <= a.position; block += kAttentionBlock) {
    const size_t seen = HWY_MIN(kAttentionBlock, a.position + 1 - block);
    const size_t panels = (seen + kPanel - 1) / kPanel;
    for (size_t h = 0; h < count; ++h) Products::Score(a, begin + h, block, panels, rows[h].scores);
    if constexpr (!kPlain) {
      for (size_t h = 0; h < count; ++h) ChangeScores(a, block, panels, rows[h].scores);
    }
    for (size_t h = 0; h < count; ++h) Exponentiate(rows[h], seen, a.head_size, out + h * a.head_size);
    Products::Add(a, begin, count, block, seen, rows, out);
  }
  for (size_t h = 0; h < count; ++h) {
    const float sum = FinishLanes<SumOf>(rows[h].lanes);
    ScaleOut(1.0f / sum, a.head_size, out + h * a.head_size);
    if (a.log_sum_exp != nullptr) {
      a.log_sum_exp[(begin + h) * a.log_sum_exp_stride] = rows[h].maximum + ScalarLog(sum);
    }
  }
}

template <class Products>
void AttendHeadsBy(const AttentionHeads& a) {
  for (size_t head = a.begin; head < a.end; head += kHeadsAtOnce) {
    const size_t count = HWY_MIN(kHeadsAtOnce, a.end - head);
    if (!kHasVariants || (a.softcap == 0.0f && a.window == 0)) {
      AttendSomeHeads<Products, true>(a, head, count);
    } else {
      AttendSomeHeads<Products, !kHasVariants>(a, head, count);
    }
  }
}

#if CLLM_ATTENTION_TILE

// Rows [0, result) in tiles; a tile costs about as much as four single rows.
template <Arithmetic kArithmetic, bool kInt8>
size_t AttendTiles(const AttentionRows& a) {
  const size_t n = hn::Lanes(RowTag());
  size_t row = 0;
  while (a.head_size <= kTileHeadSize && a.rows - row >= HWY_MIN(n, 4)) {
    const size_t rows = HWY_MIN(n, a.rows - row);
    AttendTile<kArithmetic, kInt8>(a, row, rows);
    row += rows;
  }
  return row;
}

#endif

}  // namespace

void AttendAllHeads(const AttentionHeads& attention) {
#if HWY_TARGET == HWY_SCALAR
  AttendHeadsBy<AnyProducts>(attention);
#else
  WithProducts(attention.int8, attention.arithmetic,
               [&](auto products) { AttendHeadsBy<decltype(products)>(attention); });
#endif
}

void AttendAllRows(const AttentionRows& a) {
  size_t row = 0;
#if CLLM_ATTENTION_TILE
  row = a.int8 != nullptr                    ? AttendTiles<Arithmetic::kSeparate, true>(a)
        : a.arithmetic == Arithmetic::kFused ? AttendTiles<Arithmetic::kFused, false>(a)
                                             : AttendTiles<Arithmetic::kSeparate, false>(a);
#endif
  for (; row < a.rows; ++row) {
    Int8Attention int8;
    if (a.int8 != nullptr) {
      int8 = *a.int8;
      int8.queries += row * int8.query_stride;
      int8.scales += row * int8.scale_stride;
    }
    AttendAllHeads({a.queries + row * a.query_stride, a.cache, 0, 1, 0, 1, a.head_size,
                    a.first_position + row, a.scale, a.arithmetic, a.out + row * a.out_stride,
                    a.log_sum_exp == nullptr ? nullptr : a.log_sum_exp + row, 1,
                    a.int8 != nullptr ? &int8 : nullptr, a.softcap, a.window});
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(AttendAllHeads);
HWY_EXPORT(AttendAllRows);

void AttendHeads(const AttentionHeads& attention) { HWY_DYNAMIC_DISPATCH(AttendAllHeads)(attention); }

void Attend(const AttentionRows& attention) { HWY_DYNAMIC_DISPATCH(AttendAllRows)(attention); }

}  // namespace cllm
#endif  // HWY_ONCE
