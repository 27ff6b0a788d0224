// Room: converter/train. The matrices of a trainer on the points of a lattice format, step by step: the row
// scales and the multipliers of blocks stay from step to step, so that a step only searches for points.
#ifndef CLLM_CONVERTER_TRAIN_LATTICE_WEIGHTS_H_
#define CLLM_CONVERTER_TRAIN_LATTICE_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "cllm/cllm.h"
#include "converter/export/panels.h"
#include "converter/lattice/aligned_floats.h"
#include "model/model.h"

namespace cllm {

class LatticeWeights {
 public:
  // `model`: the trainer's, in float32; it, the trainer and workers outlive this. start: its matrices rounded
  // to the format, whose scales and multipliers are taken; a matrix that is not there is left alone.
  LatticeWeights(const Model& model, cllm_trainer* trainer, int fine_bits, const RoundedTensors& start,
                 const cllm_workers* workers);

  // The trainer's weights move to the points of `start`.
  void StartFrom(const RoundedTensors& start);

  // The trainer's weights become their closest points, and again what they were.
  void Round();
  void Restore();

  // The closest points of the trainer's weights.
  RoundedTensors Points() const;

 private:
  struct Matrix {
    TensorKey key;
    uint32_t rows, columns;
    size_t panels, blocks;
    float* weights;  // the trainer's, [panels][columns][16]
    AlignedFloats own;
    AlignedFloats scales;       // [panels][16]
    AlignedFloats multipliers;  // [panels][blocks][16]
  };

  void RoundPanel(const Matrix& matrix, size_t panel, const float* from, float* to, int8_t* n) const;

  const Config& config_;
  const int fine_bits_;
  const cllm_workers* const workers_;
  std::vector<Matrix> matrices_;
  std::vector<size_t> first_panels_;  // of each matrix among all, and how many there are
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_TRAIN_LATTICE_WEIGHTS_H_
