// Room: kernels. A cache on the lattice (kv_lattice.h) decoded: 16 positions of a group at a time, in the
// layouts that the products of an int8 cache read; and the scores of one query straight from it.
#if defined(CLLM_KERNELS_ATTENTION_LATTICE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_ATTENTION_LATTICE_INL_H_
#undef CLLM_KERNELS_ATTENTION_LATTICE_INL_H_
#else
#define CLLM_KERNELS_ATTENTION_LATTICE_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/layout.h"
#include "hwy/highway.h"
#include "kernels/int8_dot-inl.h"
#include "kernels/kv_lattice.h"
#include "kernels/quantize.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Bytes of a group's words at 16 positions.
inline constexpr size_t kLatticePanel = kPanel * 4;

#if CLLM_INT8_VECTORS

// A vector's words are decoded to the points' coordinates plus kLatticeOffset: numbers 0 to 3 of each word,
// and numbers 4 to 7.
using LatticeVector = hn::VFromD<WeightTag>;

// 1 in each byte of a word whose halves add up to an odd number.
HWY_INLINE LatticeVector ParityBytes(LatticeVector both) {
  const hn::RebindToUnsigned<SumTag> d;
  const auto word = hn::BitCast(d, both);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
  const auto parity = hn::PopulationCount(hn::And(word, hn::Set(d, 0x11111111u)));
#else
  auto parity = hn::Xor(word, hn::ShiftRight<4>(word));
  parity = hn::Xor(parity, hn::ShiftRight<16>(parity));
  parity = hn::Xor(parity, hn::ShiftRight<8>(parity));
#endif
  const auto odd = hn::Sub(hn::Zero(d), hn::And(parity, hn::Set(d, 1u)));
  return hn::BitCast(WeightTag(), hn::And(odd, hn::Set(d, 0x01010101u)));
}

HWY_INLINE LatticeVector LowPoints(LatticeVector both, LatticeVector parity) {
  return hn::Or(hn::And(hn::Add(both, both), hn::Set(WeightTag(), uint8_t{0x1E})), parity);
}

HWY_INLINE LatticeVector HighPoints(LatticeVector both, LatticeVector parity) {
  const hn::RebindToUnsigned<SumTag> d;
  const auto high = hn::BitCast(WeightTag(), hn::ShiftRight<3>(hn::BitCast(d, both)));
  return hn::Or(hn::And(high, hn::Set(WeightTag(), uint8_t{0x1E})), parity);
}

// sum + the products of the words' points with 8 inputs, kLatticeOffset times the inputs too much.
HWY_INLINE SumVector DotLattice(const uint8_t* words, const int8_t* q, SumVector sum) {
  const LatticeVector both = hn::LoadU(WeightTag(), words), parity = ParityBytes(both);
  const LatticeVector low = LowPoints(both, parity), high = HighPoints(both, parity);
#if HWY_TARGET_IS_NEON
  sum = Dot(Weights{vreinterpretq_s8_u8(low.raw)}, LoadInputs(q), sum);
  return Dot(Weights{vreinterpretq_s8_u8(high.raw)}, LoadInputs(q + 4), sum);
#elif HWY_TARGET_IS_SVE
  sum = Dot(hn::BitCast(InputTag(), low), LoadInputs(q), sum);
  return Dot(hn::BitCast(InputTag(), high), LoadInputs(q + 4), sum);
#elif HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
  return DotWord(high, q + 4, DotWord(low, q, sum));
#elif HWY_HAVE_SCALABLE
  return Dot(high, LoadInputs(q + 4), Dot(low, LoadInputs(q), sum));
#else
  // Four products in 16 bits: at most 4 * 31 * 127 = 15748.
  const WideTag d;
  const auto inputs = [](const int8_t* from) HWY_ATTR {
    int32_t word;
    std::memcpy(&word, from, sizeof(word));
    return hn::BitCast(InputTag(), hn::Set(SumTag(), word));
  };
  const auto pairs = hn::Add(hn::SatWidenMulPairwiseAdd(d, low, inputs(q)),
                             hn::SatWidenMulPairwiseAdd(d, high, inputs(q + 4)));
  return hn::Add(sum, hn::WidenMulPairwiseAdd(SumTag(), pairs, hn::Set(d, int16_t{1})));
#endif
}

// Scores of `panels` times 16 positions of one query.
HWY_INLINE void ScoreLatticePanels(const int8_t* HWY_RESTRICT query, RowScale query_scale,
                                   const LatticeHead& keys, size_t head_size, size_t panels,
                                   float* HWY_RESTRICT scores) {
  const SumTag d;
  const hn::RebindToFloat<SumTag> df;
  const hn::RebindToUnsigned<SumTag> du;
  const hn::Rebind<uint8_t, SumTag> d8;
  const SumVector start = hn::Set(d, -kLatticeOffset * query_scale.sum);
  const uint8_t* HWY_RESTRICT words = keys.words;
  for (size_t p = 0; p < panels; ++p, words += head_size / kLatticeGroup * kLatticePanel) {
    for (size_t j = 0; j < kPanel; j += hn::Lanes(d)) {
      SumVector sum = start;
      const uint8_t* HWY_RESTRICT w = words + j * 4;
      for (size_t i = 0; i < head_size; i += kLatticeGroup, w += kLatticePanel) {
        sum = DotLattice(w, query + i, sum);
      }
      const auto bytes = hn::PromoteTo(du, hn::LoadU(d8, keys.scales + p * kPanel + j));
      const auto bits = hn::ShiftLeft<kLatticeScaleBits>(hn::Add(bytes, hn::Set(du, kLeastLatticeScale)));
      const auto scaled = hn::Mul(hn::ConvertTo(df, sum), hn::BitCast(df, bits));
      hn::StoreU(hn::Mul(scaled, hn::Set(df, query_scale.scale)), df, scores + p * kPanel + j);
    }
  }
}

// A panel of keys as int8 panels are stored: [head_size / 4][16][4], each 128 more than the coordinate.
[[maybe_unused]] HWY_INLINE void DecodeLatticeKeys(const uint8_t* HWY_RESTRICT words, size_t head_size,
                                                   uint8_t* HWY_RESTRICT to) {
  const WeightTag d;
  const auto offset = hn::Set(d, static_cast<uint8_t>(128 - kLatticeOffset));
  for (size_t i = 0; i < head_size; i += kLatticeGroup, words += kLatticePanel, to += 2 * kLatticePanel) {
    for (size_t j = 0; j < kLatticePanel; j += hn::Lanes(d)) {
      const LatticeVector both = hn::LoadU(d, words + j), parity = ParityBytes(both);
      hn::StoreU(hn::Add(LowPoints(both, parity), offset), d, to + j);
      hn::StoreU(hn::Add(HighPoints(both, parity), offset), d, to + kLatticePanel + j);
    }
  }
}

// `elements`, 8 or 16, of the values of `panels` times 16 positions as int8 [positions][elements]. words: of
// the first of their groups; a panel has `head_size` elements.
HWY_INLINE void DecodeLatticeValues(const uint8_t* HWY_RESTRICT words, size_t head_size, size_t panels,
                                    size_t elements, int8_t* HWY_RESTRICT to) {
  const WeightTag d;
  const hn::RebindToUnsigned<SumTag> d32;
  const auto coordinates = [](LatticeVector points) HWY_ATTR {
    const WeightTag tag;
    const auto offset = hn::Set(tag, static_cast<uint8_t>(kLatticeOffset));
    return hn::BitCast(hn::RebindToUnsigned<SumTag>(), hn::Sub(points, offset));
  };
  for (size_t p = 0; p < panels; ++p, words += head_size / kLatticeGroup * kLatticePanel) {
    for (size_t j = 0; j < kLatticePanel; j += hn::Lanes(d)) {
      const LatticeVector both = hn::LoadU(d, words + j), parity = ParityBytes(both);
      const auto low = coordinates(LowPoints(both, parity)), high = coordinates(HighPoints(both, parity));
      auto* at = reinterpret_cast<uint32_t*>(to + (p * kLatticePanel + j) / 4 * elements);
      if (elements == kLatticeGroup) {
        hn::StoreInterleaved2(low, high, d32, at);
      } else {
        const LatticeVector next = hn::LoadU(d, words + kLatticePanel + j), odd = ParityBytes(next);
        hn::StoreInterleaved4(low, high, coordinates(LowPoints(next, odd)),
                              coordinates(HighPoints(next, odd)), d32, at);
      }
    }
  }
}

#else

HWY_NOINLINE inline void ScoreLatticePanels(const int8_t* query, RowScale query_scale,
                                            const LatticeHead& keys, size_t head_size, size_t panels,
                                            float* scores) {
  for (size_t t = 0; t < panels * kPanel; ++t) {
    int32_t sum = -kLatticeOffset * query_scale.sum;
    for (size_t i = 0; i < head_size; i += kLatticeGroup) {
      uint32_t word, low, high;
      std::memcpy(&word, keys.words + LatticeWordAt(head_size, t, i / kLatticeGroup), sizeof(word));
      DecodeLatticeWord(word, &low, &high);
      for (size_t k = 0; k < 4; ++k, low >>= 8, high >>= 8) {
        sum += static_cast<int32_t>(low & 0xFF) * query[i + k];
        sum += static_cast<int32_t>(high & 0xFF) * query[i + 4 + k];
      }
    }
    const float scaled = static_cast<float>(sum) * LatticeScale(keys.scales[t]);
    scores[t] = scaled * query_scale.scale;
  }
}

// As above; eight elements.
HWY_NOINLINE inline void DecodeLatticeValues(const uint8_t* words, size_t head_size, size_t panels,
                                             size_t elements, int8_t* to) {
  for (size_t t = 0; t < panels * kPanel; ++t, to += elements) {
    for (size_t i = 0; i < elements; i += kLatticeGroup) {
      uint32_t word, low, high;
      std::memcpy(&word, words + LatticeWordAt(head_size, t, i / kLatticeGroup), sizeof(word));
      DecodeLatticeWord(word, &low, &high);
      for (size_t k = 0; k < 4; ++k, low >>= 8, high >>= 8) {
        to[i + k] = static_cast<int8_t>(static_cast<int32_t>(low & 0xFF) - kLatticeOffset);
        to[i + 4 + k] = static_cast<int8_t>(static_cast<int32_t>(high & 0xFF) - kLatticeOffset);
      }
    }
  }
}

#endif  // CLLM_INT8_VECTORS

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
