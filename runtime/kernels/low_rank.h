// Room: kernels. Products with the two factors of an adapter (Hu et al., "LoRA", arXiv 2106.09685), and the
// gradients of weights that are trained beside frozen ones. Factors are row-major: `rank` rows, each padded
// with zeros to a multiple of 16, as rows of activations are.
#ifndef CLLM_KERNELS_LOW_RANK_H_
#define CLLM_KERNELS_LOW_RANK_H_

#include <cstddef>

namespace cllm {

// t[r][i] = (sum over k < count of x[r][k] * factor[i][k]) * scale, for r < rows, i < rank. The sum runs over
// 16 lanes, then a fixed tree; class A. count: a multiple of 16; t [rows][rank].
struct InnerFactor {
  const float* x;
  size_t x_stride;
  const float* factor;
  size_t count, rank;
  float scale;
};
void InnerProducts(const InnerFactor& inner, size_t rows, float* t);

// y[r][n] += sum over i < rank, upwards from 0, of t[r][i] * factor[i][n], for n of panels [panel_begin,
// panel_end) of 16; class A. factor [rank][stride].
struct OuterFactor {
  const float* factor;
  size_t stride, rank;
  size_t panel_begin, panel_end;
};
void AddOuterProducts(const OuterFactor& outer, const float* t, size_t rows, float* y, size_t y_stride);

// Gradient of a product's weights, whose sum over rows goes on from what it is: for m < a_count and n of
// panels [panel_begin, panel_end), c[m][p][j] + sum over r < rows of a[r][m] * b[r][16 p + j], fused, r
// upwards. So no cut of the rows into calls changes a bit. c[m][p][j] at c + m * c_row + p * c_panel + j.
// Class B.
struct RowGradient {
  const float* a;
  size_t a_stride, a_count;
  const float* b;
  size_t b_stride;
  float* c;
  size_t c_row, c_panel;
  size_t panel_begin, panel_end;
};
void AddRowGradient(const RowGradient& gradient, size_t rows);

}  // namespace cllm

#endif  // CLLM_KERNELS_LOW_RANK_H_
