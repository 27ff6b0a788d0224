// Room: kernels. The code of lattice2, lattice3 and lattice4 weights: what kernels decode and writers encode.
//
// Eight weights of a row are a group: a point of the E8 lattice, moved by a quarter. With b = 0, 1, 2 fine
// bits, weight i of a group has an integer n_i = 2^b c_i + f_i, where c_i is m_i or -1 - m_i, by its sign
// bit, 0 <= f_i < 2^b, and the magnitudes m are one of 256 patterns: those nearest to the origin. With p the
// parity of the sum of the n, the point is 4 n_i + 1 + 2 p, in quarters. Even and odd sums are the two cosets
// of D8 that make E8 (Conway and Sloane, "Sphere Packings, Lattices and Groups", chapter 4.8), so every
// vector of integers is a point. Patterns times signs, as in E8P of QuIP# (Tseng et al., arXiv 2402.04396).
// A weight is scale of its row * multiplier of its row's block * point. base/layout.h has the layout.
#ifndef CLLM_KERNELS_LATTICE_CODE_H_
#define CLLM_KERNELS_LATTICE_CODE_H_

#include <cstddef>
#include <cstdint>

#include "base/layout.h"

namespace cllm {

inline constexpr size_t kLatticePatterns = 256;

struct LatticePatternTable {
  uint8_t m[kLatticePatterns][kLatticeGroup];
};

// All vectors of magnitudes by the sum of their (2 m_i + 1)^2, those of equal sums in lexicographic order:
// the first 256. Their sums end at 48, which no magnitude above 2 fits into.
constexpr LatticePatternTable MakeLatticePatterns() {
  constexpr int kSums = 6;  // 8, 16, ... 48, which 1 + the sum of m (m + 1) / 2 counts
  LatticePatternTable table = {};
  size_t counts[kSums + 1] = {};
  for (int pass = 0; pass < 2; ++pass) {
    // First how many there are of each sum, then, from where those of smaller sums end, which.
    for (int s = 0, before = 0; pass == 1 && s <= kSums; ++s) {
      const auto count = static_cast<int>(counts[s]);
      counts[s] = static_cast<size_t>(before);
      before += count;
    }
    for (int number = 0; number < 6561; ++number) {  // 3^8
      uint8_t m[kLatticeGroup] = {};
      int rest = number, sum = 0;
      for (size_t i = kLatticeGroup; i-- > 0; rest /= 3) {
        m[i] = static_cast<uint8_t>(rest % 3);
        sum += m[i] * (m[i] + 1) / 2;
      }
      if (sum >= kSums) continue;
      const size_t at = counts[sum]++;
      if (pass == 0 || at >= kLatticePatterns) continue;
      for (size_t i = 0; i < kLatticeGroup; ++i) table.m[at][i] = m[i];
    }
  }
  return table;
}

inline constexpr LatticePatternTable kLatticePatternTable = MakeLatticePatterns();

constexpr uint8_t LatticePattern(size_t index, size_t i) { return kLatticePatternTable.m[index][i]; }

// By the two bits that a row has for a block. With multipliers up to 11 the sums of 65,536 columns and inputs
// of at most 127 stay within 32 bits: the magnitudes of a group's point are 180 in sum at most.
alignas(16) inline constexpr int kLatticeMultipliers[4] = {5, 6, 7, 8};

// A group's bits as the text above names them: bit i of `signs` for c_i < 0, bit i of fine[j] for bit j of
// f_i.
struct LatticeGroup {
  uint8_t pattern, signs, fine[2];
};

// The column within a block that weight i of group `group` belongs to: groups interleave, so that weights i
// of the four groups are what one step of a dot product takes.
constexpr size_t LatticeColumn(size_t group, size_t i) { return 4 * i + group; }

// Byte `plane` of a row's group in a block.
constexpr size_t LatticeByte(size_t plane, size_t row, size_t group) {
  return (plane * kPanel + row) * 4 + group;
}

// Without fine bits the code is the pattern and the signs. Else the signs and the highest fine bits share two
// bytes, by twos: s0 s1 h0 h1 s4 s5 h4 h5 and s2 s3 h2 h3 s6 s7 h6 h7, so that half of a byte has what
// belongs to two weights; the lowest of two fine bits has a byte of its own.

// Writes a group of row `row` < 16 into a block, LatticeBlockBytes(fine_bits) of them.
inline void PackLatticeGroup(const LatticeGroup& code, int fine_bits, size_t row, size_t group,
                             uint8_t* block) {
  uint8_t bytes[4] = {code.pattern, code.signs, 0, code.fine[0]};
  if (fine_bits != 0) {
    const unsigned signs = code.signs, high = code.fine[fine_bits - 1];
    bytes[1] = static_cast<uint8_t>((signs & 0x33) | (high & 0x33) << 2);
    bytes[2] = static_cast<uint8_t>((signs >> 2 & 0x33) | (high & 0xCC));
  }
  for (size_t plane = 0; plane < 2 + static_cast<size_t>(fine_bits); ++plane) {
    block[LatticeByte(plane, row, group)] = bytes[plane];
  }
}

inline LatticeGroup UnpackLatticeGroup(const uint8_t* block, int fine_bits, size_t row, size_t group) {
  const uint8_t* bytes = block + LatticeByte(0, row, group);
  constexpr size_t kPlane = LatticeByte(1, 0, 0);
  LatticeGroup code = {bytes[0], bytes[kPlane], {0, 0}};
  if (fine_bits == 0) return code;
  const unsigned first = bytes[kPlane], second = bytes[2 * kPlane];
  code.signs = static_cast<uint8_t>((first & 0x33) | (second & 0x33) << 2);
  if (fine_bits == 2) code.fine[0] = bytes[3 * kPlane];
  code.fine[fine_bits - 1] = static_cast<uint8_t>((first >> 2 & 0x33) | (second & 0xCC));
  return code;
}

// The integers n.
inline void LatticeIntegers(const LatticeGroup& code, int fine_bits, int8_t n[kLatticeGroup]) {
  for (size_t i = 0; i < kLatticeGroup; ++i) {
    const int m = LatticePattern(code.pattern, i), c = (code.signs >> i & 1) != 0 ? -1 - m : m;
    const int fine = (code.fine[0] >> i & 1) | (code.fine[1] >> i & 1) << 1;
    n[i] = static_cast<int8_t>(c * (1 << fine_bits) + fine);
  }
}

// The point of integers n in quarters, at most 47 in magnitude.
inline void LatticePoint(const int8_t n[kLatticeGroup], int8_t point[kLatticeGroup]) {
  int sum = 0;
  for (size_t i = 0; i < kLatticeGroup; ++i) sum += n[i];
  for (size_t i = 0; i < kLatticeGroup; ++i) point[i] = static_cast<int8_t>(4 * n[i] + 1 + 2 * (sum & 1));
}

}  // namespace cllm

#endif  // CLLM_KERNELS_LATTICE_CODE_H_
