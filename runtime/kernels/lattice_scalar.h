// Room: kernels. Products with lattice weights on cores without vectors: a group's eight coordinates are two
// words of bytes, made of tables by exclusive or; products two at a time, with the DSP extension of Cortex-M
// by SMLAD. Exact.
#ifndef CLLM_KERNELS_LATTICE_SCALAR_H_
#define CLLM_KERNELS_LATTICE_SCALAR_H_

#include <cstddef>
#include <cstdint>

#include "kernels/lattice_code.h"

namespace cllm {

// Word `word` of a group has weights 2 word + {0, 1, 4, 5}, one a byte: 16 c + 8 h + 4 l, where h is the
// highest fine bit and l the lower of two, and 128 more in the even bytes, which are read without a sign.
constexpr size_t LatticeWordWeight(size_t word, size_t byte) { return 2 * word + byte % 2 + byte / 2 * 4; }

// By pattern; by byte s s h h s s h h of the code, what it changes in the word of its weights; by byte, the
// parity of its bits, and by pattern that of its magnitudes. Apart, so that each has its address in a
// register.
struct LatticePatternWords {
  uint32_t of[kLatticePatterns][2];
};
struct LatticeBitWords {
  uint32_t of[256];
};
struct LatticeParities {
  uint8_t of[256];
};

constexpr LatticePatternWords MakeLatticePatternWords() {
  LatticePatternWords words = {};
  for (size_t i = 0; i < 8 * kLatticePatterns; ++i) {
    const size_t index = i / 8, word = i / 4 % 2, byte = i % 4;
    const uint32_t m = LatticePattern(index, LatticeWordWeight(word, byte));
    words.of[index][word] |= (m << 4 | (byte % 2 == 0 ? 0x80u : 0u)) << 8 * byte;
  }
  return words;
}

constexpr LatticeBitWords MakeLatticeBitWords() {
  LatticeBitWords words = {};
  for (size_t i = 0; i < 4 * 256; ++i) {
    const size_t index = i / 4, byte = i % 4, sign = byte % 2 + byte / 2 * 4;
    words.of[index] |= ((index >> sign & 1 ? 0xF0u : 0u) | (index >> (sign + 2) & 1 ? 8u : 0u)) << 8 * byte;
  }
  return words;
}

template <bool kOfPattern>
constexpr LatticeParities MakeLatticeParities() {
  LatticeParities parities = {};
  for (size_t i = 0; i < 8 * 256; ++i) {
    const size_t bit = kOfPattern ? LatticePattern(i / 8, i % 8) & 1 : i / 8 >> i % 8 & 1;
    parities.of[i / 8] = static_cast<uint8_t>(parities.of[i / 8] ^ bit);
  }
  return parities;
}

inline constexpr LatticePatternWords kLatticePatternWords = MakeLatticePatternWords();
inline constexpr LatticeBitWords kLatticeBitWords = MakeLatticeBitWords();
inline constexpr LatticeParities kByteParities = MakeLatticeParities<false>();
inline constexpr LatticeParities kPatternParities = MakeLatticeParities<true>();

// A block's inputs by groups. A product takes a word as two 16-bit integers, each an odd byte times 256 and
// the even byte below it, times the odd bytes' inputs; what is too much of the even bytes then comes off with
// their own: 256 times the even input, less the odd one. So all is 256 times the products.
struct LatticeInputs {
  struct Group {
    struct Word {
      uint32_t odd, even;
    } words[2];
    int32_t sum;
  } groups[4];
  int32_t sum;
  int32_t start;  // takes off what the even bytes have too much of
};

inline void LoadLatticeInputs(const int8_t* q, LatticeInputs* to) {
  to->sum = to->start = 0;
  for (size_t g = 0; g < 4; ++g, ++q) {
    LatticeInputs::Group& group = to->groups[g];
    group.sum = 0;
    for (size_t word = 0; word < 2; ++word) {
      uint32_t odd = 0, even = 0;
      for (size_t byte = 0; byte < 4; byte += 2) {
        const int32_t x0 = q[4 * LatticeWordWeight(word, byte)],
                      x1 = q[4 * LatticeWordWeight(word, byte + 1)];
        even |= static_cast<uint32_t>((256 * x0 - x1) & 0xFFFF) << 8 * byte;
        odd |= static_cast<uint32_t>(x1 & 0xFFFF) << 8 * byte;
        group.sum += x0 + x1;
        to->start -= 128 * 256 * x0;
      }
      group.words[word] = {odd, even};
    }
    to->sum += group.sum;
  }
}

#if defined(__ARM_FEATURE_SIMD32) && __ARM_ARCH_PROFILE == 'M'

// By hand on Cortex-M, where a compiler for size spills and finds no shifted operands. Both words of the
// pattern; then the products, with x 1 where the sum of n is odd.
#define CLLM_LATTICE_WORDS                      \
  "ldrb %[first], [%[at], %[plane0]]\n"         \
  "add %[second], %[words], %[first], lsl #3\n" \
  "ldrd %[first], %[second], [%[second]]\n"
#define CLLM_LATTICE_CHANGE(word, index, shift) \
  "ldr %[" index "], [%[bits], %[" index        \
  "], lsl #2]\n"                                \
  "eor %[" word "], %[" word "], %[" index "]" shift "\n"
#define CLLM_LATTICE_PRODUCTS                         \
  "ldr %[y], [%[inputs], %[sum]]\n"                   \
  "mla %[odd], %[x], %[y], %[odd]\n"                  \
  "ldrd %[x], %[y], [%[inputs], %[word0]]\n"          \
  "smlad %[products], %[first], %[x], %[products]\n"  \
  "uxtb16 %[first], %[first]\n"                       \
  "smlad %[products], %[first], %[y], %[products]\n"  \
  "ldrd %[x], %[y], [%[inputs], %[word1]]\n"          \
  "smlad %[products], %[second], %[x], %[products]\n" \
  "uxtb16 %[second], %[second]\n"                     \
  "smlad %[products], %[second], %[y], %[products]\n"
#define CLLM_LATTICE_RESULTS                                                                       \
  [products] "+r"(*products), [odd] "+r"(*odd_sums), [first] "=&r"(first), [second] "=&r"(second), \
      [x] "=&r"(x), [y] "=&r"(y)
#define CLLM_LATTICE_INPUTS                                                                    \
  [at] "r"(at), [inputs] "r"(&inputs), [words] "r"(kLatticePatternWords.of),                   \
      [bits] "r"(kLatticeBitWords.of), [parities] "r"(kByteParities.of), [plane0] "i"(kGroup), \
      [plane1] "i"(kPlane + kGroup), [word0] "i"(kInputs), [word1] "i"(kInputs + 8), [sum] "i"(kInputs + 16)

// Group kGroup of a row: its products are added, and its inputs, if its sum of n is odd.
template <int kFine, size_t kGroup>
__attribute__((always_inline)) inline void AddLatticeGroup(const uint8_t* at, const LatticeInputs& inputs,
                                                           int32_t* products, int32_t* odd_sums) {
  constexpr size_t kPlane = LatticeByte(1, 0, 0), kInputs = kGroup * sizeof(LatticeInputs::Group);
  uint32_t first, second, x, y;
  if constexpr (kFine == 0) {
    __asm(CLLM_LATTICE_WORDS
          "ldrb %[x], [%[at], %[plane1]]\n"
          "and %[y], %[mask], %[x]\n" CLLM_LATTICE_CHANGE("first", "y", "")
          "and %[y], %[mask], %[x], lsr #2\n" CLLM_LATTICE_CHANGE("second", "y", "")
          "ldrb %[y], [%[at], %[plane0]]\n"
          "ldrb %[x], [%[parities], %[x]]\n"
          "ldrb %[y], [%[of_patterns], %[y]]\n"
          "eor %[x], %[x], %[y]\n" CLLM_LATTICE_PRODUCTS
          : CLLM_LATTICE_RESULTS
          : CLLM_LATTICE_INPUTS, [mask] "r"(0x33), [of_patterns] "r"(kPatternParities.of)
          : "memory");
  } else if constexpr (kFine == 1) {
    uint32_t high;
    __asm(CLLM_LATTICE_WORDS
          "ldrb %[x], [%[at], %[plane1]]\n"
          "ldrb %[y], [%[at], %[plane2]]\n"
          "eor %[high], %[x], %[y]\n"
          "and %[high], %[high], #0xCC\n" CLLM_LATTICE_CHANGE("first", "x", "") CLLM_LATTICE_CHANGE(
              "second", "y", "") "ldrb %[x], [%[parities], %[high]]\n" CLLM_LATTICE_PRODUCTS
          : CLLM_LATTICE_RESULTS, [high] "=&r"(high)
          : CLLM_LATTICE_INPUTS, [plane2] "i"(2 * kPlane + kGroup)
          : "memory");
  } else {
    __asm(CLLM_LATTICE_WORDS
          "ldrb %[x], [%[at], %[plane1]]\n"
          "ldrb %[y], [%[at], %[plane2]]\n" CLLM_LATTICE_CHANGE("first", "x", "")
          CLLM_LATTICE_CHANGE("second", "y", "")
          "ldrb %[x], [%[at], %[plane3]]\n"
          "and %[y], %[mask], %[x], lsl #2\n" CLLM_LATTICE_CHANGE("first", "y", ", lsr #1")
          "and %[y], %[mask], %[x]\n" CLLM_LATTICE_CHANGE("second", "y", ", lsr #1")
          "ldrb %[x], [%[parities], %[x]]\n" CLLM_LATTICE_PRODUCTS
          : CLLM_LATTICE_RESULTS
          : CLLM_LATTICE_INPUTS, [mask] "r"(0xCC), [plane2] "i"(2 * kPlane + kGroup),
            [plane3] "i"(3 * kPlane + kGroup)
          : "memory");
  }
}

#undef CLLM_LATTICE_WORDS
#undef CLLM_LATTICE_CHANGE
#undef CLLM_LATTICE_PRODUCTS
#undef CLLM_LATTICE_RESULTS
#undef CLLM_LATTICE_INPUTS

template <int kFine>
__attribute__((always_inline)) inline void AddLatticeGroups(const uint8_t* at, const LatticeInputs& inputs,
                                                            int32_t* products, int32_t* odd_sums) {
  AddLatticeGroup<kFine, 0>(at, inputs, products, odd_sums);
  AddLatticeGroup<kFine, 1>(at, inputs, products, odd_sums);
  AddLatticeGroup<kFine, 2>(at, inputs, products, odd_sums);
  AddLatticeGroup<kFine, 3>(at, inputs, products, odd_sums);
}

#else

// Bytes 0 and 2 as 16-bit integers without a sign, and the sum of `sum` and of the products of two pairs of
// 16-bit integers.
inline uint32_t EvenBytes(uint32_t x) { return x & 0x00FF00FFu; }
inline int32_t AddPairs(uint32_t a, uint32_t b, int32_t sum) {
  return sum + static_cast<int16_t>(a) * static_cast<int16_t>(b) +
         static_cast<int16_t>(a >> 16) * static_cast<int16_t>(b >> 16);
}

// A row's groups: their products are added, and the inputs of those whose sum of n is odd.
template <int kFine>
__attribute__((always_inline)) inline void AddLatticeGroups(const uint8_t* at, const LatticeInputs& inputs,
                                                            int32_t* products, int32_t* odd_sums) {
  constexpr size_t kPlane = LatticeByte(1, 0, 0);
  const uint32_t* const bits = kLatticeBitWords.of;
  for (const LatticeInputs::Group& group : inputs.groups) {
    const uint32_t pattern = at[0], code = at[kPlane];
    const uint32_t* const words = kLatticePatternWords.of[pattern];
    uint32_t first = words[0], second = words[1];
    int32_t odd;
    if constexpr (kFine == 0) {
      first ^= bits[code & 0x33], second ^= bits[code >> 2 & 0x33];
      odd = kByteParities.of[code] ^ kPatternParities.of[pattern];
    } else {
      const uint32_t code2 = at[2 * kPlane];
      first ^= bits[code], second ^= bits[code2];
      if constexpr (kFine == 1) {
        odd = kByteParities.of[(code ^ code2) & 0xCC];
      } else {
        const uint32_t low = at[3 * kPlane];
        first ^= bits[low << 2 & 0xCC] >> 1, second ^= bits[low & 0xCC] >> 1;
        odd = kByteParities.of[low];
      }
    }
    *products = AddPairs(first, group.words[0].odd, *products);
    *products = AddPairs(EvenBytes(first), group.words[0].even, *products);
    *products = AddPairs(second, group.words[1].odd, *products);
    *products = AddPairs(EvenBytes(second), group.words[1].even, *products);
    *odd_sums += odd * group.sum;
    ++at;
  }
}

#endif

// The sum of a row's coordinates times the inputs, for the row whose bytes of plane 0 are at `at`.
template <int kFine>
__attribute__((always_inline)) inline int32_t LatticeProduct(const uint8_t* at, const LatticeInputs& inputs) {
  int32_t products = inputs.start, odd_sums = 0;
  AddLatticeGroups<kFine>(at, inputs, &products, &odd_sums);
  // Coordinates are 4 n + 1 + 2 p, and a byte has 2^(4 - fine bits) n.
  return (products >> (8 + 2 - kFine)) + inputs.sum + 2 * odd_sums;
}

// sums[j] += multiplier * product for the 16 rows of a block, whose multipliers are kLatticeMultipliers by
// bits `shift` and shift + 1 of indices[j].
template <int kFine>
inline void AddLatticeBlock(const uint8_t* block, const LatticeInputs& inputs, const uint8_t* indices,
                            int shift, int32_t* sums) {
  for (const uint8_t* const end = indices + kPanel; indices != end; block += 4) {
    *sums++ += LatticeProduct<kFine>(block, inputs) * kLatticeMultipliers[*indices++ >> shift & 3];
  }
}

}  // namespace cllm

#endif  // CLLM_KERNELS_LATTICE_SCALAR_H_
