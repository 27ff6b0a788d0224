#include "kernels/attention.h"

#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h, as Highway wants it.
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace {

using D = RowTag;
using V = RowVector;

// Below every score; its exponential relative to any maximum is exactly zero.
constexpr float kMasked = -3.0e38f;

template <Arithmetic kArithmetic>
HWY_INLINE V MultiplyAdd(V a, V b, V c) {
  const D d;
  if constexpr (kArithmetic == Arithmetic::kFused) {
    return FusedMulAdd(d, a, b, c);
  } else {
    return hn::Add(hn::Mul(a, b), c);
  }
}

// What the online softmax of one query carries from block to block.
struct Row {
  VirtualLanes lanes;                         // sums of exponentials
  alignas(64) float scores[kAttentionBlock];  // of the present block, then their exponentials
  float maximum;
  size_t count;  // positions of the present block that the query sees
};

HWY_INLINE float ScalarExp(float x) {
  const D d;
  return hn::GetLane(Exp(d, hn::Set(d, x)));
}

// scores of one query for up to 4 panels at once: independent sums hide the latency of the additions.
template <Arithmetic kArithmetic>
HWY_INLINE void ScorePanels(const float* HWY_RESTRICT query, const float* HWY_RESTRICT keys, size_t head_size,
                            size_t panels, V scale, float* HWY_RESTRICT scores) {
  const D d;
  const size_t panel = head_size * kPanel;
  // An absent panel, whose scores nobody reads, is computed from the first one's keys.
  const float* k1 = keys + (panels > 1 ? panel : 0);
  const float* k2 = keys + (panels > 2 ? 2 * panel : 0);
  const float* k3 = keys + (panels > 3 ? 3 * panel : 0);
  for (size_t j = 0; j < kPanel; j += hn::Lanes(d)) {
    V s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
    for (size_t i = 0; i < head_size; ++i) {
      const V q = hn::Set(d, query[i]);
      const size_t at = i * kPanel + j;
      s0 = MultiplyAdd<kArithmetic>(q, hn::LoadU(d, keys + at), s0);
      s1 = MultiplyAdd<kArithmetic>(q, hn::LoadU(d, k1 + at), s1);
      s2 = MultiplyAdd<kArithmetic>(q, hn::LoadU(d, k2 + at), s2);
      s3 = MultiplyAdd<kArithmetic>(q, hn::LoadU(d, k3 + at), s3);
    }
    hn::Store(hn::Mul(s0, scale), d, scores + j);
    hn::Store(hn::Mul(s1, scale), d, scores + kPanel + j);
    hn::Store(hn::Mul(s2, scale), d, scores + 2 * kPanel + j);
    hn::Store(hn::Mul(s3, scale), d, scores + 3 * kPanel + j);
  }
}

// The same sums for 4 queries, a panel at a time.
template <Arithmetic kArithmetic>
HWY_INLINE void ScoreQueries(const float* HWY_RESTRICT query, size_t stride, const float* HWY_RESTRICT keys,
                             size_t head_size, size_t panels, V scale, Row* HWY_RESTRICT rows) {
  const D d;
  const float *q1 = query + stride, *q2 = q1 + stride, *q3 = q2 + stride;
  for (size_t p = 0; p < panels; ++p) {
    for (size_t j = 0; j < kPanel; j += hn::Lanes(d)) {
      V s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
      for (size_t i = 0; i < head_size; ++i) {
        const V k = hn::LoadU(d, keys + (p * head_size + i) * kPanel + j);
        s0 = MultiplyAdd<kArithmetic>(hn::Set(d, query[i]), k, s0);
        s1 = MultiplyAdd<kArithmetic>(hn::Set(d, q1[i]), k, s1);
        s2 = MultiplyAdd<kArithmetic>(hn::Set(d, q2[i]), k, s2);
        s3 = MultiplyAdd<kArithmetic>(hn::Set(d, q3[i]), k, s3);
      }
      const size_t at = p * kPanel + j;
      hn::Store(hn::Mul(s0, scale), d, rows[0].scores + at);
      hn::Store(hn::Mul(s1, scale), d, rows[1].scores + at);
      hn::Store(hn::Mul(s2, scale), d, rows[2].scores + at);
      hn::Store(hn::Mul(s3, scale), d, rows[3].scores + at);
    }
  }
}

HWY_INLINE void ScaleOut(float factor, size_t head_size, float* HWY_RESTRICT out) {
  for (size_t i = 0; i < head_size; ++i) out[i] *= factor;
}

// Scores of a block become exponentials; lanes, maximum and out follow.
HWY_INLINE void Exponentiate(Row& row, size_t head_size, float* HWY_RESTRICT out) {
  const D d;
  const size_t n = hn::Lanes(d);
  const size_t padded = (row.count + kPanel - 1) / kPanel * kPanel;
  for (size_t t = row.count; t < padded; ++t) row.scores[t] = kMasked;
  const auto score = [&](D tag, size_t t) HWY_ATTR { return hn::Load(tag, row.scores + t); };
  const float maximum = Reduce<MaxOf>(d, padded, score);
  if (maximum > row.maximum) {
    const float factor = ScalarExp(row.maximum - maximum);
    for (float& lane : row.lanes.lane) lane *= factor;
    ScaleOut(factor, head_size, out);
    row.maximum = maximum;
  }
  const V shift = hn::Set(d, row.maximum);
  for (size_t j = 0; j < kPanel; j += n) {
    V sum = hn::Load(d, row.lanes.lane + j);
    for (size_t t = j; t < padded; t += kPanel) {
      const V e = Exp(d, hn::Sub(hn::Load(d, row.scores + t), shift));
      hn::Store(e, d, row.scores + t);
      sum = hn::Add(sum, e);
    }
    hn::Store(sum, d, row.lanes.lane + j);
  }
}

// out[i] += sum over t in [begin, end) of weights[t] * values[t][i] for kVectors vectors from element i.
template <Arithmetic kArithmetic, int kVectors>
HWY_INLINE void AddValues(const float* HWY_RESTRICT weights, const float* HWY_RESTRICT values, size_t begin,
                          size_t end, size_t head_size, float* HWY_RESTRICT out) {
  const D d;
  const size_t n = hn::Lanes(d);
  V s0 = hn::LoadU(d, out), s1 = s0, s2 = s0, s3 = s0;
  if constexpr (kVectors == 4) {
    s1 = hn::LoadU(d, out + n);
    s2 = hn::LoadU(d, out + 2 * n);
    s3 = hn::LoadU(d, out + 3 * n);
  }
  for (size_t t = begin; t < end; ++t) {
    const V w = hn::Set(d, weights[t]);
    const float* v = values + t * head_size;
    s0 = MultiplyAdd<kArithmetic>(w, hn::LoadU(d, v), s0);
    if constexpr (kVectors == 4) {
      s1 = MultiplyAdd<kArithmetic>(w, hn::LoadU(d, v + n), s1);
      s2 = MultiplyAdd<kArithmetic>(w, hn::LoadU(d, v + 2 * n), s2);
      s3 = MultiplyAdd<kArithmetic>(w, hn::LoadU(d, v + 3 * n), s3);
    }
  }
  hn::StoreU(s0, d, out);
  if constexpr (kVectors == 4) {
    hn::StoreU(s1, d, out + n);
    hn::StoreU(s2, d, out + 2 * n);
    hn::StoreU(s3, d, out + 3 * n);
  }
}

template <Arithmetic kArithmetic>
HWY_INLINE void AddValuesRow(const Row& row, const float* HWY_RESTRICT values, size_t begin, size_t head_size,
                             float* HWY_RESTRICT out) {
  const D d;
  const size_t n = hn::Lanes(d);
  size_t i = 0;
  for (; i + 4 * n <= head_size; i += 4 * n) {
    AddValues<kArithmetic, 4>(row.scores, values + i, begin, row.count, head_size, out + i);
  }
  for (; i + n <= head_size; i += n) {
    AddValues<kArithmetic, 1>(row.scores, values + i, begin, row.count, head_size, out + i);
  }
  if (i == head_size) return;
  const size_t rest = head_size - i;
  V sum = hn::LoadN(d, out + i, rest);
  for (size_t t = begin; t < row.count; ++t) {
    sum = MultiplyAdd<kArithmetic>(hn::Set(d, row.scores[t]), hn::LoadN(d, values + t * head_size + i, rest),
                                   sum);
  }
  hn::StoreN(sum, d, out + i, rest);
}

// Positions [0, end) of a block, which 4 queries all see.
template <Arithmetic kArithmetic>
HWY_INLINE void AddValuesQueries(const Row* HWY_RESTRICT rows, const float* HWY_RESTRICT values, size_t end,
                                 size_t head_size, float* HWY_RESTRICT out, size_t stride) {
  const D d;
  const size_t n = hn::Lanes(d);
  for (size_t i = 0; i < head_size; i += n) {
    const size_t count = HWY_MIN(n, head_size - i);
    float *o0 = out + i, *o1 = o0 + stride, *o2 = o1 + stride, *o3 = o2 + stride;
    V s0 = hn::LoadN(d, o0, count), s1 = hn::LoadN(d, o1, count);
    V s2 = hn::LoadN(d, o2, count), s3 = hn::LoadN(d, o3, count);
    const auto step = [&](size_t t, V v) HWY_ATTR {
      s0 = MultiplyAdd<kArithmetic>(hn::Set(d, rows[0].scores[t]), v, s0);
      s1 = MultiplyAdd<kArithmetic>(hn::Set(d, rows[1].scores[t]), v, s1);
      s2 = MultiplyAdd<kArithmetic>(hn::Set(d, rows[2].scores[t]), v, s2);
      s3 = MultiplyAdd<kArithmetic>(hn::Set(d, rows[3].scores[t]), v, s3);
    };
    const float* v = values + i;
    if (count == n) {
      for (size_t t = 0; t < end; ++t) step(t, hn::LoadU(d, v + t * head_size));
    } else {
      for (size_t t = 0; t < end; ++t) step(t, hn::LoadN(d, v + t * head_size, count));
    }
    hn::StoreN(s0, d, o0, count);
    hn::StoreN(s1, d, o1, count);
    hn::StoreN(s2, d, o2, count);
    hn::StoreN(s3, d, o3, count);
  }
}

// kRows queries (1 or 4) at positions `position` and following.
template <Arithmetic kArithmetic, size_t kRows>
void AttendRows(const AttentionRows& a, const float* HWY_RESTRICT query, size_t position,
                float* HWY_RESTRICT out, float* HWY_RESTRICT log_sum_exp) {
  const D d;
  Row rows[kRows];
  for (size_t r = 0; r < kRows; ++r) {
    rows[r].maximum = kMasked;
    rows[r].lanes = StartLanes<SumOf>();
    for (size_t i = 0; i < a.head_size; ++i) out[r * a.out_stride + i] = 0.0f;
  }
  const V scale = hn::Set(d, a.scale);
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
    log_sum_exp[r] = rows[r].maximum + hn::GetLane(Log(d, hn::Set(d, sum)));
  }
}

template <Arithmetic kArithmetic>
void AttendAs(const AttentionRows& a) {
  size_t r = 0;
  const auto log_sum_exp = [&](size_t row) {
    return a.log_sum_exp == nullptr ? nullptr : a.log_sum_exp + row;
  };
  for (; r + 4 <= a.rows; r += 4) {
    AttendRows<kArithmetic, 4>(a, a.queries + r * a.query_stride, a.first_position + r,
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
