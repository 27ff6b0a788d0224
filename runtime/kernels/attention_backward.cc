#include "base/layout.h"
#include "kernels/attention.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention_backward.cc"
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

// c[r][j] = (kAdd ? c : 0) + sum over k < depth of a[r][k] * b[k][j], k upwards, for `columns` elements j.
struct Product {
  const float* a;
  size_t a_row, a_k;
  const float* b;
  size_t b_k;
  float* c;
  size_t c_row;
  size_t depth, columns;
};

// One vector of columns from j, 8 rows: 8 independent sums.
template <bool kAdd, class Load>
HWY_INLINE void Rows8(const Product& p, size_t row, size_t j, size_t count, const Load& load) {
  const D d;
  float* c = p.c + row * p.c_row + j;
  V s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  if constexpr (kAdd) {
    s0 = hn::LoadN(d, c, count);
    s1 = hn::LoadN(d, c + p.c_row, count);
    s2 = hn::LoadN(d, c + 2 * p.c_row, count);
    s3 = hn::LoadN(d, c + 3 * p.c_row, count);
    s4 = hn::LoadN(d, c + 4 * p.c_row, count);
    s5 = hn::LoadN(d, c + 5 * p.c_row, count);
    s6 = hn::LoadN(d, c + 6 * p.c_row, count);
    s7 = hn::LoadN(d, c + 7 * p.c_row, count);
  }
  const float* a = p.a + row * p.a_row;
  const float* b = p.b + j;
  const size_t s = p.a_row;
  for (size_t k = 0; k < p.depth; ++k, a += p.a_k, b += p.b_k) {
    const V x = load(b);
    s0 = FusedMulAdd(d, hn::Set(d, a[0]), x, s0);
    s1 = FusedMulAdd(d, hn::Set(d, a[s]), x, s1);
    s2 = FusedMulAdd(d, hn::Set(d, a[2 * s]), x, s2);
    s3 = FusedMulAdd(d, hn::Set(d, a[3 * s]), x, s3);
    s4 = FusedMulAdd(d, hn::Set(d, a[4 * s]), x, s4);
    s5 = FusedMulAdd(d, hn::Set(d, a[5 * s]), x, s5);
    s6 = FusedMulAdd(d, hn::Set(d, a[6 * s]), x, s6);
    s7 = FusedMulAdd(d, hn::Set(d, a[7 * s]), x, s7);
  }
  hn::StoreN(s0, d, c, count);
  hn::StoreN(s1, d, c + p.c_row, count);
  hn::StoreN(s2, d, c + 2 * p.c_row, count);
  hn::StoreN(s3, d, c + 3 * p.c_row, count);
  hn::StoreN(s4, d, c + 4 * p.c_row, count);
  hn::StoreN(s5, d, c + 5 * p.c_row, count);
  hn::StoreN(s6, d, c + 6 * p.c_row, count);
  hn::StoreN(s7, d, c + 7 * p.c_row, count);
}

template <bool kAdd, class Load>
HWY_INLINE void Rows1(const Product& p, size_t row, size_t j, size_t count, const Load& load) {
  const D d;
  float* c = p.c + row * p.c_row + j;
  V sum = hn::Zero(d);
  if constexpr (kAdd) sum = hn::LoadN(d, c, count);
  const float* a = p.a + row * p.a_row;
  for (size_t k = 0; k < p.depth; ++k) {
    sum = FusedMulAdd(d, hn::Set(d, a[k * p.a_k]), load(p.b + k * p.b_k + j), sum);
  }
  hn::StoreN(sum, d, c, count);
}

template <bool kAdd>
HWY_INLINE void Multiply(const Product& p, size_t rows) {
  const D d;
  const size_t n = hn::Lanes(d);
  const auto whole = [&](const float* x) HWY_ATTR { return hn::LoadU(d, x); };
  for (size_t j = 0; j < p.columns; j += n) {
    const size_t count = HWY_MIN(n, p.columns - j);
    const auto part = [&](const float* x) HWY_ATTR { return hn::LoadN(d, x, count); };
    size_t r = 0;
    for (; r + 8 <= rows; r += 8) {
      count == n ? Rows8<kAdd>(p, r, j, count, whole) : Rows8<kAdd>(p, r, j, count, part);
    }
    for (; r < rows; ++r) Rows1<kAdd>(p, r, j, count, part);
  }
}

HWY_INLINE float Dot(const float* HWY_RESTRICT x, const float* HWY_RESTRICT y, size_t count) {
  const D d;
  const size_t n = hn::Lanes(d);
  VirtualLanes lanes;
  for (size_t j = 0; j < kPanel; j += n) {
    V sum = hn::Zero(d);
    for (size_t i = j; i < count; i += kPanel) {
      const size_t rest = HWY_MIN(n, count - i);
      sum = FusedMulAdd(d, hn::LoadN(d, x + i, rest), hn::LoadN(d, y + i, rest), sum);
    }
    hn::Store(sum, d, lanes.lane + j);
  }
  return FinishLanes<SumOf>(lanes);
}

// A tile of 16 queries by 16 keys.
struct Tile {
  alignas(64) float p[kPanel * kPanel];   // scores, then probabilities
  alignas(64) float dp[kPanel * kPanel];  // gradient of the probabilities, then of the unscaled scores
};

// Scores and dp become probabilities and the gradient of query . key. seen(r) keys of row r are visible.
HWY_INLINE void SoftmaxBackward(Tile& tile, size_t rows, bool diagonal, float scale, float softcap,
                                const float* HWY_RESTRICT log_sum_exp, const float* HWY_RESTRICT delta) {
  const D d;
  const size_t n = hn::Lanes(d);
  const V factor = hn::Set(d, scale), one = hn::Set(d, 1.0f), cap = hn::Set(d, softcap);
  const V inverse_cap = hn::Set(d, softcap != 0.0f ? 1.0f / softcap : 0.0f);
  for (size_t r = 0; r < rows; ++r) {
    const size_t seen = diagonal ? r + 1 : kPanel;
    for (size_t j = 0; j < kPanel; j += n) {
      float* p = tile.p + r * kPanel + j;
      float* dp = tile.dp + r * kPanel + j;
      const size_t visible = seen <= j ? 0 : seen - j;
      const auto mask = hn::FirstN(d, HWY_MIN(visible, n));
      V score = hn::Mul(hn::Load(d, p), factor), slope = factor;
      if (softcap != 0.0f) {
        const V t = Tanh(d, hn::Mul(score, inverse_cap));
        score = hn::Mul(t, cap);
        slope = hn::Mul(factor, hn::Sub(one, hn::Mul(t, t)));
      }
      const V e = hn::IfThenElseZero(mask, Exp(d, hn::Sub(score, hn::Set(d, log_sum_exp[r]))));
      const V ds = hn::Mul(hn::Mul(e, hn::Sub(hn::Load(d, dp), hn::Set(d, delta[r]))), slope);
      hn::Store(e, d, p);
      hn::Store(ds, d, dp);
    }
  }
}

}  // namespace

void BackwardHead(const AttentionGradient& g) {
  const size_t hs = g.head_size;
  Tile tile;
  alignas(64) float delta[kPanel];
  for (size_t t = 0; t < g.length; t += kPanel) {
    const size_t rows = HWY_MIN(kPanel, g.length - t);
    const float* queries = g.queries + t * g.stride;
    const float* d_outputs = g.d_outputs + t * g.out_stride;
    float* d_queries = g.d_queries + t * g.stride;
    for (size_t r = 0; r < rows; ++r) {
      delta[r] = Dot(d_outputs + r * g.out_stride, g.outputs + (t + r) * g.out_stride, hs);
      for (size_t i = 0; i < hs; ++i) d_queries[r * g.stride + i] = 0.0f;
    }
    for (size_t s = 0; s <= t; s += kPanel) {
      const size_t keys = HWY_MIN(kPanel, g.length - s);
      Multiply<false>({queries, g.stride, 1, g.key_panels + s * hs, kPanel, tile.p, kPanel, hs, kPanel},
                      rows);
      Multiply<false>(
          {d_outputs, g.out_stride, 1, g.value_panels + s * hs, kPanel, tile.dp, kPanel, hs, kPanel}, rows);
      SoftmaxBackward(tile, rows, s == t, g.scale, g.softcap, g.log_sum_exp + t, delta);
      Multiply<true>({tile.dp, kPanel, 1, g.keys + s * g.stride, g.stride, d_queries, g.stride, keys, hs},
                     rows);
      Multiply<true>({tile.dp, 1, kPanel, queries, g.stride, g.d_keys + s * g.stride, g.stride, rows, hs},
                     keys);
      Multiply<true>(
          {tile.p, 1, kPanel, d_outputs, g.out_stride, g.d_values + s * g.stride, g.stride, rows, hs}, keys);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(BackwardHead);

void AttentionBackward(const AttentionGradient& gradient) { HWY_DYNAMIC_DISPATCH(BackwardHead)(gradient); }

}  // namespace cllm
#endif  // HWY_ONCE
