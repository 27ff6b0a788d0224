// Room: converter/lattice. All matrices of a model as lattice points, one after the other in the order in
// which they are computed with: each is rounded for the inputs that those before it, rounded already, give
// it.
#ifndef CLLM_CONVERTER_LATTICE_ROUND_MODEL_H_
#define CLLM_CONVERTER_LATTICE_ROUND_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "converter/checkpoint/checkpoint.h"
#include "converter/export/panels.h"
#include "converter/lattice/nearest_plane.h"
#include "model/model.h"

namespace cllm {

struct RoundModelOptions {
  double damping = 0.03;  // of the second moments, a share of their mean
  bool make_up = true;  // for what earlier rounding changed in a matrix's inputs, and in the residual stream
  RoundingOptions rounding;                        // fine_bits is not looked at
  std::function<void(const TensorKey&)> progress;  // after each matrix; may be empty
};

// Which matrices, with how many fine bits each.
using FineBitsByTensor = std::map<TensorKey, int>;

// `checkpoint` holds the float weights of `model`. windows: tokens below the vocabulary's size, at most the
// context in each; without windows each matrix is rounded by itself.
RoundedTensors RoundModel(const Model& model, const Checkpoint& checkpoint,
                          const std::vector<std::vector<uint32_t>>& windows, const FineBitsByTensor& matrices,
                          const RoundModelOptions& options);

// The float weights that a rounded matrix stands for.
FloatTensor Dequantized(const std::vector<RoundedRow>& rows, uint32_t columns);

}  // namespace cllm

#endif  // CLLM_CONVERTER_LATTICE_ROUND_MODEL_H_
