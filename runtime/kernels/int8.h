// Room: kernels. Integer-weight products, class A: exact int32 sums, then separately rounded floats.
#ifndef CLLM_KERNELS_INT8_H_
#define CLLM_KERNELS_INT8_H_

#include <cstddef>
#include <cstdint>

#include "kernels/quantize.h"

namespace cllm {

// y[r][16 p + j] = (accumulate ? y : 0) + (float(acc) * weight_scale[16 p + j]) * scales[r].scale, where
// acc = sum over k of q[r][k] * (w[p][k][j] - 128), exact. Weights as base/layout.h says: uint8 with an
// offset of 128, panels of 16 rows by 4 inputs, weight_scales bf16. depth = columns padded to 4.
struct Int8Gemm {
  const int8_t* q;
  size_t q_stride;
  const RowScale* scales;
  const uint8_t* weights;
  const uint16_t* weight_scales;
  float* y;
  size_t y_stride;
  size_t rows, depth;
  size_t panel_begin, panel_end;
  bool accumulate;
};

void GemmInt8(const Int8Gemm& gemm);

// Row `row` of an int8 matrix as floats: out[k] = (w - 128) * scale, columns floats, zeros to PaddedRow.
void DequantizeRow(const uint8_t* weights, const uint16_t* weight_scales, size_t columns, size_t row,
                   float* out);

}  // namespace cllm

#endif  // CLLM_KERNELS_INT8_H_
