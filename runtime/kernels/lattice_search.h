// Room: kernels. The closest points of the lattice code (kernels/lattice_code.h) to groups of eight numbers,
// exactly. Sixteen searches go side by side: the rows of a panel. Separately rounded operations only, the
// same bits on every target. About 16 KB of stack: for hosts.
#ifndef CLLM_KERNELS_LATTICE_SEARCH_H_
#define CLLM_KERNELS_LATTICE_SEARCH_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

// For each lane l the n of the point of the code that is closest to targets[0..7][l], and its squared
// distance: that of n + 1/4, or n + 3/4 where the sum of the eight is odd. Of points at the same distance
// any. targets: finite, of magnitudes below 2^20; 64-byte aligned, like distances.
void ClosestLatticePoints(int fine_bits, const float targets[8][16], int8_t n[8][16], float distances[16]);

// A panel of weights [columns][16] and what it is rounded with: weight = scale of the row * multiplier of
// the row's block * point.
struct LatticePanelRounding {
  int fine_bits;
  size_t columns;
  const float* scales;       // [16]; 0: the row is zero
  const float* multipliers;  // [blocks][16], the numbers themselves
};

// rounded [columns][16]: the weights' closest points with these scales and multipliers; where n is not
// nullptr, n [columns padded to 32][16] has their integers, by place: group after group. Targets in columns
// that are not there are 0. All but n 64-byte aligned.
void RoundLatticePanel(const LatticePanelRounding& rounding, const float* weights, float* rounded, int8_t* n);

}  // namespace cllm

#endif  // CLLM_KERNELS_LATTICE_SEARCH_H_
