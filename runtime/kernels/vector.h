// Room: kernels. Elementwise kernels and reductions over rows of floats. n is a multiple of 16.
#ifndef CLLM_KERNELS_VECTOR_H_
#define CLLM_KERNELS_VECTOR_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

void Add(const float* x, size_t n, float* y);  // y += x
void Scale(float factor, size_t n, float* x);  // x = factor x
float SumOfSquares(const float* x, size_t n);  // 16 lanes, fixed tree

// sums += sum over rows of x [rows][stride], rows upwards, for columns [begin, end), multiples of 16.
void SumRows(const float* x, size_t rows, size_t stride, size_t begin, size_t end, float* sums);

// Row `row` of f32 panels [rows/16][columns][16]: read into out (zeros to PaddedRow), or add to.
void GatherRow(const float* panels, size_t columns, size_t row, float* out);
void ScatterAddRow(const float* x, size_t columns, size_t row, float* panels);

// GatherRow of bf16 panels.
void GatherBf16Row(const uint16_t* panels, size_t columns, size_t row, float* out);

}  // namespace cllm

#endif  // CLLM_KERNELS_VECTOR_H_
