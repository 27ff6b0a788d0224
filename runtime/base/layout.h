// Room: base. Sizes of the panel layouts and of padded rows: numbers only. DESIGN.md section 4.
//
// A matrix [rows][columns] is stored as panels of 16 output rows:
//   f32, bf16: [rows/16][columns][16]
//   int8: [rows/16][columns/4][16][4], then bf16 scales [rows padded]
//   int4: [rows/16][columns/8][16][4], a byte's low half column 8 u + i, its high half column 8 u + 4 + i;
//         then a byte a group of 32 columns [rows/16][groups/2][16][2], then bf16 scales [rows padded]
//   lattice: blocks of 32 columns [rows/16][columns/32][2 + fine bits][16][4]: byte planes, of each the
//         4 groups of a row side by side (kernels/lattice_code.h); then, 2 bits a block, the indices of the
//         rows' multipliers [rows/16][blocks/4][16]; then bf16 scales [rows padded]
// Rows pad to 16, int8 columns to 4, int4 columns to 8 and groups to 2, lattice columns to 32 and blocks
// to 4. A padding element is zero (int8 is stored with an offset of 128; int4's padding has the scale 0;
// lattice's is bytes 0, and inputs of 0 meet it). Vectors and rows of activations pad to 16 floats with
// zeros, so that kernels have no tails.
#ifndef CLLM_BASE_LAYOUT_H_
#define CLLM_BASE_LAYOUT_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

inline constexpr size_t kPanel = 16;
inline constexpr size_t kAlignment = 64;

constexpr uint64_t RoundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

constexpr uint64_t PaddedRow(uint64_t count) { return RoundUp(count, kPanel); }

constexpr uint64_t F32PanelBytes(uint64_t rows, uint64_t columns) {
  return RoundUp(rows, kPanel) * columns * sizeof(float);
}

constexpr uint64_t Bf16PanelBytes(uint64_t rows, uint64_t columns) {
  return RoundUp(rows, kPanel) * columns * sizeof(uint16_t);
}

// Bytes of the int8 panels alone; the scales follow directly.
constexpr uint64_t I8PanelBytes(uint64_t rows, uint64_t columns) {
  return RoundUp(rows, kPanel) * RoundUp(columns, 4);
}

constexpr uint64_t I8MatrixBytes(uint64_t rows, uint64_t columns) {
  return I8PanelBytes(rows, columns) + RoundUp(rows, kPanel) * sizeof(uint16_t);
}

// Columns of an int4 matrix that share the byte of their scale and zero.
inline constexpr size_t kI4Group = 32;

// Bytes of a panel's groups for one row: their number, rounded up to even.
constexpr uint64_t I4Groups(uint64_t columns) { return RoundUp(columns, 2 * kI4Group) / kI4Group; }

// Bytes of the halves alone; the groups' bytes follow directly, then the rows' scales.
constexpr uint64_t I4PanelBytes(uint64_t rows, uint64_t columns) {
  return RoundUp(rows, kPanel) * RoundUp(columns, 8) / 2;
}

constexpr uint64_t I4GroupBytes(uint64_t rows, uint64_t columns) {
  return RoundUp(rows, kPanel) * I4Groups(columns);
}

constexpr uint64_t I4MatrixBytes(uint64_t rows, uint64_t columns) {
  return I4PanelBytes(rows, columns) + I4GroupBytes(rows, columns) + RoundUp(rows, kPanel) * sizeof(uint16_t);
}

// Lattice weights, with 0, 1 or 2 fine bits: a group is a point of the lattice, a block has a multiplier.
inline constexpr size_t kLatticeGroup = 8, kLatticeBlock = 32;

constexpr uint64_t LatticeBlocks(uint64_t columns) { return RoundUp(columns, kLatticeBlock) / kLatticeBlock; }

// Bytes of a block of 16 rows.
constexpr size_t LatticeBlockBytes(int fine_bits) { return 64 * (2 + static_cast<size_t>(fine_bits)); }

// Bytes of the blocks alone; the multipliers follow directly, then the rows' scales.
constexpr uint64_t LatticePanelBytes(uint64_t rows, uint64_t columns, int fine_bits) {
  return RoundUp(rows, kPanel) / kPanel * LatticeBlocks(columns) * LatticeBlockBytes(fine_bits);
}

// Bytes of the multipliers for one row.
constexpr uint64_t LatticeMultiplierBytes(uint64_t columns) { return RoundUp(LatticeBlocks(columns), 4) / 4; }

constexpr uint64_t LatticeMatrixBytes(uint64_t rows, uint64_t columns, int fine_bits) {
  return LatticePanelBytes(rows, columns, fine_bits) +
         RoundUp(rows, kPanel) * (LatticeMultiplierBytes(columns) + sizeof(uint16_t));
}

// An adapter: the rows of its inner factor, then those of its outer one, `rank` each, padded (model/delta.h).
constexpr uint64_t AdapterFloats(uint64_t rank, uint64_t columns, uint64_t stored_rows) {
  return rank * (PaddedRow(columns) + stored_rows);
}

}  // namespace cllm

#endif  // CLLM_BASE_LAYOUT_H_
