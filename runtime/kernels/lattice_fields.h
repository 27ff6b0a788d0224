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

struct LatticeFieldTable {
  alignas(64) uint8_t bytes[2][kLatticePatterns];
};

constexpr LatticeFieldTable MakeLatticeFields() {
  LatticeFieldTable table = {};
  for (size_t index = 0; index < kLatticePatterns; ++index) {
    for (size_t i = 0; i < kLatticeGroup; ++i) {
      uint8_t& byte = table.bytes[FieldByte(i)][index];
      byte = static_cast<uint8_t>(byte | LatticePattern(index, i) << FieldBit(i));
    }
  }
  return table;
}

inline constexpr LatticeFieldTable kLatticeFields = MakeLatticeFields();

// The row of a matrix that makes bit `bit` of the result from the source's bits `bits`.
constexpr uint64_t MatrixRow(int bit, int bits) {
  return static_cast<uint64_t>(bits & 0xFF) << (8 * (7 - bit));
}

// Of the source's bits in the mask, the parity: in every bit of the result, or in bit 1.
template <int kBits>
inline constexpr uint64_t kEachParity = MatrixRow(0, kBits) | MatrixRow(1, kBits) | MatrixRow(2, kBits) |
                                        MatrixRow(3, kBits) | MatrixRow(4, kBits) | MatrixRow(5, kBits) |
                                        MatrixRow(6, kBits) | MatrixRow(7, kBits);
template <int kBits>
inline constexpr uint64_t kParityBit = MatrixRow(1, kBits);

// Without fine bits: where the bytes of signs get the parity, for pairs 0 and 2, and for 1 and 3.
inline constexpr uint8_t kParityOfEven = 0x88, kParityOfOdd = 0x22;

// From the byte of a pair to the bits of weight i's coordinate that it has, 1 and 128 still to be flipped.
constexpr uint64_t PointMatrix(int fine_bits, size_t i) {
  const int unit = fine_bits + 2, sign = 1 << SignBit(fine_bits, i);
  uint64_t matrix = 0;
  if (fine_bits == 0)
    matrix |= MatrixRow(1, (i < 4 ? 0x0F : 0xF0) & (i % 4 < 2 ? kParityOfEven : kParityOfOdd));
  if (fine_bits != 0) matrix |= MatrixRow(unit - 1, sign << 2);
  for (int bit = unit; bit < 8; ++bit) {
    matrix |= MatrixRow(bit, sign | (bit < unit + 2 ? 1 << (FieldBit(i) + bit - unit) : 0));
  }
  return matrix;
}

// From the byte of lowest bits to weight i's own and to twice the parity.
constexpr uint64_t LowBitMatrix(size_t i) { return MatrixRow(2, 1 << i) | MatrixRow(1, 0xFF); }

}  // namespace cllm

#endif  // CLLM_KERNELS_LATTICE_FIELDS_H_
