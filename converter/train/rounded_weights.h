// Room: converter/train. Quantisation-aware training: for a while the trainer has the weights that a narrow
// format would make of its own, so that losses and gradients are those of the narrow model. The gradients
// then change the weights themselves (the straight-through estimator, Bengio et al., arXiv 1308.3432).
#ifndef CLLM_CONVERTER_TRAIN_ROUNDED_WEIGHTS_H_
#define CLLM_CONVERTER_TRAIN_ROUNDED_WEIGHTS_H_

#include <vector>

#include "cllm/cllm.h"
#include "converter/train/lattice_weights.h"
#include "model/model.h"

namespace cllm {

// While it lives, each matrix of the trainer is what PackTensor makes of it and UnpackTensor reads from that,
// or with a lattice what that makes of it.
class RoundedWeights {
 public:
  // `model`: the trainer's, in float32. Nothing happens if the format is that. lattice: of a run that
  // started from points, else nullptr.
  RoundedWeights(const Model& model, cllm_trainer* trainer, Dtype format, LatticeWeights* lattice,
                 const cllm_workers* workers);
  ~RoundedWeights();
  RoundedWeights(const RoundedWeights&) = delete;
  RoundedWeights& operator=(const RoundedWeights&) = delete;

 private:
  struct Matrix {
    float* weights;
    std::vector<float> own;
  };
  LatticeWeights* const lattice_;
  std::vector<Matrix> matrices_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_TRAIN_ROUNDED_WEIGHTS_H_
