// Room: kernels. Products with weights on the E8 lattice, class A: exact int32 sums, then separately rounded
// floats.
#ifndef CLLM_KERNELS_LATTICE_H_
#define CLLM_KERNELS_LATTICE_H_

#include <cstddef>
#include <cstdint>

#include "kernels/quantize.h"

namespace cllm {

// y[r][16 p + j] = (accumulate ? y : 0) + (float(acc) * weight_scale[16 p + j]) * scales[r].scale, where
// acc = sum over blocks of 32 columns of multiplier * (sum over the block's k of q[r][k] * point[k]), points
// in quarters: kernels/lattice_code.h. Layout: base/layout.h. depth = columns padded to 32; q: zeros up to
// there.
struct LatticeGemm {
  QuantizedRows x;  // with group_sums
  int fine_bits;    // 0, 1 or 2
  const uint8_t* weights;
  const uint8_t* multipliers;
  const uint16_t* weight_scales;
  float* y;
  size_t y_stride;
  size_t rows, depth;
  size_t panel_begin, panel_end;
  bool accumulate;
};

void GemmLattice(const LatticeGemm& gemm);

// Row `row` of a lattice matrix as floats: out[k] = (point * multiplier) * scale, columns floats, zeros to
// PaddedRow.
struct LatticeMatrix {
  int fine_bits;
  const uint8_t* weights;
  const uint8_t* multipliers;
  const uint16_t* weight_scales;
  size_t columns;
};
void DequantizeLatticeRow(const LatticeMatrix& matrix, size_t row, float* out);

}  // namespace cllm

#endif  // CLLM_KERNELS_LATTICE_H_
