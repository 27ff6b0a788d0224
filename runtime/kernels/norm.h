// Room: kernels. Root-mean-square norm (Zhang and Sennrich, arXiv 1910.07467), layer norm (Ba, Kiros and
// Hinton, arXiv 1607.06450), batch norm (Ioffe and Szegedy, arXiv 1502.03167), class A.
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

// y[r] = (x[r] - mean[r]) * inverse[r] * weight + bias, inverse[r] = 1 / sqrt(mean of (x - mean)^2 +
// epsilon). As above; parameters [2][stride]: weight, bias. mean, inverse: [rows] or nullptr both.
void LayerNorm(const float* x, const float* parameters, float epsilon, size_t rows, size_t count, float* y,
               float* mean, float* inverse);

// dx[r] += gradient through the norm of dy[r].
void LayerNormBackward(const float* x, const float* parameters, const float* mean, const float* inverse,
                       const float* dy, size_t rows, size_t count, float* dx);

// y[r] = x[r] * weight + bias; mean 0 and inverse 1, where they are asked for, say so to the backward pass.
void AffineNorm(const float* x, const float* parameters, size_t rows, size_t count, float* y, float* mean,
                float* inverse);

// dx[r] += dy[r] * weight.
void AffineNormBackward(const float* parameters, const float* dy, size_t rows, size_t count, float* dx);

// Of layer and affine norms: dweight += sum over rows of dy * (x - mean) * inverse, dbias += that of dy, rows
// upwards, for floats [begin, end) (multiples of 16). dparameters [2][stride].
void LayerNormBackwardWeight(const float* x, const float* mean, const float* inverse, const float* dy,
                             size_t rows, size_t stride, size_t begin, size_t end, float* dparameters);

// For columns [begin, end) (multiples of 16): moments [2][stride] become mean and inverse = 1 / sqrt(variance
// + epsilon) of x [rows][stride], sums with rows upwards; running [2][stride], mean and variance, moves a
// tenth of the way to those of these rows.
void BatchMoments(const float* x, float epsilon, size_t rows, size_t stride, size_t begin, size_t end,
                  float* moments, float* running);

// folded [2][stride], an affine norm's parameters, from a batch norm's weight and bias [2][stride] and
// moments [2][stride], for columns [begin, end).
void FoldBatchNorm(const float* parameters, const float* moments, size_t stride, size_t begin, size_t end,
                   float* folded);

// The moments that the running statistics stand for, for columns [begin, end).
void RunningMoments(const float* running, float epsilon, size_t stride, size_t begin, size_t end,
                    float* moments);

// For columns [begin, end): through [2][stride] becomes the means over rows of dy and dy * (x - mean) *
// inverse; dparameters [2][stride] += the sums.
void BatchNormBackwardSums(const float* x, const float* moments, const float* dy, size_t rows, size_t stride,
                           size_t begin, size_t end, float* through, float* dparameters);

// dx[r] += weight * inverse * (dy[r] - through[0] - (x[r] - mean) * inverse * through[1]).
void BatchNormBackward(const float* x, const float* parameters, const float* moments, const float* through,
                       const float* dy, size_t rows, size_t stride, float* dx);

// RMS norm of each of `heads` heads of head_size floats, one after the other at x and not padded, in place
// (query-key normalisation, Henry et al., arXiv 2010.04245). weight [head_size]. Element i of a head is in
// lane i mod 16 of the sum.
void RmsNormHeads(const float* weight, float epsilon, size_t heads, size_t head_size, float* x);

// From dy the gradient by x, in its place; x becomes what the head adds to the gradient of the weight, dy * x
// * inverse.
void RmsNormHeadsBackward(const float* weight, float epsilon, size_t heads, size_t head_size, float* x,
                          float* dy);

// dweight += the terms of `rows` rows, `stride` apart, of `heads` heads each, upwards, for floats [begin,
// end) of a head.
void AddHeadTerms(const float* terms, size_t rows, size_t stride, size_t heads, size_t head_size,
                  size_t begin, size_t end, float* dweight);

}  // namespace cllm

#endif  // CLLM_KERNELS_NORM_H_
