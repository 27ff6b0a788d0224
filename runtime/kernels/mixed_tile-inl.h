// Room: kernels. The register tile of the mixed-precision product, and rounding to its factors. A word holds
// the factors of a pair of k, the even one in its lower half.
#if defined(CLLM_KERNELS_MIXED_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CLLM_KERNELS_MIXED_TILE_INL_H_
#undef CLLM_KERNELS_MIXED_TILE_INL_H_
#else
#define CLLM_KERNELS_MIXED_TILE_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/arithmetic-inl.h"
#include "kernels/expect-inl.h"
#include "kernels/mixed.h"
#include "kernels/reduce-inl.h"

#undef CLLM_MIXED_NATIVE
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_ZEN4
#define CLLM_MIXED_NATIVE 1
#else
#define CLLM_MIXED_NATIVE 0
#endif

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A block of k: rows of A by panels of B.
struct MixedBlock {
  const uint32_t* a;
  size_t a_row, a_pair;
  const uint32_t* b;  // 16 words a pair
  size_t b_panel, panel_end;
  size_t pairs;
  float* c;
  size_t c_row, c_panel;
  bool accumulate;
};

HWY_INLINE void AddSum(RowTag d, RowVector sum, bool accumulate, float* c) {
  hn::StoreU(accumulate ? hn::Add(hn::LoadU(d, c), sum) : sum, d, c);
}

#if CLLM_MIXED_NATIVE

inline constexpr size_t kMixedRows = 12, kMixedPanels = 2;

// The 16 words of two rows of 16 floats, for the k of one and of the other.
HWY_INLINE void PackPair(const float* even, const float* odd, size_t count, uint32_t* words) {
  const RowTag d;
  const hn::ScalableTag<uint16_t> du;
  alignas(64) static constexpr uint16_t kInterleave[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                           21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                           11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512 low = hn::LoadN(d, even, count).raw;
  const __m512 high = odd != nullptr ? hn::LoadN(d, odd, count).raw : _mm512_setzero_ps();
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
  const hn::VFromD<decltype(du)> halves{_mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), both)};
  const auto kept = hn::Ge(hn::And(halves, hn::Set(du, 0x7FFF)), hn::Set(du, (127 - 55) << 7));
  hn::StoreU(hn::IfThenElseZero(kept, halves), du, reinterpret_cast<uint16_t*>(words));
}

// The words of up to 32 floats in a row.
HWY_INLINE void PackRun(const float* from, size_t count, uint32_t* words) {
  const RowTag d;
  const hn::ScalableTag<uint16_t> du;
  const __m512 low = hn::LoadN(d, from, count).raw;
  const __m512 high = count > 16 ? hn::LoadN(d, from + 16, count - 16).raw : _mm512_setzero_ps();
  const hn::VFromD<decltype(du)> halves{(__m512i)_mm512_cvtne2ps_pbh(high, low)};
  const auto kept = hn::Ge(hn::And(halves, hn::Set(du, 0x7FFF)), hn::Set(du, (127 - 55) << 7));
  hn::StoreN(hn::IfThenElseZero(kept, halves), du, reinterpret_cast<uint16_t*>(words), (count + 1) / 2 * 2);
}

HWY_INLINE __m512 AddPair(__m512 sum, __m512i a, __m512i b) {
#if HWY_COMPILER_GCC_ACTUAL
  // Around its intrinsic gcc 12 spills the sums of a tile, as around VPDPBUSD.
  __asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
#else
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
#endif
}

template <size_t kRows, size_t kCount>
HWY_NOINLINE void MixedTile(const MixedBlock& block, size_t row, size_t panel) {
  const RowTag d;
  __m512 sums[kRows][kCount];
  HWY_UNROLL(16)
  for (size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(16)
    for (size_t p = 0; p < kCount; ++p) sums[r][p] = _mm512_setzero_ps();
  }
  if (block.accumulate) {
    Expect(block.c + row * block.c_row + panel * block.c_panel, kRows, block.c_row, kCount, block.c_panel);
  }
  const uint32_t* HWY_RESTRICT a = block.a + row * block.a_row;
  const uint32_t* HWY_RESTRICT b = block.b + panel * block.b_panel;
  const size_t a_row = block.a_row, a_pair = block.a_pair, b_panel = block.b_panel;
  // B of the next panels, which a head's products would wait for memory to give.
  const size_t ahead = panel + kCount < block.panel_end ? kCount * b_panel : 0;
  for (size_t k = block.pairs; k != 0; --k, a += a_pair, b += 16) {
    __m512i bs[kCount];
    HWY_UNROLL(16)
    for (size_t p = 0; p < kCount; ++p) bs[p] = _mm512_loadu_si512(b + p * b_panel);
    HWY_UNROLL(16)
    for (size_t r = 0; r < kRows; ++r) {
      const __m512i factor = _mm512_set1_epi32(static_cast<int>(a[r * a_row]));
      HWY_UNROLL(16)
      for (size_t p = 0; p < kCount; ++p) sums[r][p] = AddPair(sums[r][p], factor, bs[p]);
    }
    HWY_UNROLL(16)
    for (size_t p = 0; p < kCount; ++p) __builtin_prefetch(b + ahead + p * b_panel, 0, 2);
  }
  HWY_UNROLL(16)
  for (size_t r = 0; r < kRows; ++r) {
    float* c = block.c + (row + r) * block.c_row + panel * block.c_panel;
    HWY_UNROLL(16)
    for (size_t p = 0; p < kCount; ++p) {
      AddSum(d, hn::VFromD<RowTag>{sums[r][p]}, block.accumulate, c + p * block.c_panel);
    }
  }
}

#else

inline constexpr size_t kMixedRows = 4, kMixedPanels = 1;

// Factors in the upper halves of the lanes, the lower halves zero.
template <class V>
HWY_INLINE hn::VFromD<hn::RebindToUnsigned<RowTag> > Factors(V x) {
  const hn::RebindToUnsigned<RowTag> du;
  const hn::RebindToSigned<RowTag> di;
  const auto magnitude_mask = hn::Set(du, 0x7FFFFFFF), upper = hn::Set(du, 0xFFFF0000);
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto nearest = hn::And(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFF))), upper);
  const auto quiet = hn::And(hn::Or(bits, hn::Set(du, 0x00400000)), upper);
  const auto signed_of = [&](auto v) HWY_ATTR { return hn::BitCast(di, hn::And(v, magnitude_mask)); };
  const auto nan = hn::Gt(signed_of(bits), hn::Set(di, 0x7F800000));
  const auto rounded =
      hn::BitCast(di, hn::BitCast(du, hn::IfThenElse(nan, hn::BitCast(di, quiet), hn::BitCast(di, nearest))));
  const auto small = hn::Lt(signed_of(hn::BitCast(du, rounded)), hn::Set(di, (127 - 55) << 23));
  return hn::BitCast(du, hn::IfThenZeroElse(small, rounded));
}

// 16 floats, or fewer and zeros behind them, as factors in the upper halves.
struct Factors16 {
  alignas(64) uint32_t of[16];
};

HWY_INLINE Factors16 FactorsOf(const float* from, size_t count) {
  const RowTag d;
  const hn::RebindToUnsigned<RowTag> du;
  alignas(64) float x[16] = {};
  if (count != 0) std::memcpy(x, from, (count < 16 ? count : 16) * sizeof(float));
  Factors16 factors;
  for (size_t i = 0; i < 16; i += hn::Lanes(d)) hn::Store(Factors(hn::Load(d, x + i)), du, factors.of + i);
  return factors;
}

// The 16 words of two rows of 16 floats, for the k of one and of the other.
HWY_INLINE void PackPair(const float* even, const float* odd, size_t count, uint32_t* words) {
  const Factors16 low = FactorsOf(even, count), high = FactorsOf(odd, odd != nullptr ? count : 0);
  for (size_t i = 0; i < 16; ++i) words[i] = low.of[i] >> 16 | high.of[i];
}

// The words of up to 32 floats in a row.
HWY_INLINE void PackRun(const float* from, size_t count, uint32_t* words) {
  for (size_t i = 0; i < count; i += 16) {
    const Factors16 factors = FactorsOf(from + i, count - i);
    for (size_t j = 0; j < 16 && i + j < count; j += 2) *words++ = factors.of[j] >> 16 | factors.of[j + 1];
  }
}

// kRows rows, 4 or 1, of one panel, a vector of its outputs after the other. Vectors without a size cannot be
// elements of arrays, so the four sums have names.
template <size_t kRows, size_t kCount>
HWY_NOINLINE void MixedTile(const MixedBlock& block, size_t row, size_t panel) {
  static_assert(kRows <= 4 && kCount == 1, "four sums");
  const RowTag d;
  const hn::RebindToUnsigned<RowTag> du;
  const auto upper = hn::Set(du, 0xFFFF0000);
  for (size_t j = 0; j < 16; j += hn::Lanes(d)) {
    const uint32_t* a = block.a + row * block.a_row;
    const uint32_t* b = block.b + panel * block.b_panel + j;
    RowVector s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    for (size_t k = 0; k < block.pairs; ++k, a += block.a_pair, b += 16) {
      const auto words = hn::LoadU(du, b);
      const RowVector odd = hn::BitCast(d, hn::And(words, upper));
      const RowVector even = hn::BitCast(d, hn::ShiftLeft<16>(words));
      const auto add = [&](size_t r, RowVector sum) HWY_ATTR {
        const uint32_t word = a[r * block.a_row];
        const RowVector high = hn::BitCast(d, hn::Set(du, word & 0xFFFF0000u));
        sum = FusedMulAdd(d, high, odd, sum);
        return FusedMulAdd(d, hn::BitCast(d, hn::Set(du, word << 16)), even, sum);
      };
      s0 = add(0, s0);
      if constexpr (kRows > 1) s1 = add(1, s1);
      if constexpr (kRows > 2) s2 = add(2, s2);
      if constexpr (kRows > 3) s3 = add(3, s3);
    }
    float* c = block.c + row * block.c_row + panel * block.c_panel + j;
    AddSum(d, s0, block.accumulate, c);
    if constexpr (kRows > 1) AddSum(d, s1, block.accumulate, c + block.c_row);
    if constexpr (kRows > 2) AddSum(d, s2, block.accumulate, c + 2 * block.c_row);
    if constexpr (kRows > 3) AddSum(d, s3, block.accumulate, c + 3 * block.c_row);
  }
}

#endif  // CLLM_MIXED_NATIVE

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#endif
