// Room: kernels. The one float matrix product, for inference and for all three products of training; weights
// of inference may be bf16, which widen to the floats that they stand for.
// Class B: fused multiply-add, k upwards, one accumulator an output (DESIGN.md section 5).
#ifndef CLLM_KERNELS_GEMM_H_
#define CLLM_KERNELS_GEMM_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

// C[r][16 p + j] = (accumulate ? C : 0) + sum over k < depth of A[r][k] * B[p][k][j],
// for r < rows, panel_begin <= p < panel_end, j < 16. The sum starts at 0 and is added to C at the end.
//   A[r][k]    at a + r * a_row + k * a_k
//   B[p][k][j] at b + p * b_panel + k * b_k + j      (16 consecutive floats or bf16)
//   C[r][p][j] at c + r * c_row + p * c_panel + j    (16 consecutive floats)
// Strides are in elements. So with weights W in panels and row-major activations:
//   y = x W^T      A = x,   B = W panels,                  C = y (c_panel = 16)
//   dW += dy^T x   A = x^T, B = dy (b_panel = 16),         C = dW panels (c_row = 16), depth = tokens
//   dx = dy W      A = dy,  B = panels of W^T (Transpose), C = dx
template <class Weight>
struct BasicGemm {
  const float* a;
  size_t a_row, a_k;
  const Weight* b;
  size_t b_panel, b_k;
  float* c;
  size_t c_row, c_panel;
  size_t rows, depth;
  size_t panel_begin, panel_end;
  bool accumulate;
};

using Gemm = BasicGemm<float>;
using Bf16Gemm = BasicGemm<uint16_t>;

void GemmF32(const Gemm& gemm);

// The bits of GemmF32 with the same weights as float32.
void GemmBf16(const Bf16Gemm& gemm);

// Panels of W [rows/16][columns][16] -> panels of W^T [columns padded/16][rows][16], for panels
// [panel_begin, panel_end) of the result. Padding columns become zeros.
void TransposePanels(const float* panels, size_t rows, size_t columns, float* transposed, size_t panel_begin,
                     size_t panel_end);

}  // namespace cllm

#endif  // CLLM_KERNELS_GEMM_H_
