// Room: converter/train. Quantisation-aware training: for a while the trainer has the weights that a narrow
// format would make of its own, so that losses and gradients are those of the narrow model. The gradients
// then change the weights themselves (the straight-through estimator, Bengio et al., arXiv 1308.3432).
#ifndef CLLM_CONVERTER_TRAIN_ROUNDED_WEIGHTS_H_
#define CLLM_CONVERTER_TRAIN_ROUNDED_WEIGHTS_H_

#include <vector>

#include "cllm/cllm.h"
#include "model/model.h"

namespace cllm {

// While it lives, each matrix of the trainer is what PackTensor makes of it and UnpackTensor reads from that.
class RoundedWeights {
 public:
  // `model`: the trainer's, in float32. Nothing happens if the format is that.
  RoundedWeights(const Model& model, cllm_trainer* trainer, Dtype format, const cllm_workers* workers);
  ~RoundedWeights();
  RoundedWeights(const RoundedWeights&) = delete;
  RoundedWeights& operator=(const RoundedWeights&) = delete;

 private:
  struct Matrix {
    float* weights;
    std::vector<float> own;
  };
  std::vector<Matrix> matrices_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_TRAIN_ROUNDED_WEIGHTS_H_
