// Room: kernels. Products with 4-bit weights, class A: exact int32 sums, then separately rounded floats.
#ifndef CLLM_KERNELS_INT4_H_
#define CLLM_KERNELS_INT4_H_

#include <cstddef>
#include <cstdint>

#include "kernels/quantize.h"

namespace cllm {

// A group of 32 columns of a row has a byte of two halves: the low one its scale g, the high one its zero z.
// A weight is (2 n - 7 - z) * g * weight_scale, n the weight's own half of a byte.
inline constexpr int kI4ZeroBias = 7;

// y[r][16 p + j] = (accumulate ? y : 0) + (float(acc) * weight_scale[16 p + j]) * scales[r].scale, where
// acc = sum over groups of g * (sum over the group's k of q[r][k] * (2 n - 7 - z)), modulo 2^32. A group
// gives at most 15 * 32 * 127 * 23 = 1,402,080, so that up to 1,531 groups (48,992 columns) cannot leave 32
// bits; the writer of a file sees to it that the rows of a longer matrix do not either.
// Layout of weights and group_scales: base/layout.h. depth = columns padded to 8; q: zeros up to there.
struct Int4Gemm {
  QuantizedRows x;  // with group_sums
  const uint8_t* weights;
  const uint8_t* group_scales;
  const uint16_t* weight_scales;
  float* y;
  size_t y_stride;
  size_t rows, depth;
  size_t panel_begin, panel_end;
  bool accumulate;
};

void GemmInt4(const Int4Gemm& gemm);

// Row `row` of an int4 matrix as floats: out[k] = ((2 n - 7 - z) * g) * scale, columns floats, zeros to
// PaddedRow.
void DequantizeInt4Row(const uint8_t* weights, const uint8_t* group_scales, const uint16_t* weight_scales,
                       size_t columns, size_t row, float* out);

}  // namespace cllm

#endif  // CLLM_KERNELS_INT4_H_
