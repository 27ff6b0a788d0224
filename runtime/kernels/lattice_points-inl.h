// Room: kernels. Blocks of lattice weights as int8 weights, in int8's layout: 8 steps of 16 rows by 4 inputs,
// each byte the point's coordinate plus an offset. Every step is planes of bytes, so there is nothing to
// shuffle.
#if defined(CLLM_KERNELS_LATTICE_POINTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_LATTICE_POINTS_INL_H_
#undef CLLM_KERNELS_LATTICE_POINTS_INL_H_
#else
#define CLLM_KERNELS_LATTICE_POINTS_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "hwy/highway.h"
#include "kernels/int8_dot-inl.h"
#include "kernels/lattice_fields.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#undef CLLM_LATTICE_AFFINE
#define CLLM_LATTICE_AFFINE (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL)

// Where bytes are multiplied in pairs with 16-bit sums (VPMADDUBSW), a coordinate has 64 added to it, so that
// two products fit: 2 * 111 * 127. Elsewhere 128, and a decoded block is multiplied as int8 weights are.
#undef CLLM_LATTICE_PAIRS
#define CLLM_LATTICE_PAIRS \
  (CLLM_INT8_VECTORS && !HWY_HAVE_SCALABLE && !HWY_TARGET_IS_NEON && !CLLM_LATTICE_AFFINE)

#if CLLM_LATTICE_PAIRS

inline constexpr int kCoordinateOffset = 64;
inline constexpr int32_t kSumOffset = kCoordinateOffset;
using Coordinates = hn::VFromD<WeightTag>;
using CoordinateInputs = hn::VFromD<InputTag>;
HWY_INLINE Coordinates LoadCoordinates(const uint8_t* w) { return hn::LoadU(WeightTag(), w); }
HWY_INLINE CoordinateInputs LoadCoordinateInputs(const int8_t* q) {
  int32_t word;
  std::memcpy(&word, q, sizeof(word));
  return hn::BitCast(InputTag(), hn::Set(SumTag(), word));
}
HWY_INLINE SumVector DotCoordinates(Coordinates w, CoordinateInputs q, SumVector sum) {
  const hn::Repartition<int16_t, SumTag> d16;
  const auto pairs = hn::SatWidenMulPairwiseAdd(d16, w, q);
  return hn::Add(sum, hn::WidenMulPairwiseAdd(SumTag(), pairs, hn::Set(d16, int16_t{1})));
}

#elif CLLM_INT8_VECTORS

inline constexpr int kCoordinateOffset = 128;
inline constexpr int32_t kSumOffset = kWeightOffset;
using Coordinates = Weights;
using CoordinateInputs = Inputs;
HWY_INLINE Coordinates LoadCoordinates(const uint8_t* w) { return LoadWeights(w); }
HWY_INLINE CoordinateInputs LoadCoordinateInputs(const int8_t* q) { return LoadInputs(q); }
HWY_INLINE SumVector DotCoordinates(const Coordinates& w, const CoordinateInputs& q, SumVector sum) {
  return Dot(w, q, sum);
}

#endif

#if CLLM_LATTICE_AFFINE

// A bit matrix for each byte (GF2P8AFFINEQB) picks the bits of a weight from a byte that has those of two.
using Bytes = __m512i;

template <uint64_t kMatrix, int kConstant>
HWY_INLINE Bytes Affine(Bytes x) {
  return _mm512_gf2p8affine_epi64_epi8(x, _mm512_set1_epi64(static_cast<int64_t>(kMatrix)), kConstant);
}

// The bytes of b where the mask has ones, of a elsewhere.
template <uint8_t kMask>
HWY_INLINE Bytes Select(Bytes a, Bytes b) {
  return _mm512_ternarylogic_epi32(_mm512_set1_epi8(static_cast<char>(kMask)), b, a, 0xCA);
}

// 64 bytes of a table of 256.
HWY_INLINE Bytes LookUp(const uint8_t* table, Bytes index, __mmask64 upper) {
  const Bytes low = _mm512_permutex2var_epi8(_mm512_load_si512(table), index, _mm512_load_si512(table + 64));
  const Bytes high =
      _mm512_permutex2var_epi8(_mm512_load_si512(table + 128), index, _mm512_load_si512(table + 192));
  return _mm512_mask_blend_epi8(upper, low, high);
}

// pairs[i / 2] has all bits of weight i, but for what `low` has.
struct LatticeBits {
  Bytes pairs[4];
  Bytes low[2];  // 1 fine bit: twice the parity, one of them. 2: LowBitsMatrix of either half
};

template <int kFine>
HWY_INLINE LatticeBits LoadLatticeBits(const uint8_t* HWY_RESTRICT block) {
  const Bytes patterns = _mm512_loadu_si512(block);
  const __mmask64 upper = _mm512_movepi8_mask(patterns);
  const Bytes t0 = LookUp(kLatticeGrayFields.bytes[0], patterns, upper);
  const Bytes t1 = LookUp(kLatticeGrayFields.bytes[1], patterns, upper);
  Bytes w0 = _mm512_loadu_si512(block + 64), w1 = w0;
  LatticeBits bits;
  if constexpr (kFine == 0) {
    // The parity takes the place of signs that a pair does not have.
    const Bytes parity = Affine<kEachParity, 0>(_mm512_ternarylogic_epi32(w0, t0, t1, 0x96));
    w1 = Select<kParityOfOdd>(w0, parity);
    w0 = Select<kParityOfEven>(w0, parity);
  } else {
    w1 = _mm512_loadu_si512(block + 128);
  }
  if constexpr (kFine == 1) bits.low[0] = Affine<kParityBit<1, 0xCC>, 0>(_mm512_xor_si512(w0, w1));
  if constexpr (kFine == 2) {
    const Bytes low = _mm512_loadu_si512(block + 192);
    bits.low[0] = Affine<LowBitsMatrix(0), 0>(low);
    bits.low[1] = Affine<LowBitsMatrix(1), 0>(low);
  }
  bits.pairs[0] = Select<0xF0>(w0, t0), bits.pairs[1] = Select<0xF0>(w1, t1);
  bits.pairs[2] = Select<0x0F>(w0, t0), bits.pairs[3] = Select<0x0F>(w1, t1);
  return bits;
}

// Step i: coordinates plus 128.
template <int kFine, size_t i>
HWY_INLINE Bytes LatticeStep(const LatticeBits& bits) {
  constexpr uint64_t kMatrix = PointMatrix(kFine, i);
  const Bytes pair = bits.pairs[i / 2];
  if constexpr (kFine == 2) return Affine<kMatrix, 0x81>(Select<OwnBits(i)>(bits.low[i / 4], pair));
  const Bytes point = Affine<kMatrix, 0x81>(pair);
  return kFine == 1 ? _mm512_xor_si512(point, bits.low[0]) : point;
}

template <int kFine, size_t... i>
HWY_INLINE void StoreSteps(const LatticeBits& bits, uint8_t* HWY_RESTRICT to, std::index_sequence<i...>) {
  (_mm512_store_si512(to + 64 * i, LatticeStep<kFine, i>(bits)), ...);
}

template <int kFine>
HWY_INLINE void DecodeLatticeBlock(const uint8_t* HWY_RESTRICT block, uint8_t* HWY_RESTRICT to) {
  StoreSteps<kFine>(LoadLatticeBits<kFine>(block), to, std::make_index_sequence<8>());
}

#elif CLLM_INT8_VECTORS

using ByteTag = hn::CappedTag<uint8_t, 64>;
using Bytes = hn::VFromD<ByteTag>;

// Bit kFrom and those above it to bit kTo, all but those of the mask cleared, which must be all that come
// from other bytes: two are moved at a time.
template <int kFrom, int kTo, uint8_t kMask>
HWY_INLINE Bytes MoveBits(Bytes x) {
  const ByteTag d;
  const hn::Repartition<uint16_t, ByteTag> d16;
  const Bytes mask = hn::Set(d, kMask);
  const auto two = hn::BitCast(d16, x);
  if constexpr (kFrom > kTo) return hn::And(hn::BitCast(d, hn::ShiftRight<kFrom - kTo>(two)), mask);
  if constexpr (kFrom < kTo) return hn::And(hn::BitCast(d, hn::ShiftLeft<kTo - kFrom>(two)), mask);
  return hn::And(x, mask);
}

// What half a byte of signs and highest fine bits, or of lowest ones, says of a weight, the offset included.
struct NibbleTable {
  alignas(16) uint8_t of[16];
};

constexpr NibbleTable MakeCodeTable(int fine_bits, size_t i) {
  NibbleTable table = {};
  const int unit = fine_bits + 2, sign = SignBit(fine_bits, i) % 4;
  for (int nibble = 0; nibble < 16; ++nibble) {
    const int above = 0xFF << unit & (2 * kCoordinateOffset - 1);
    const int high = fine_bits == 0 ? 0 : (nibble >> (sign + 2) & 1) << (unit - 1);
    table.of[nibble] = static_cast<uint8_t>(
        ((nibble >> sign & 1) != 0 ? above ^ kCoordinateOffset : kCoordinateOffset) | high);
  }
  return table;
}

constexpr NibbleTable MakeLowTable(size_t i) {
  NibbleTable table = {};
  for (size_t nibble = 0; nibble < 16; ++nibble) {
    table.of[nibble] = static_cast<uint8_t>((nibble >> i % 4 & 1) << 2);
  }
  return table;
}

// Twice the parity of the bits, plus `constant`.
constexpr NibbleTable MakeParityTable(int constant) {
  NibbleTable table = {};
  for (int nibble = 0; nibble < 16; ++nibble) {
    const int parity = (nibble ^ nibble >> 1 ^ nibble >> 2 ^ nibble >> 3) & 1;
    table.of[nibble] = static_cast<uint8_t>(2 * parity + constant);
  }
  return table;
}

template <int kFine, size_t i>
inline constexpr NibbleTable kCodeTable = MakeCodeTable(kFine, i);
template <int kConstant>
inline constexpr NibbleTable kParityTable = MakeParityTable(kConstant);
template <size_t i>
inline constexpr NibbleTable kLowTable = MakeLowTable(i);

HWY_INLINE Bytes LookUp(const NibbleTable& table, Bytes nibbles) {
  return hn::TableLookupBytes(hn::LoadDup128(ByteTag(), table.of), nibbles);
}

// Half `half` of each byte.
template <size_t half>
HWY_INLINE Bytes Nibbles(Bytes x) {
  return MoveBits<4 * half, 0, 15>(x);
}

// By row, the bytes of the fields of its four groups: the first one's, then the second one's. By scalar
// loads, for which vectors leave time. They read from here only when the stores are done, so that it pays to
// be a block ahead of them.
struct LatticeFields {
  HWY_ALIGN uint32_t words[kPanel][2];
};

HWY_INLINE uint64_t FieldWord(size_t pattern, size_t group) {
  uint64_t word;
  std::memcpy(&word, kLatticeFieldWords.bytes + 8 + 8 * pattern - group, sizeof(word));
  return word;
}

HWY_INLINE void StoreFields(const size_t (&patterns)[4], size_t row, LatticeFields* HWY_RESTRICT to) {
  const uint64_t word = FieldWord(patterns[0], 0) | FieldWord(patterns[1], 1) | FieldWord(patterns[2], 2) |
                        FieldWord(patterns[3], 3);
  std::memcpy(to->words[row], &word, sizeof(word));
}

// One row's.
HWY_INLINE void LoadRowFields(const uint8_t* HWY_RESTRICT patterns, size_t row,
                              LatticeFields* HWY_RESTRICT to) {
  const uint8_t* const of = patterns + 4 * row;
  StoreFields({of[0], of[1], of[2], of[3]}, row, to);
}

// All rows'. Unrolled, and four patterns loaded at once, gcc does not make slow vectors of them.
HWY_INLINE void LoadFields(const uint8_t* HWY_RESTRICT patterns, LatticeFields* HWY_RESTRICT to) {
  HWY_UNROLL(16)
  for (size_t row = 0; row < kPanel; ++row) {
    uint32_t four;
    std::memcpy(&four, patterns + 4 * row, sizeof(four));
    StoreFields({four & 255, four >> 8 & 255, four >> 16 & 255, four >> 24}, row, to);
  }
}

// Step i: fields and code are the bytes that have weight i's, code and low by halves, base 1 + 2 p.
template <int kFine, size_t i>
HWY_INLINE Bytes LatticeStep(Bytes fields, Bytes code, Bytes low, Bytes base) {
  constexpr int kUnit = kFine + 2;
  Bytes point = hn::Xor(LookUp(kCodeTable<kFine, i>, code), MoveBits<FieldBit(i), kUnit, 3 << kUnit>(fields));
  if constexpr (kFine > 1) point = hn::Xor(point, LookUp(kLowTable<i>, low));
  return hn::Xor(point, base);
}

template <int kFine, size_t half, class Take>
HWY_INLINE void TakeHalf(Bytes t0, Bytes t1, Bytes w0, Bytes w1, Bytes low, Bytes base, const Take& take) {
  constexpr size_t i = 4 * half;
  const Bytes code0 = Nibbles<half>(w0), code1 = Nibbles<half>(w1), lows = Nibbles<half>(low);
  take(i, LatticeStep<kFine, i>(t0, code0, lows, base));
  take(i + 1, LatticeStep<kFine, i + 1>(t0, code0, lows, base));
  take(i + 2, LatticeStep<kFine, i + 2>(t1, code1, lows, base));
  take(i + 3, LatticeStep<kFine, i + 3>(t1, code1, lows, base));
}

// Calls take(i, the coordinates of step i and their offset) for a vector's rows of a block, the first of
// which have byte `at` of each plane.
template <int kFine, class Take>
HWY_INLINE void TakeSteps(const uint8_t* HWY_RESTRICT block, const LatticeFields& fields, size_t at,
                          const Take& take) {
  const ByteTag d;
  const hn::Repartition<uint32_t, ByteTag> d32;
  hn::VFromD<decltype(d32)> first, second;
  hn::LoadInterleaved2(d32, fields.words[at / 4], first, second);
  const Bytes t0 = hn::BitCast(d, first), t1 = hn::BitCast(d, second);
  const Bytes w0 = hn::LoadU(d, block + 64 + at);
  const Bytes w1 = kFine > 0 ? hn::LoadU(d, block + 128 + at) : w0;
  const Bytes low = kFine > 1 ? hn::LoadU(d, block + 192 + at) : w0;
  const Bytes odd = kFine == 0   ? hn::Xor(w0, hn::And(hn::Xor(t0, t1), hn::Set(d, uint8_t{0x55})))
                    : kFine == 1 ? hn::And(hn::Xor(w0, w1), hn::Set(d, uint8_t{0xCC}))
                                 : low;
  const Bytes base =
      hn::Xor(LookUp(kParityTable<1>, Nibbles<0>(odd)), LookUp(kParityTable<0>, Nibbles<1>(odd)));
  TakeHalf<kFine, 0>(t0, t1, w0, w1, low, base, take);
  TakeHalf<kFine, 1>(t0, t1, w0, w1, low, base, take);
}

template <int kFine>
HWY_INLINE void DecodeLatticeBlock(const uint8_t* HWY_RESTRICT block, const LatticeFields& fields,
                                   uint8_t* HWY_RESTRICT to) {
  for (size_t j = 0; j < 4 * kPanel; j += hn::Lanes(ByteTag())) {
    TakeSteps<kFine>(block, fields, j,
                     [=](size_t i, Bytes points) { hn::StoreU(points, ByteTag(), to + 64 * i + j); });
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
