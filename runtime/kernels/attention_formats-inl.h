// Room: kernels. The two products of attention for one query a head and a block of positions, by the format
// of the cache: scores, and the weighted sum of values.
#if defined(CLLM_KERNELS_ATTENTION_FORMATS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_ATTENTION_FORMATS_INL_H_
#undef CLLM_KERNELS_ATTENTION_FORMATS_INL_H_
#else
#define CLLM_KERNELS_ATTENTION_FORMATS_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "base/bf16.h"
#include "base/features.h"
#include "base/layout.h"
#include "hwy/highway.h"
#include "kernels/attention.h"
#include "kernels/attention_lattice-inl.h"
#include "kernels/attention_products-inl.h"
#include "kernels/int8.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

// Where a vector is one float, code is what is scarce.
#undef CLLM_ATTENTION_INLINE
#if HWY_TARGET == HWY_SCALAR
#define CLLM_ATTENTION_INLINE HWY_NOINLINE
#else
#define CLLM_ATTENTION_INLINE HWY_INLINE
#endif

// The heads of a position are independent: their latencies overlap where several go through each step
// together. Where a vector is one float, a microcontroller spares the stack.
constexpr size_t kHeadsAtOnce = HWY_TARGET == HWY_SCALAR ? 1 : 8;

// Weights of values get the values' scales.
CLLM_ATTENTION_INLINE void ScaleWeights(const uint16_t* HWY_RESTRICT scales, size_t count,
                                        float* HWY_RESTRICT weights) {
  for (size_t t = 0; t < count; ++t) weights[t] *= Bf16ToFloat(scales[t]);
}

[[maybe_unused]] CLLM_ATTENTION_INLINE void ScaleWeights(const uint8_t* HWY_RESTRICT scales, size_t count,
                                                         float* HWY_RESTRICT weights) {
  for (size_t t = 0; t < count; ++t) weights[t] *= LatticeScale(scales[t]);
}

// The two products of a block of positions from `block` on: those of floats.
template <Arithmetic kArithmetic>
struct FloatProducts {
  static HWY_INLINE void Score(const AttentionHeads& a, size_t head, size_t block, size_t panels,
                               float* scores) {
    ScorePanels<kArithmetic>(a.queries + head * a.head_size,
                             a.cache.keys + head / a.group * a.head_stride + block * a.head_size, a.head_size,
                             panels, hn::Set(RowTag(), a.scale), scores);
  }
  // For heads [begin, begin + count), whose exponentials are in `rows` and outputs at `out`.
  static HWY_INLINE void Add(const AttentionHeads& a, size_t begin, size_t count, size_t block, size_t seen,
                             AttentionRow* rows, float* out) {
    ValueSums<float> sums[kHeadsAtOnce];
    for (size_t h = 0; h < count; ++h) {
      const size_t at = (begin + h) / a.group * a.head_stride + block * a.head_size;
      sums[h] = {rows[h].scores, a.cache.values + at, out + h * a.head_size};
    }
    AddHeadValues<kArithmetic>(sums, count, seen, a.head_size);
  }
};

// Queries in int8; keys and values each in int8 or on the lattice.
struct Int8Keys {
  static HWY_INLINE void Score(const AttentionHeads& a, size_t head, size_t block, size_t panels,
                               float* scores) {
    const Int8Attention& c = *a.int8;
    const auto depth = static_cast<size_t>(RoundUp(a.head_size, 4));
    const size_t at = head / a.group * c.context + block;
    ::cllm::GemmInt8({c.queries + head * PaddedRow(a.head_size), 0, c.scales + head,
                      c.cache.keys + at * depth, c.cache.key_scales + at, scores, 0, 1, depth, 0, panels,
                      false});
  }
};

struct LatticeKeys {
  static HWY_INLINE void Score(const AttentionHeads& a, size_t head, size_t block, size_t panels,
                               float* scores) {
    const Int8Attention& c = *a.int8;
    ScoreLatticePanels(c.queries + head * PaddedRow(a.head_size), c.scales[head],
                       c.lattice_keys.From(head / a.group * c.context + block, a.head_size), a.head_size,
                       panels, scores);
  }
};

struct Int8Values {
  static HWY_INLINE void Add(const AttentionHeads& a, size_t begin, size_t count, size_t block, size_t seen,
                             AttentionRow* rows, float* out) {
    ValueSums<int8_t> sums[kHeadsAtOnce];
    for (size_t h = 0; h < count; ++h) {
      const size_t at = (begin + h) / a.group * a.int8->context + block;
      ScaleWeights(a.int8->cache.value_scales + at, seen, rows[h].scores);
      sums[h] = {rows[h].scores, a.int8->cache.values + at * a.head_size, out + h * a.head_size};
    }
    AddHeadValues<Arithmetic::kSeparate>(sums, count, seen, a.head_size);
  }
};

// Decoded a slice at a time, a key head's once for the heads that follow one another.
struct LatticeValues {
  static constexpr size_t kSlice = HWY_TARGET == HWY_SCALAR ? kLatticeGroup : 2 * kLatticeGroup;

  static HWY_INLINE void Add(const AttentionHeads& a, size_t begin, size_t count, size_t block, size_t seen,
                             AttentionRow* rows, float* out) {
    alignas(64) int8_t decoded[kHeadsAtOnce][kAttentionBlock * kSlice];
    ValueSums<int8_t> sums[kHeadsAtOnce];
    const auto head_of = [&](size_t h) HWY_ATTR {
      return a.int8->lattice_values.From((begin + h) / a.group * a.int8->context + block, a.head_size);
    };
    for (size_t h = 0; h < count; ++h) ScaleWeights(head_of(h).scales, seen, rows[h].scores);
    const size_t panels = (seen + kPanel - 1) / kPanel;
    for (size_t i = 0; i < a.head_size; i += kSlice) {
      const size_t elements = HWY_MIN(kSlice, a.head_size - i);
      for (size_t h = 0; h < count; ++h) {
        const bool same = h != 0 && (begin + h) / a.group == (begin + h - 1) / a.group;
        const int8_t* values = same ? sums[h - 1].values : decoded[h];
        if (!same) {
          const uint8_t* words = head_of(h).words + LatticeWordAt(a.head_size, 0, i / kLatticeGroup);
          DecodeLatticeValues(words, a.head_size, panels, elements, decoded[h]);
        }
        sums[h] = {rows[h].scores, values, out + h * a.head_size + i};
      }
      AddHeadValues<Arithmetic::kSeparate>(sums, count, seen, elements);
    }
  }
};

template <class Keys, class Values>
struct SmallProducts : Keys, Values {};

// Calls body(products) with the products that this attention takes.
template <class Body>
HWY_INLINE void WithProducts(const Int8Attention* int8, Arithmetic arithmetic, const Body& body) {
  if (kHasLatticeCache && int8 != nullptr && int8->lattice_keys.words != nullptr) {
    body(SmallProducts<LatticeKeys, LatticeValues>());
  } else if (kHasInt8Cache && kHasLatticeCache && int8 != nullptr && int8->lattice_values.words != nullptr) {
    body(SmallProducts<Int8Keys, LatticeValues>());
  } else if (kHasInt8Cache && int8 != nullptr) {
    body(SmallProducts<Int8Keys, Int8Values>());
  } else if (arithmetic == Arithmetic::kFused) {
    body(FloatProducts<Arithmetic::kFused>());
  } else {
    body(FloatProducts<Arithmetic::kSeparate>());
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
