#include "kernels/attention.h"

#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h, as Highway wants it.
#include "hwy/highway.h"
#include "kernels/attention_products-inl.h"
#include "kernels/math-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace {

// Below every score; its exponential relative to any maximum is exactly zero.
constexpr float kMasked = -3.0e38f;

// Where a vector is one float, code is what is scarce.
#undef CLLM_ATTENTION_INLINE
#if HWY_TARGET == HWY_SCALAR
#define CLLM_ATTENTION_INLINE HWY_NOINLINE
#else
#define CLLM_ATTENTION_INLINE HWY_INLINE
#endif

CLLM_ATTENTION_INLINE float ScalarExp(float x) {
  const RowTag d;
  return hn::GetLane(Exp(d, hn::Set(d, x)));
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
HWY_NOINLINE void Exponentiate(AttentionRow& row, size_t head_size, float* HWY_RESTRICT out) {
  const RowTag d;
  float maximum = MaxOf::kStart;
  for (size_t t = 0; t < row.count; ++t) {
    if (row.scores[t] > maximum) maximum = row.scores[t];
  }
  RaiseMaximum(row, maximum, head_size, out);
  for (size_t t = 0; t < row.count; ++t) {
    const float e = Exp(d, RowVector(row.scores[t] - row.maximum)).raw;
    row.scores[t] = e;
    row.lanes.lane[t % kPanel] += e;
  }
}

#else

// Scores of a block become exponentials; lanes, maximum and out follow.
HWY_INLINE void Exponentiate(AttentionRow& row, size_t head_size, float* HWY_RESTRICT out) {
  const RowTag d;
  const size_t n = hn::Lanes(d);
  const size_t padded = (row.count + kPanel - 1) / kPanel * kPanel;
  for (size_t t = row.count; t < padded; ++t) row.scores[t] = kMasked;
  const auto score = [&](RowTag tag, size_t t) HWY_ATTR { return hn::Load(tag, row.scores + t); };
  const float maximum = Reduce<MaxOf>(d, padded, score);
  RaiseMaximum(row, maximum, head_size, out);
  const RowVector shift = hn::Set(d, row.maximum);
  for (size_t j = 0; j < kPanel; j += n) {
    RowVector sum = hn::Load(d, row.lanes.lane + j);
    for (size_t t = j; t < padded; t += kPanel) {
      const RowVector e = Exp(d, hn::Sub(hn::Load(d, row.scores + t), shift));
      hn::Store(e, d, row.scores + t);
      sum = hn::Add(sum, e);
    }
    hn::Store(sum, d, row.lanes.lane + j);
  }
}

#endif

// kRows queries (1 or 4) at positions `position` and following.
template <Arithmetic kArithmetic, size_t kRows>
void AttendRows(const AttentionRows& a, const float* HWY_RESTRICT query, size_t position,
                float* HWY_RESTRICT out, float* HWY_RESTRICT log_sum_exp) {
  const RowTag d;
  AttentionRow rows[kRows];
  for (size_t r = 0; r < kRows; ++r) {
    rows[r].maximum = kMasked;
    rows[r].lanes = StartLanes<SumOf>();
    for (size_t i = 0; i < a.head_size; ++i) out[r * a.out_stride + i] = 0.0f;
  }
  const RowVector scale = hn::Set(d, a.scale);
  const size_t last = position + kRows - 1;
  for (size_t block = 0; block <= last; block += kAttentionBlock) {
    const float* keys = a.cache.keys + block * a.head_size;
    const float* values = a.cache.values + block * a.head_size;
    const size_t panels = HWY_MIN(kAttentionBlock, last + 1 - block + kPanel - 1) / kPanel;
    if constexpr (kRows == 1) {
      ScorePanels<kArithmetic>(query, keys, a.head_size, panels, scale, rows[0].scores);
    } else {
      ScoreQueries<kArithmetic>(query, a.query_stride, keys, a.head_size, panels, scale, rows);
    }
    size_t shared = kRows == 1 ? 0 : kAttentionBlock;
    for (size_t r = 0; r < kRows; ++r) {
      const size_t seen = position + r + 1;
      rows[r].count = seen <= block ? 0 : HWY_MIN(kAttentionBlock, seen - block);
      if (rows[r].count != 0) Exponentiate(rows[r], a.head_size, out + r * a.out_stride);
      shared = HWY_MIN(shared, rows[r].count);
    }
    if (shared != 0) {
      AddValuesQueries<kArithmetic>(rows, values, shared, a.head_size, out, a.out_stride);
    }
    for (size_t r = 0; r < kRows; ++r) {
      if (rows[r].count == shared) continue;
      AddValuesRow<kArithmetic>(rows[r], values, shared, a.head_size, out + r * a.out_stride);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    const float sum = FinishLanes<SumOf>(rows[r].lanes);
    ScaleOut(1.0f / sum, a.head_size, out + r * a.out_stride);
    if (log_sum_exp == nullptr) continue;
    log_sum_exp[r] = rows[r].maximum + ScalarLog(sum);
  }
}

template <Arithmetic kArithmetic>
void AttendAs(const AttentionRows& a) {
  size_t r = 0;
  const auto log_sum_exp = [&](size_t row) {
    return a.log_sum_exp == nullptr ? nullptr : a.log_sum_exp + row;
  };
  // Where a vector is one float nothing is gained, and a microcontroller spares the code.
  constexpr bool kFourRows = HWY_TARGET != HWY_SCALAR;
  for (; kFourRows && r + 4 <= a.rows; r += 4) {
    AttendRows<kArithmetic, kFourRows ? 4 : 1>(a, a.queries + r * a.query_stride, a.first_position + r,
                                               a.out + r * a.out_stride, log_sum_exp(r));
  }
  for (; r < a.rows; ++r) {
    AttendRows<kArithmetic, 1>(a, a.queries + r * a.query_stride, a.first_position + r,
                               a.out + r * a.out_stride, log_sum_exp(r));
  }
}

}  // namespace

void AttendAllRows(const AttentionRows& attention) {
  if (attention.arithmetic == Arithmetic::kFused) {
    AttendAs<Arithmetic::kFused>(attention);
  } else {
    AttendAs<Arithmetic::kSeparate>(attention);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(AttendAllRows);

void Attend(const AttentionRows& attention) { HWY_DYNAMIC_DISPATCH(AttendAllRows)(attention); }

void Attention(const float* query, const KvHead& cache, size_t head_size, size_t position, float scale,
               Arithmetic arithmetic, float* out, float* log_sum_exp) {
  Attend({query, 0, cache, head_size, position, 1, scale, arithmetic, out, 0, log_sum_exp});
}

}  // namespace cllm
#endif  // HWY_ONCE
