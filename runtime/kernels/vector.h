// Room: kernels. Elementwise kernels and reductions over rows of floats. n is a multiple of 16.
#ifndef CLLM_KERNELS_VECTOR_H_
#define CLLM_KERNELS_VECTOR_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

void Add(const float* x, size_t n, float* y);  // y += x
float SumOfSquares(const float* x, size_t n);  // 16 lanes, fixed tree

// Row `row` of f32 panels [rows/16][columns][16]: read into out (zeros to PaddedRow), or add to.
void GatherRow(const float* panels, size_t columns, size_t row, float* out);
void ScatterAddRow(const float* x, size_t columns, size_t row, float* panels);

// GatherRow of bf16 panels.
void GatherBf16Row(const uint16_t* panels, size_t columns, size_t row, float* out);

}  // namespace cllm

#endif  // CLLM_KERNELS_VECTOR_H_
