// Room: converter/lattice. Descent of a rounded row among the neighbours of its lattice points. Numbers only.
#ifndef CLLM_CONVERTER_LATTICE_DESCENT_H_
#define CLLM_CONVERTER_LATTICE_DESCENT_H_

#include <array>
#include <cstddef>
#include <vector>

#include "converter/lattice/nearest_plane.h"

namespace cllm {

// Sweeps over the groups of a row; in each the step to one of the 240 nearest neighbours of E8 that lowers
// e^T H e most, taken at once. Ends in a row that no such step improves, or after the given sweeps: a cheap
// stand-in for basis reduction, after which Babai's point cannot be improved by the short vectors either.
class Descent {
 public:
  explicit Descent(const NearestPlaneBasis& basis);

  // Improves row->n. weights [columns].
  void Improve(const float* weights, size_t columns, int fine_bits, int sweeps, RoundedRow* row) const;

  // The scale for which the row's points are closest to the weights, in the metric of the basis.
  void FitScale(const float* weights, size_t columns, RoundedRow* row) const;

 private:
  struct Step;
  class Search;
  const NearestPlaneBasis& basis_;
  std::vector<std::array<float, 128>> halves_;  // h^T H h by group, for the h of HalfVector
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_LATTICE_DESCENT_H_
