// Room: kernels. The patterns of the lattice code as pairs of halves, for searches.
#ifndef CLLM_KERNELS_LATTICE_HALVES_H_
#define CLLM_KERNELS_LATTICE_HALVES_H_

#include <cstddef>
#include <cstdint>

#include "kernels/lattice_code.h"

namespace cllm {

inline constexpr size_t kLevels = 3;  // magnitudes m of a pattern: 0, 1, 2
inline constexpr size_t kPairLevels = kLevels * kLevels;
inline constexpr size_t kMostHalves = 64;

// Patterns as pairs of halves: 44 halves make the 256 patterns, and each half's costs are computed once.
struct LatticeHalves {
  size_t count;
  uint8_t pairs[kMostHalves][2];  // a half: two pairs of levels, each 3 * first + second
  uint8_t left[kLatticePatterns], right[kLatticePatterns];
};

constexpr uint8_t HalfNumber(LatticeHalves* halves, const uint8_t* m) {
  const uint8_t first = static_cast<uint8_t>(kLevels * m[0] + m[1]);
  const uint8_t second = static_cast<uint8_t>(kLevels * m[2] + m[3]);
  for (size_t i = 0; i < halves->count; ++i) {
    if (halves->pairs[i][0] == first && halves->pairs[i][1] == second) return static_cast<uint8_t>(i);
  }
  halves->pairs[halves->count][0] = first;
  halves->pairs[halves->count][1] = second;
  return static_cast<uint8_t>(halves->count++);
}

constexpr LatticeHalves MakeLatticeHalves() {
  LatticeHalves halves = {};
  for (size_t i = 0; i < kLatticePatterns; ++i) {
    halves.left[i] = HalfNumber(&halves, kLatticePatternTable.m[i]);
    halves.right[i] = HalfNumber(&halves, kLatticePatternTable.m[i] + 4);
  }
  return halves;
}

inline constexpr LatticeHalves kLatticeHalves = MakeLatticeHalves();

}  // namespace cllm

#endif  // CLLM_KERNELS_LATTICE_HALVES_H_
