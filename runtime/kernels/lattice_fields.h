// Room: kernels. Tables and bit numbers that vectors decode lattice weights with (lattice_points-inl.h): the
// patterns as fields of two bits, and the bit matrices of GF2P8AFFINEQB. All constants.
#ifndef CLLM_KERNELS_LATTICE_FIELDS_H_
#define CLLM_KERNELS_LATTICE_FIELDS_H_

#include <cstddef>
#include <cstdint>

#include "kernels/lattice_code.h"

namespace cllm {

// Which of the two bytes of fields has weight i's, and from which bit on. Weights that have their signs in
// the lower halves of the code's bytes have their fields in the upper ones and the other way round, so that a
// half of either makes a byte with all that a pair of weights has.
constexpr size_t FieldByte(size_t i) { return i / 2 % 2; }
constexpr int FieldBit(size_t i) { return static_cast<int>((i < 4 ? 4 : 0) + i % 2 * 2); }

// Where weight i's sign is in its byte of the code.
constexpr int SignBit(int fine_bits, size_t i) {
  return static_cast<int>(fine_bits == 0 ? i : i % 2 + (i & 4));
}

// As bytes, magnitudes 0, 1, 2 as the bits 00, 01, 11, so that their parity is that of their bits.
struct LatticeGrayFields {
  alignas(64) uint8_t bytes[2][kLatticePatterns];
};

constexpr LatticeGrayFields MakeLatticeGrayFields() {
  LatticeGrayFields table = {};
  for (size_t i = 0; i < kLatticePatterns * kLatticeGroup; ++i) {
    const int m = LatticePattern(i / 8, i % 8), bits = m == 2 ? 3 : m;
    uint8_t& byte = table.bytes[FieldByte(i % 8)][i / 8];
    byte = static_cast<uint8_t>(byte | bits << FieldBit(i % 8));
  }
  return table;
}

inline constexpr LatticeGrayFields kLatticeGrayFields = MakeLatticeGrayFields();

// Both bytes of a pattern, the second four bytes after the first and zeros elsewhere: a word of eight bytes
// read g < 4 bytes before its start has both g bytes later, for what is before it is zeros. So the words of a
// row's four groups are joined without shifts. 2 KB.
struct LatticeFieldWords {
  alignas(64) uint8_t bytes[8 + 8 * kLatticePatterns];
};

constexpr LatticeFieldWords MakeLatticeFieldWords() {
  LatticeFieldWords words = {};
  for (size_t i = 0; i < kLatticePatterns * kLatticeGroup; ++i) {
    uint8_t& byte = words.bytes[8 + i / 8 * 8 + 4 * FieldByte(i % 8)];
    byte = static_cast<uint8_t>(byte | LatticePattern(i / 8, i % 8) << FieldBit(i % 8));
  }
  return words;
}

inline constexpr LatticeFieldWords kLatticeFieldWords = MakeLatticeFieldWords();

// The row of a matrix that makes bit `bit` of the result from the source's bits `bits`.
constexpr uint64_t MatrixRow(int bit, int bits) {
  return static_cast<uint64_t>(bits & 0xFF) << (8 * (7 - bit));
}

// In bit `bit` of the result, or in every one, the parity of the source's bits `bits`.
template <int bit, int bits>
inline constexpr uint64_t kParityBit = MatrixRow(bit, bits);
inline constexpr uint64_t kEachParity = ~uint64_t{0};

// Without fine bits: where the bytes of signs get the parity, for pairs 0 and 2, and for 1 and 3.
inline constexpr uint8_t kParityOfEven = 0x88, kParityOfOdd = 0x22;

// With two: the bits of a pair's byte that are weight i's. The other weight's make room for the lowest bit
// and the parity of weight i, which come from a byte of such bits of half a group: the lowest bits of its
// weights of one kind, even or odd, in order, and the parity, where weights of the other kind have their own.
constexpr int OwnBits(size_t i) { return 5 << SignBit(2, i) | 3 << FieldBit(i); }

// Bit `number`, from below, of those that are weight i's partner's.
constexpr int SpareBit(size_t i, int number) {
  int bit = 0;
  for (int left = number;; ++bit) {
    if ((OwnBits(i) >> bit & 1) == 0 && left-- == 0) return bit;
  }
}
constexpr int LowBit(size_t i) { return SpareBit(i, static_cast<int>(i / 2 % 2)); }
constexpr int ParityBit(size_t i) { return SpareBit(i, 2); }

// From the byte of a group's lowest bits to those for weights 4 half and on.
constexpr uint64_t LowBitsMatrix(size_t half) {
  uint64_t matrix = 0;
  for (size_t i = 4 * half; i < 4 * half + 4; ++i) {
    matrix |= MatrixRow(LowBit(i), 1 << i) | MatrixRow(ParityBit(i), 0xFF);
  }
  return matrix;
}

// From the byte that has weight i's bits to its coordinate, 1 and 128 still to be flipped; with one fine bit
// the parity, too.
constexpr uint64_t PointMatrix(int fine_bits, size_t i) {
  const int unit = fine_bits + 2, sign = 1 << SignBit(fine_bits, i), field = FieldBit(i);
  uint64_t matrix = MatrixRow(unit, sign | 3 << field) | MatrixRow(unit + 1, sign | 2 << field);
  for (int bit = unit + 2; bit < 8; ++bit) matrix |= MatrixRow(bit, sign);
  if (fine_bits != 0) matrix |= MatrixRow(unit - 1, sign << 2);
  if (fine_bits == 0)
    matrix |= MatrixRow(1, (i < 4 ? 0x0F : 0xF0) & (i % 4 < 2 ? kParityOfEven : kParityOfOdd));
  if (fine_bits == 2) matrix |= MatrixRow(2, 1 << LowBit(i)) | MatrixRow(1, 1 << ParityBit(i));
  return matrix;
}

}  // namespace cllm

#endif  // CLLM_KERNELS_LATTICE_FIELDS_H_
