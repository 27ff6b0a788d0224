// Room: converter/lattice. Which format for which tensor: the least loss for a number of bytes. Numbers only.
#ifndef CLLM_CONVERTER_LATTICE_ALLOCATE_H_
#define CLLM_CONVERTER_LATTICE_ALLOCATE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cllm {

struct FormatChoice {
  uint64_t bytes;
  double loss;  // what the tensor in this format costs, other tensors as they were
};

// One choice for each tensor, so that their bytes are at most `budget` and the sum of their losses is the
// least but for what one tensor's step between two choices is worth: the choices that are best for some price
// of a byte (Lagrange), and what is left of the budget is then spent where it helps most (Shoham and Gersho,
// "Efficient bit allocation for an arbitrary set of quantizers", 1988). Empty if even the smallest do not
// fit.
std::vector<size_t> Allocate(const std::vector<std::vector<FormatChoice>>& tensors, uint64_t budget);

}  // namespace cllm

#endif  // CLLM_CONVERTER_LATTICE_ALLOCATE_H_
