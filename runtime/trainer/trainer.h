// Room: trainer. Forward, backward and update of every parameter of a model, inside the caller's room: steps
// only, no loop over data and no files. Class B arithmetic. Every kernel's work is cut at outputs, never
// inside a sum, so that results do not depend on the workers (DESIGN.md section 5).
#ifndef CLLM_TRAINER_TRAINER_H_
#define CLLM_TRAINER_TRAINER_H_

#include <cstddef>
#include <cstdint>

#include "base/status.h"
#include "model/model.h"
#include "session/layer.h"
#include "trainer/plan.h"

namespace cllm {

// The functions of cllm_trainer_*; cllm.h says what they do. The object lies at the start of its room.
class Trainer {
 public:
  static Status Create(const Model& model, const cllm_trainer_limits& limits, const cllm_workers* workers,
                       void* room, uint64_t room_bytes, Trainer** trainer);

  Status Accumulate(const uint32_t* inputs, const uint32_t* targets, uint32_t sequences, uint32_t length,
                    float weight, float* loss);
  Status Evaluate(const uint32_t* inputs, const uint32_t* targets, uint32_t sequences, uint32_t length,
                  float* loss);
  Status Update(const cllm_adamw& adamw, float* gradient_norm);
  Status Part(uint32_t index, cllm_trainer_part part, float** data, uint64_t* count);

 private:
  Trainer(const Model& model, const TrainerPlan& plan, const cllm_workers* workers, uint8_t* room);

  // trainer.cc
  void CopyWeights();
  void Place(const TableEntry& entry, const Tensor& tensor);
  Status CheckBatch(const uint32_t* inputs, const uint32_t* targets, uint32_t sequences,
                    uint32_t length) const;
  // forward.cc: the mean loss; with `weight` not nullptr also the gradient of *weight times it by the logits
  // and from there on.
  float Run(const uint32_t* inputs, const uint32_t* targets, const Rows& rows, const float* weight);
  void Forward(const uint32_t* inputs, const Rows& rows);
  void HeadAndLoss(const uint32_t* targets, size_t rows, bool gradient, float token_weight);
  void RowLosses(const uint32_t* targets, size_t begin, size_t count, bool gradient, float token_weight);
  AttentionBuffers AttentionOf(size_t layer, size_t rows) const;
  FeedForwardBuffers FeedForwardOf(size_t layer, size_t rows) const;
  // backward.cc
  void Backward(const uint32_t* inputs, const Rows& rows);
  void AttentionHalfBackward(size_t layer, const Rows& rows);
  void HeadsBackward(const AttentionBuffers& buffers, const Rows& rows, size_t begin, size_t end);
  void FeedForwardHalfBackward(size_t layer, size_t rows);
  void NormBackward(const Tensor& weight, const float* x, const float* inverse, size_t rows);
  void LinearWeightBackward(const Tensor& weights, const float* x, size_t x_stride, const float* dy,
                            size_t dy_stride, size_t rows);
  void Transpose(const Tensor& weights, size_t stored_rows);
  void LinearBackward(const Tensor& weights, const float* dy, size_t dy_stride, size_t rows, float* dx);
  void EmbeddingBackward(const uint32_t* inputs, size_t rows);
  // update.cc
  float GradientNorm();
  void Apply(const cllm_adamw& adamw, float gradient_scale);

  template <class T>
  T* At(uint64_t offset) const {
    return reinterpret_cast<T*>(room_ + offset);
  }
  float* Floats(uint64_t offset) const { return At<float>(offset); }
  // Residual stream and inverse of the norm before half `half` (attention of layer l: 2 l, feed-forward:
  // 2 l + 1), or at the end: 2 layers.
  float* Residual(size_t half, size_t rows) const {
    return Floats(plan_.residuals) + half * rows * shape_.width_stride;
  }
  float* Inverse(size_t half, size_t rows) const { return Floats(plan_.inverses) + half * rows; }
  LayerWeights& Layer(size_t layer) const { return At<LayerWeights>(plan_.layers)[layer]; }
  float* GradientOf(const Tensor& weights) const {
    return Floats(plan_.gradients) + (static_cast<const float*>(weights.data) - Floats(plan_.weights));
  }
  const cllm_workers* workers() const { return workers_.count > 1 ? &workers_ : nullptr; }

  Model model_;
  TrainerPlan plan_;
  LayerShape shape_;
  size_t vocabulary_stride_;
  Tensor embedding_ = {}, final_norm_ = {}, head_ = {};
  cllm_workers workers_;
  uint8_t* room_;
  // beta1^steps and beta2^steps, for the bias correction.
  double beta1_power_ = 1.0, beta2_power_ = 1.0;
};

static_assert(sizeof(Trainer) <= kTrainerBytes);

}  // namespace cllm

#endif  // CLLM_TRAINER_TRAINER_H_
