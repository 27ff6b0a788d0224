// Room: kernels. The two products of attention for one query a head and a block of positions: scores, and the
// weighted sum of values.
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
#include "kernels/math-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <Arithmetic kArithmetic, class D, class V>
HWY_INLINE V MultiplyAdd(D d, V a, V b, V c) {
  if constexpr (kArithmetic == Arithmetic::kFused) {
    return FusedMulAdd(d, a, b, c);
  } else {
    (void)d;
    return hn::Add(hn::Mul(a, b), c);
  }
}

template <Arithmetic kArithmetic>
HWY_INLINE RowVector MultiplyAdd(RowVector a, RowVector b, RowVector c) {
  return MultiplyAdd<kArithmetic>(RowTag(), a, b, c);
}

// Below every score; its exponential relative to any maximum is exactly zero.
inline constexpr float kMasked = -3.0e38f;

// Below even that, for positions before a window: a block of nothing else leaves the maximum where it is.
inline constexpr float kPassed = -3.4e38f;

// The first position that the query at `position` sees, and the block that it is in.
HWY_INLINE size_t FirstSeen(size_t position, size_t window) {
  return kHasVariants && window != 0 && position >= window ? position + 1 - window : 0;
}
HWY_INLINE size_t FirstBlock(size_t position, size_t window) {
  return FirstSeen(position, window) / kAttentionBlock * kAttentionBlock;
}

// What the online softmax of one query carries from block to block.
struct AttentionRow {
  VirtualLanes lanes;                         // sums of exponentials
  alignas(64) float scores[kAttentionBlock];  // of the present block, then their exponentials
  float maximum;
};

namespace {

// n scores, a multiple of 16. Never inlined: its registers are not those of models without a cap.
[[maybe_unused]] HWY_NOINLINE void CapScores(float softcap, size_t n, float* HWY_RESTRICT scores) {
  const RowTag d;
  const RowVector cap = hn::Set(d, softcap), inverse = hn::Set(d, 1.0f / softcap);
  for (size_t t = 0; t < n; t += hn::Lanes(d)) {
    hn::Store(hn::Mul(Tanh(d, hn::Mul(hn::Load(d, scores + t), inverse)), cap), d, scores + t);
  }
}

// The scores of `count` positions before a window.
[[maybe_unused]] HWY_NOINLINE void MaskPassed(size_t count, float* HWY_RESTRICT scores) {
  for (size_t t = 0; t < count; ++t) scores[t] = kPassed;
}

}  // namespace

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
template <Arithmetic kArithmetic, size_t kPanels>
HWY_INLINE void ScoreSomePanels(const float* HWY_RESTRICT query, const float* HWY_RESTRICT keys,
                                size_t head_size, RowVector scale, float* HWY_RESTRICT scores) {
  const RowTag d;
  const size_t panel = head_size * kPanel;
  for (size_t j = 0; j < kPanel; j += hn::Lanes(d)) {
    RowVector s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    const float* k = keys + j;
    for (size_t i = 0; i < head_size; ++i, k += kPanel) {
      const RowVector q = hn::Set(d, query[i]);
      s0 = MultiplyAdd<kArithmetic>(q, hn::LoadU(d, k), s0);
      if constexpr (kPanels > 1) s1 = MultiplyAdd<kArithmetic>(q, hn::LoadU(d, k + panel), s1);
      if constexpr (kPanels > 2) s2 = MultiplyAdd<kArithmetic>(q, hn::LoadU(d, k + 2 * panel), s2);
      if constexpr (kPanels > 3) s3 = MultiplyAdd<kArithmetic>(q, hn::LoadU(d, k + 3 * panel), s3);
    }
    hn::Store(hn::Mul(s0, scale), d, scores + j);
    if constexpr (kPanels > 1) hn::Store(hn::Mul(s1, scale), d, scores + kPanel + j);
    if constexpr (kPanels > 2) hn::Store(hn::Mul(s2, scale), d, scores + 2 * kPanel + j);
    if constexpr (kPanels > 3) hn::Store(hn::Mul(s3, scale), d, scores + 3 * kPanel + j);
  }
}

template <Arithmetic kArithmetic>
HWY_INLINE void ScorePanels(const float* HWY_RESTRICT query, const float* HWY_RESTRICT keys, size_t head_size,
                            size_t panels, RowVector scale, float* HWY_RESTRICT scores) {
  static_assert(kAttentionBlock == 4 * kPanel, "a case for each number of panels");
  switch (panels) {
    case 1: return ScoreSomePanels<kArithmetic, 1>(query, keys, head_size, scale, scores);
    case 2: return ScoreSomePanels<kArithmetic, 2>(query, keys, head_size, scale, scores);
    case 3: return ScoreSomePanels<kArithmetic, 3>(query, keys, head_size, scale, scores);
    default: return ScoreSomePanels<kArithmetic, 4>(query, keys, head_size, scale, scores);
  }
}
#endif

// What one head adds in a block: weights, the values of the block's first position, floats or int8, and where
// to.
template <class T>
struct ValueSums {
  const float* weights;
  const T* values;
  float* out;
};

#if HWY_TARGET == HWY_SCALAR

// out[i] += sum over t < count of weights[t] * values[t][i], four elements at a time, or two.
template <Arithmetic kArithmetic, int kElements, class T>
HWY_INLINE void AddValues(const float* HWY_RESTRICT weights, const T* HWY_RESTRICT values, size_t count,
                          size_t head_size, float* HWY_RESTRICT out) {
  const bool all = kElements == 4;
  RowVector s0(out[0]), s1(out[1]), s2(all ? out[2] : 0.0f), s3(all ? out[3] : 0.0f);
  for (size_t t = 0; t < count; ++t, values += head_size) {
    const RowVector w(weights[t]);
    s0 = MultiplyAdd<kArithmetic>(w, RowVector(static_cast<float>(values[0])), s0);
    s1 = MultiplyAdd<kArithmetic>(w, RowVector(static_cast<float>(values[1])), s1);
    if (!all) continue;
    s2 = MultiplyAdd<kArithmetic>(w, RowVector(static_cast<float>(values[2])), s2);
    s3 = MultiplyAdd<kArithmetic>(w, RowVector(static_cast<float>(values[3])), s3);
  }
  out[0] = s0.raw, out[1] = s1.raw;
  if (all) out[2] = s2.raw, out[3] = s3.raw;
}

// For a head; `sums` are its weights, values and out.
template <Arithmetic kArithmetic, class T>
HWY_INLINE void AddHeadValues(const ValueSums<T>* sums, size_t /*heads*/, size_t count, size_t head_size) {
  size_t i = 0;
  for (; i + 4 <= head_size; i += 4) {
    AddValues<kArithmetic, 4>(sums->weights, sums->values + i, count, head_size, sums->out + i);
  }
  if (i < head_size) {
    AddValues<kArithmetic, 2>(sums->weights, sums->values + i, count, head_size, sums->out + i);
  }
}

#else

template <class D>
HWY_INLINE hn::VFromD<D> LoadValues(D d, const float* v) {
  return hn::LoadU(d, v);
}

template <class D>
HWY_INLINE hn::VFromD<D> LoadValues(D d, const int8_t* v) {
  return hn::ConvertTo(d, hn::PromoteTo(hn::RebindToSigned<D>(), hn::LoadU(hn::Rebind<int8_t, D>(), v)));
}

template <class D>
HWY_INLINE hn::VFromD<D> LoadValues(D d, const float* v, size_t lanes) {
  return hn::LoadN(d, v, lanes);
}

template <class D>
HWY_INLINE hn::VFromD<D> LoadValues(D d, const int8_t* v, size_t lanes) {
  return hn::ConvertTo(d,
                       hn::PromoteTo(hn::RebindToSigned<D>(), hn::LoadN(hn::Rebind<int8_t, D>(), v, lanes)));
}

// out[i] += sum over t < count of weights[t] * values[t][i] for the first `lanes` elements of four vectors,
// whose sums are independent and so hide the latency of the additions.
template <Arithmetic kArithmetic, class D, class T>
HWY_INLINE void AddValues(D d, const ValueSums<T> (&sums)[4], size_t count, size_t head_size, size_t lanes) {
  const float *HWY_RESTRICT w0 = sums[0].weights, *HWY_RESTRICT w1 = sums[1].weights;
  const float *HWY_RESTRICT w2 = sums[2].weights, *HWY_RESTRICT w3 = sums[3].weights;
  const T *v0 = sums[0].values, *v1 = sums[1].values, *v2 = sums[2].values, *v3 = sums[3].values;
  auto s0 = hn::LoadN(d, sums[0].out, lanes), s1 = hn::LoadN(d, sums[1].out, lanes);
  auto s2 = hn::LoadN(d, sums[2].out, lanes), s3 = hn::LoadN(d, sums[3].out, lanes);
  const auto add = [&](const auto& load) HWY_ATTR {
    for (size_t t = 0; t < count; ++t) {
      s0 = MultiplyAdd<kArithmetic>(d, hn::Set(d, w0[t]), load(v0 + t * head_size), s0);
      s1 = MultiplyAdd<kArithmetic>(d, hn::Set(d, w1[t]), load(v1 + t * head_size), s1);
      s2 = MultiplyAdd<kArithmetic>(d, hn::Set(d, w2[t]), load(v2 + t * head_size), s2);
      s3 = MultiplyAdd<kArithmetic>(d, hn::Set(d, w3[t]), load(v3 + t * head_size), s3);
    }
  };
  if (lanes == hn::Lanes(d)) {
    add([&](const T* v) HWY_ATTR { return LoadValues(d, v); });
  } else {
    add([&](const T* v) HWY_ATTR { return LoadValues(d, v, lanes); });
  }
  hn::StoreN(s0, d, sums[0].out, lanes);
  hn::StoreN(s1, d, sums[1].out, lanes);
  hn::StoreN(s2, d, sums[2].out, lanes);
  hn::StoreN(s3, d, sums[3].out, lanes);
}

// Elements [begin, begin + chunks * step) of all heads, chunk by chunk, in fours; short of four, the last
// chunk is computed again, which gives the same.
template <Arithmetic kArithmetic, class D, class T>
HWY_INLINE void AddChunks(D d, const ValueSums<T>* heads, size_t head_count, size_t count, size_t head_size,
                          size_t begin, size_t chunks, size_t lanes) {
  const size_t all = head_count * chunks;
  for (size_t unit = 0; unit < all; unit += 4) {
    ValueSums<T> four[4];
    for (size_t j = 0; j < 4; ++j) {
      const size_t at = HWY_MIN(unit + j, all - 1);
      const ValueSums<T>& head = heads[at / chunks];
      const size_t i = begin + at % chunks * lanes;
      four[j] = {head.weights, head.values + i, head.out + i};
    }
    AddValues<kArithmetic>(d, four, count, head_size, lanes);
  }
}

template <Arithmetic kArithmetic, class T>
HWY_INLINE void AddHeadValues(const ValueSums<T>* heads, size_t head_count, size_t count, size_t head_size) {
  const RowTag d;
  const hn::CappedTag<float, 8> half;
  const size_t n = hn::Lanes(d), whole = head_size / n, rest = head_size % n;
  if (whole != 0) AddChunks<kArithmetic>(d, heads, head_count, count, head_size, 0, whole, n);
  if (rest == 0) return;
  if (rest == hn::Lanes(half)) {
    AddChunks<kArithmetic>(half, heads, head_count, count, head_size, whole * n, 1, rest);
  } else {
    AddChunks<kArithmetic>(d, heads, head_count, count, head_size, whole * n, 1, rest);
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
