// Room: trainer. Which matrices Muon makes orthogonal, and how: the matrices of a model's layers, at most
// seven a layer, each in floats of its own, so that the workers take whole matrices and no result depends on
// them. Source: Jordan, Jin, Boza, You, Cesista, Newhouse, Bernstein, "Muon: an optimizer for hidden layers
// in neural networks", 2024 (the method and the three coefficients); Liu et al., "Muon is scalable for LLM
// training", arXiv 2502.16982 (the scale).
#ifndef CLLM_TRAINER_MUON_H_
#define CLLM_TRAINER_MUON_H_

#include <cstddef>
#include <cstdint>

#include "base/layout.h"
#include "model/model.h"

namespace cllm {

// Query, key, value, attention output, gate if there is one, up, down.
inline size_t MatricesPerLayer(const Config& config) { return 5 + config.variant.feed_forward_inputs(); }

inline bool IsLayerMatrix(Role role) {
  return role == Role::kQueryKeyValue || role == Role::kAttentionOutput || role == Role::kGateUp ||
         role == Role::kDown;
}

// A matrix in the panels of a tensor, alone or beside others.
struct MatrixPlace {
  Role role;
  size_t rows, columns;
  size_t first_row;                // in the tensor
  size_t panel_step, panel_first;  // its panels are panel_first + panel_step n: gate and up alternate

  size_t smaller() const { return rows < columns ? rows : columns; }
  size_t larger() const { return rows < columns ? columns : rows; }
  // Of the element in the tensor's floats.
  size_t Index(size_t row, size_t column) const {
    const size_t stored = first_row + row;
    return ((stored / kPanel * panel_step + panel_first) * columns + column) * kPanel + stored % kPanel;
  }
};

// number < MatricesPerLayer
MatrixPlace MatrixOf(const Config& config, size_t number);

// Floats that making the largest of the matrices orthogonal takes.
uint64_t MuonFloats(const Config& config);

// Replaces the matrix at `place` in `tensor`, M = U S V^T, by about 0.2 sqrt(larger side) U V^T: five
// Newton-Schulz steps bring singular values near 1 (0.7 to 1.2), but for those that are tiny beside the
// largest. scratch: MuonFloats.
void Orthogonalize(const MatrixPlace& place, float* tensor, float* scratch);

}  // namespace cllm

#endif  // CLLM_TRAINER_MUON_H_
