// Room: kernels. Root-mean-square norm (Zhang and Sennrich, arXiv 1910.07467), class A.
#ifndef CLLM_KERNELS_NORM_H_
#define CLLM_KERNELS_NORM_H_

#include <cstddef>

namespace cllm {

// y[r] = x[r] * inverse[r] * weight, inverse[r] = 1 / sqrt(mean of x[r]^2 + epsilon).
// x, y: [rows][stride], stride = PaddedRow(count), padding zero on entry and exit; weight [stride], padding
// zero. y may be x. inverse [rows] or nullptr. The sum of squares runs over 16 lanes, then a fixed tree.
void RmsNorm(const float* x, const float* weight, float epsilon, size_t rows, size_t count, float* y,
             float* inverse);

// dx[r] += gradient through the norm of dy[r]. x and inverse are the forward's. Rows are independent.
void RmsNormBackward(const float* x, const float* weight, const float* inverse, const float* dy, size_t rows,
                     size_t count, float* dx);

// dweight += sum over rows of dy * x * inverse, rows upwards, for floats [begin, end) (multiples of 16).
void RmsNormBackwardWeight(const float* x, const float* inverse, const float* dy, size_t rows, size_t stride,
                           size_t begin, size_t end, float* dweight);

}  // namespace cllm

#endif  // CLLM_KERNELS_NORM_H_
