#include "converter/lattice/closest_point.h"

#include <bitset>

#include "kernels/lattice_code.h"
#include "kernels/lattice_search.h"

namespace cllm {
namespace {

constexpr int kLevels = 3;  // magnitudes m of a pattern: 0, 1, 2

// By two bits a coordinate.
using Patterns = std::bitset<1 << 16>;

const Patterns& AllPatterns() {
  static const Patterns* const patterns = [] {
    auto* const all = new Patterns;
    for (size_t index = 0; index < kLatticePatterns; ++index) {
      size_t bits = 0;
      for (size_t i = 0; i < kLatticeGroup; ++i) bits |= size_t{LatticePattern(index, i)} << 2 * i;
      all->set(bits);
    }
    return all;
  }();
  return *patterns;
}

}  // namespace

bool IsInCode(int fine_bits, const int8_t* n) {
  size_t bits = 0;
  for (size_t i = 0; i < 8; ++i) {
    const int coarse = n[i] >> fine_bits, magnitude = coarse < 0 ? -1 - coarse : coarse;
    if (magnitude >= kLevels) return false;
    bits |= static_cast<size_t>(magnitude) << 2 * i;
  }
  return AllPatterns().test(bits);
}

void ClosestPoints(int fine_bits, const Lanes targets[8], int8_t n[8][kLatticeLanes], Lanes* distances) {
  ClosestLatticePoints(fine_bits, reinterpret_cast<const float(*)[kLatticeLanes]>(targets), n,
                       distances->lane);
}

}  // namespace cllm
