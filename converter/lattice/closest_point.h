// Room: converter/lattice. The points of the lattice formats' code (kernels/lattice_code.h), and the closest
// of them to any eight numbers, exactly. Numbers only.
#ifndef CLLM_CONVERTER_LATTICE_CLOSEST_POINT_H_
#define CLLM_CONVERTER_LATTICE_CLOSEST_POINT_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

inline constexpr size_t kLatticeLanes = 16;  // searches side by side: rows of a panel

// One number for each lane.
struct alignas(64) Lanes {
  float lane[kLatticeLanes];
};

// Coordinates of a point: n + 1/4, or n + 3/4 where the sum of the eight n is odd.
inline float PointOffset(int sum_of_n) { return sum_of_n % 2 == 0 ? 0.25f : 0.75f; }

// Whether these eight integers are in the code with this many fine bits.
bool IsInCode(int fine_bits, const int8_t* n);

// For each lane the n of the point of the code that is closest to targets[0..7] in squared distance, which
// goes to `distances`. Of points at the same distance any. targets: finite, |target| < 2^20.
void ClosestPoints(int fine_bits, const Lanes targets[8], int8_t n[8][kLatticeLanes], Lanes* distances);

}  // namespace cllm

#endif  // CLLM_CONVERTER_LATTICE_CLOSEST_POINT_H_
