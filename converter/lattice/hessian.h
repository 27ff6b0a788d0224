// Room: converter/lattice. The second moments of a matrix's inputs, and what nearest-plane rounding needs of
// them. Numbers only.
#ifndef CLLM_CONVERTER_LATTICE_HESSIAN_H_
#define CLLM_CONVERTER_LATTICE_HESSIAN_H_

#include <cstddef>
#include <vector>

#include "base/layout.h"
#include "kernels/lattice_code.h"

namespace cllm {

// Groups of 8 take turns in the columns of a block of 32; here each has 8 places side by side. The column at
// a place.
constexpr size_t LatticePlaceColumn(size_t place) {
  return place / kLatticeBlock * kLatticeBlock +
         LatticeColumn(place % kLatticeBlock / kLatticeGroup, place % kLatticeGroup);
}

// X^T X of inputs X [samples][size]: half the second derivative of the sum of squared errors of X w^T with
// respect to a row w.
struct Hessian {
  size_t size = 0;
  double samples = 0;
  std::vector<float> values;  // [size][size], symmetric

  // Adds `count` rows of inputs, `stride` floats apart.
  void Add(const float* inputs, size_t count, size_t stride);
};

// (A - B)^T Y of A and B [samples][rows], as something was and as it has become, and inputs Y
// [samples][columns].
struct CrossMoments {
  size_t rows = 0, columns = 0;
  std::vector<float> values;  // [rows][columns]

  void Add(const float* before, const float* after, size_t stride, const float* inputs, size_t input_stride,
           size_t count);
};

// What matrices are to make up for.
struct Changes {
  CrossMoments inputs;  // of the inputs themselves: X before, Y now
  CrossMoments stream;  // of the residual stream that the products are added to; or no values
};

// Adds to each row w of weights [rows][size] the change d for which Y (w + d)^T, plus what has become of the
// stream, is closest to X w^T plus the stream that was, in the least squares; the Hessian of Y damped as
// below.
void MakeUp(const Hessian& hessian, const Changes& changes, double damping, size_t rows, float* weights);

// The Hessian as a lattice basis: H + damping * (mean of H's diagonal) * I = M^T M with M lower triangular,
// whose row i tells what column i adds to the error, given the columns before it:
//   e^T H e = sum over i of (M_i0 e_0 + ... + M_ii e_i)^2.
// Columns are in the order of groups (LatticePlaceColumn) and padded to a multiple of 32 by columns that
// count next to nothing.
struct NearestPlaneBasis {
  size_t size = 0;            // padded
  std::vector<float> damped;  // [size][size]: H, damped and divided by the mean of its diagonal
  // [size][size]: by blocks of 8 columns (a group), M_bb^-1 M_bj for j before the group: the shift of its
  // targets that each earlier error asks for; in the group itself M_bb.
  std::vector<float> feedback;
};

// damping: positive, a share. A Hessian of zeros counts as the identity.
NearestPlaneBasis MakeBasis(const Hessian& hessian, double damping);

// As if all inputs were independent and of one size: plain rounding.
NearestPlaneBasis PlainBasis(size_t columns);

}  // namespace cllm

#endif  // CLLM_CONVERTER_LATTICE_HESSIAN_H_
