// Room: kernels. The gradient of a product's inputs through a frozen matrix, which stays as it is stored.
// Class B: the bits of GemmF32 with the panels of the transposed matrix as floats, which never exist.
#ifndef CLLM_KERNELS_INPUT_GRADIENT_H_
#define CLLM_KERNELS_INPUT_GRADIENT_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

// As base/layout.h has them; the values of Dtype.
enum class StoredFormat : uint8_t {
  kF32 = 0,
  kBf16 = 1,
  kI8 = 2,
  kI4 = 3,
  kLattice2 = 4,
  kLattice3 = 5,
  kLattice4 = 6,
};

// A matrix of `stored_rows` rows, a multiple of 16, and `columns` columns. group_scales: of int4, the
// multipliers of lattices; scales: of integers.
struct StoredMatrix {
  StoredFormat format;
  const void* weights;
  const uint8_t* group_scales;
  const uint16_t* scales;
  size_t stored_rows, columns;
};

// dx[r][16 p + j] = sum over n < stored_rows of dy[r][n] * W[n][16 p + j], fused, n upwards from 0, for
// r < rows and panels [panel_begin, panel_end) of dx; 0 beyond the columns.
struct InputGradient {
  const float* dy;
  size_t dy_stride;
  float* dx;
  size_t dx_stride;
  size_t rows;
  size_t panel_begin, panel_end;
};
void MultiplyTransposed(const StoredMatrix& matrix, const InputGradient& gradient);

// The matrix as panels of float32 [stored_rows / 16][columns][16].
void ToFloatPanels(const StoredMatrix& matrix, float* panels);

}  // namespace cllm

#endif  // CLLM_KERNELS_INPUT_GRADIENT_H_
