// Room: kernels. The two products of attention for a block of positions: scores, and the weighted sum of
// values; for one query, and for four at once, which read keys and values once and hide the latency of the
// additions.
#if defined(CLLM_KERNELS_ATTENTION_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_ATTENTION_PRODUCTS_INL_H_
#undef CLLM_KERNELS_ATTENTION_PRODUCTS_INL_H_
#else
#define CLLM_KERNELS_ATTENTION_PRODUCTS_INL_H_
#endif

#include <cstddef>

#include "base/layout.h"
#include "hwy/highway.h"
#include "kernels/arithmetic-inl.h"
#include "kernels/attention.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <Arithmetic kArithmetic>
HWY_INLINE RowVector MultiplyAdd(RowVector a, RowVector b, RowVector c) {
  const RowTag d;
  if constexpr (kArithmetic == Arithmetic::kFused) {
    return FusedMulAdd(d, a, b, c);
  } else {
    return hn::Add(hn::Mul(a, b), c);
  }
}

// What the online softmax of one query carries from block to block.
struct AttentionRow {
  VirtualLanes lanes;                         // sums of exponentials
  alignas(64) float scores[kAttentionBlock];  // of the present block, then their exponentials
  float maximum;
  size_t count;  // positions of the present block that the query sees
};

// scores of one query. Independent sums hide the latency of the additions: those of up to 4 panels, or, where
// a vector is one float, those of 4 positions.
#if HWY_TARGET == HWY_SCALAR
template <Arithmetic kArithmetic>
HWY_INLINE void ScorePanels(const float* HWY_RESTRICT query, const float* HWY_RESTRICT keys, size_t head_size,
                            size_t panels, RowVector scale, float* HWY_RESTRICT scores) {
  const RowTag d;
  for (size_t p = 0; p < panels; ++p, keys += head_size * kPanel) {
    for (size_t j = 0; j < kPanel; j += 4, scores += 4) {
      RowVector s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
      const float* k = keys + j;
      for (size_t i = 0; i < head_size; ++i, k += kPanel) {
        // Not hn::Load, which copies bytes, and so takes a detour through integer registers.
        const RowVector q(query[i]);
        s0 = MultiplyAdd<kArithmetic>(q, RowVector(k[0]), s0);
        s1 = MultiplyAdd<kArithmetic>(q, RowVector(k[1]), s1);
        s2 = MultiplyAdd<kArithmetic>(q, RowVector(k[2]), s2);
        s3 = MultiplyAdd<kArithmetic>(q, RowVector(k[3]), s3);
      }
      hn::Store(hn::Mul(s0, scale), d, scores);
      hn::Store(hn::Mul(s1, scale), d, scores + 1);
      hn::Store(hn::Mul(s2, scale), d, scores + 2);
      hn::Store(hn::Mul(s3, scale), d, scores + 3);
    }
  }
}
#else
template <Arithmetic kArithmetic>
HWY_INLINE void ScorePanels(const float* HWY_RESTRICT query, const float* HWY_RESTRICT keys, size_t head_size,
                            size_t panels, RowVector scale, float* HWY_RESTRICT scores) {
  const RowTag d;
  const size_t panel = head_size * kPanel;
  // An absent panel, whose scores nobody reads, is computed from the first one's keys.
  const float* k1 = keys + (panels > 1 ? panel : 0);
  const float* k2 = keys + (panels > 2 ? 2 * panel : 0);
  const float* k3 = keys + (panels > 3 ? 3 * panel : 0);
  for (size_t j = 0; j < kPanel; j += hn::Lanes(d)) {
    RowVector s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
    for (size_t i = 0; i < head_size; ++i) {
      const RowVector q = hn::Set(d, query[i]);
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
#endif

// The same sums for 4 queries, two vectors of positions at a time.
template <Arithmetic kArithmetic>
HWY_INLINE void ScoreQueries(const float* HWY_RESTRICT query, size_t stride, const float* HWY_RESTRICT keys,
                             size_t head_size, size_t panels, RowVector scale,
                             AttentionRow* HWY_RESTRICT rows) {
  const RowTag d;
  const size_t n = hn::Lanes(d), positions = panels * kPanel;
  const float *q1 = query + stride, *q2 = q1 + stride, *q3 = q2 + stride;
  const auto key = [&](size_t t) { return keys + t / kPanel * kPanel * head_size + t % kPanel; };
  for (size_t t = 0; t < positions; t += 2 * n) {
    // Without a second vector the first is computed twice, which costs no time.
    const size_t u = t + n < positions ? t + n : t;
    const float *k0 = key(t), *k1 = key(u);
    RowVector s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (size_t i = 0; i < head_size; ++i, k0 += kPanel, k1 += kPanel) {
      const RowVector a = hn::LoadU(d, k0), b = hn::LoadU(d, k1);
      const RowVector x0 = hn::Set(d, query[i]), x1 = hn::Set(d, q1[i]);
      const RowVector x2 = hn::Set(d, q2[i]), x3 = hn::Set(d, q3[i]);
      s0 = MultiplyAdd<kArithmetic>(x0, a, s0);
      s1 = MultiplyAdd<kArithmetic>(x1, a, s1);
      s2 = MultiplyAdd<kArithmetic>(x2, a, s2);
      s3 = MultiplyAdd<kArithmetic>(x3, a, s3);
      s4 = MultiplyAdd<kArithmetic>(x0, b, s4);
      s5 = MultiplyAdd<kArithmetic>(x1, b, s5);
      s6 = MultiplyAdd<kArithmetic>(x2, b, s6);
      s7 = MultiplyAdd<kArithmetic>(x3, b, s7);
    }
    hn::Store(hn::Mul(s0, scale), d, rows[0].scores + t);
    hn::Store(hn::Mul(s1, scale), d, rows[1].scores + t);
    hn::Store(hn::Mul(s2, scale), d, rows[2].scores + t);
    hn::Store(hn::Mul(s3, scale), d, rows[3].scores + t);
    hn::Store(hn::Mul(s4, scale), d, rows[0].scores + u);
    hn::Store(hn::Mul(s5, scale), d, rows[1].scores + u);
    hn::Store(hn::Mul(s6, scale), d, rows[2].scores + u);
    hn::Store(hn::Mul(s7, scale), d, rows[3].scores + u);
  }
}

// out[i] += sum over t in [begin, end) of weights[t] * values[t][i] for kVectors vectors from element i.
template <Arithmetic kArithmetic, int kVectors>
HWY_INLINE void AddValues(const float* HWY_RESTRICT weights, const float* HWY_RESTRICT values, size_t begin,
                          size_t end, size_t head_size, float* HWY_RESTRICT out) {
  const RowTag d;
  const size_t n = hn::Lanes(d);
  RowVector s0 = hn::LoadU(d, out), s1 = s0, s2 = s0, s3 = s0;
  if constexpr (kVectors == 4) {
    s1 = hn::LoadU(d, out + n);
    s2 = hn::LoadU(d, out + 2 * n);
    s3 = hn::LoadU(d, out + 3 * n);
  }
  for (size_t t = begin; t < end; ++t) {
    const RowVector w = hn::Set(d, weights[t]);
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
HWY_INLINE void AddValuesRow(const AttentionRow& row, const float* HWY_RESTRICT values, size_t begin,
                             size_t head_size, float* HWY_RESTRICT out) {
  const RowTag d;
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
  RowVector sum = hn::LoadN(d, out + i, rest);
  for (size_t t = begin; t < row.count; ++t) {
    sum = MultiplyAdd<kArithmetic>(hn::Set(d, row.scores[t]), hn::LoadN(d, values + t * head_size + i, rest),
                                   sum);
  }
  hn::StoreN(sum, d, out + i, rest);
}

// Positions [0, end) of a block, which 4 queries all see; two vectors of elements at a time.
template <Arithmetic kArithmetic>
HWY_INLINE void AddValuesQueries(const AttentionRow* HWY_RESTRICT rows, const float* HWY_RESTRICT values,
                                 size_t end, size_t head_size, float* HWY_RESTRICT out, size_t stride) {
  const RowTag d;
  const size_t n = hn::Lanes(d);
  const float *p0 = rows[0].scores, *p1 = rows[1].scores, *p2 = rows[2].scores, *p3 = rows[3].scores;
  for (size_t i = 0; i < head_size; i += 2 * n) {
    // Without a second vector the first is computed twice, which costs no time.
    const size_t j = i + n < head_size ? i + n : i;
    const size_t left = HWY_MIN(n, head_size - i), right = HWY_MIN(n, head_size - j);
    float *a = out + i, *b = out + j;
    RowVector s0 = hn::LoadN(d, a, left), s1 = hn::LoadN(d, a + stride, left);
    RowVector s2 = hn::LoadN(d, a + 2 * stride, left), s3 = hn::LoadN(d, a + 3 * stride, left);
    RowVector s4 = hn::LoadN(d, b, right), s5 = hn::LoadN(d, b + stride, right);
    RowVector s6 = hn::LoadN(d, b + 2 * stride, right), s7 = hn::LoadN(d, b + 3 * stride, right);
    const auto step = [&](size_t t, RowVector x, RowVector y) HWY_ATTR {
      const RowVector w0 = hn::Set(d, p0[t]), w1 = hn::Set(d, p1[t]), w2 = hn::Set(d, p2[t]),
                      w3 = hn::Set(d, p3[t]);
      s0 = MultiplyAdd<kArithmetic>(w0, x, s0);
      s1 = MultiplyAdd<kArithmetic>(w1, x, s1);
      s2 = MultiplyAdd<kArithmetic>(w2, x, s2);
      s3 = MultiplyAdd<kArithmetic>(w3, x, s3);
      s4 = MultiplyAdd<kArithmetic>(w0, y, s4);
      s5 = MultiplyAdd<kArithmetic>(w1, y, s5);
      s6 = MultiplyAdd<kArithmetic>(w2, y, s6);
      s7 = MultiplyAdd<kArithmetic>(w3, y, s7);
    };
    if (right == n) {
      for (size_t t = 0; t < end; ++t) {
        step(t, hn::LoadU(d, values + t * head_size + i), hn::LoadU(d, values + t * head_size + j));
      }
    } else {
      for (size_t t = 0; t < end; ++t) {
        step(t, hn::LoadN(d, values + t * head_size + i, left),
             hn::LoadN(d, values + t * head_size + j, right));
      }
    }
    hn::StoreN(s0, d, a, left);
    hn::StoreN(s1, d, a + stride, left);
    hn::StoreN(s2, d, a + 2 * stride, left);
    hn::StoreN(s3, d, a + 3 * stride, left);
    hn::StoreN(s4, d, b, right);
    hn::StoreN(s5, d, b + stride, right);
    hn::StoreN(s6, d, b + 2 * stride, right);
    hn::StoreN(s7, d, b + 3 * stride, right);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
