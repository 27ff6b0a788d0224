// Room: trainer. Forward, backward and update of every parameter of a model, inside the caller's room: steps
// only, no loop over data and no files. Class B arithmetic. Every kernel's work is cut at outputs, never
// inside a sum, so that results do not depend on the workers (DESIGN.md section 5).
#ifndef CLLM_TRAINER_TRAINER_H_
#define CLLM_TRAINER_TRAINER_H_

#include <cstddef>
#include <cstdint>

#include "base/features.h"
#include "base/layout.h"
#include "base/ranges.h"
#include "base/status.h"
#include "kernels/dropout.h"
#include "kernels/optimizer.h"
#include "model/model.h"
#include "session/layer.h"
#include "trainer/plan.h"

namespace cllm {

inline constexpr size_t kBandsPerWorker = 4;
inline constexpr size_t kBandRows = 96;  // fewer make products slower

// As many sequences of equal length, row after row.
struct SequenceBatch {
  size_t sequences, length;
  size_t count() const { return sequences * length; }
};

// Whole sequences of a batch, from number `sequence` on. Either one worker takes them through all steps that
// need no other rows (workers is nullptr), or they are the whole batch and each step is cut for the workers.
struct Band {
  size_t sequence;
  SequenceBatch batch;
  const cllm_workers* workers;
  size_t row() const { return sequence * batch.length; }
};

// One of `count` shares of a fork's work: the fork of weight gradients cuts several matrices at once.
struct Share {
  size_t index, count;
  size_t Begin(size_t items) const { return items * index / count; }
  size_t End(size_t items) const { return items * (index + 1) / count; }
  // The same cut with its shares in reverse, so that what does not divide evenly is not always the same
  // worker's.
  Share Reversed() const { return {count - 1 - index, count}; }
};

// The functions of cllm_trainer_*; cllm.h says what they do. The object lies at the start of its room.
class Trainer {
 public:
  static Status Create(const Model& model, const cllm_trainer_limits& limits, const cllm_workers* workers,
                       void* room, uint64_t room_bytes, Trainer** trainer);

  Status Accumulate(const uint32_t* inputs, const uint32_t* targets, uint32_t sequences, uint32_t length,
                    float weight, float* loss);
  Status Evaluate(const uint32_t* inputs, const uint32_t* targets, uint32_t sequences, uint32_t length,
                  float* loss);
  Status Update(const cllm_optimizer& optimizer, float* gradient_norm);
  Status Regularize(const cllm_regularization& regularization);
  Status Distill(Trainer* teacher, float share);
  Status Part(uint32_t index, cllm_trainer_part part, float** data, uint64_t* count);
  Status GetState(cllm_trainer_state* state) const;
  Status SetState(const cllm_trainer_state& state);

 private:
  Trainer(const Model& model, const TrainerPlan& plan, const cllm_workers* workers, uint8_t* room);

  // trainer.cc
  void CopyWeights();
  void Place(const TableEntry& entry, const Tensor& tensor);
  void PlaceFactors();
  Status CheckBatch(const uint32_t* inputs, const uint32_t* targets, uint32_t sequences,
                    uint32_t length) const;
  SequenceBatch Begin(uint32_t sequences, uint32_t length);  // writes the runs
  // forward.cc: the mean loss; with `weight` not nullptr also the gradient of *weight times it by the logits
  // and from there on.
  float Run(const uint32_t* inputs, const uint32_t* targets, const SequenceBatch& batch, const float* weight);
  void Forward(const uint32_t* inputs, const SequenceBatch& batch, bool training);
  void RoundWeights();                          // the factors, if mixed
  void HeadLogits(size_t begin, size_t count);  // of so many rows from `begin` on
  const float* MappedLogits(size_t r);
  void HeadAndLoss(const uint32_t* targets, size_t rows, bool gradient, float token_weight);
  void RowLosses(const uint32_t* targets, size_t begin, size_t first, size_t last, bool gradient,
                 float token_weight);
  // The band's rows as the layer takes them, counted from its own first.
  Rows RowsOf(const Band& band) const {
    return {At<cllm::Run>(plan_.runs), band.batch.sequences, 0, band.batch.count()};
  }
  // The buffers of a band in a batch of `rows` rows.
  HalfBuffers HalfOf(size_t half, size_t rows, const Band& band) const;
  AttentionBuffers AttentionOf(size_t layer, size_t rows, const Band& band) const;
  FeedForwardBuffers FeedForwardOf(size_t layer, size_t rows, const Band& band) const;
  // backward.cc. Halves are numbered as in Residual().
  void Backward(const uint32_t* inputs, const SequenceBatch& batch);
  // Matrices that were turned are told by where they begin in the plan's space for them, in elements.
  void LinearBackward(const Tensor& weights, size_t transposed, const float* dy, size_t dy_stride,
                      size_t rows, size_t begin, size_t end, float* dx) const;
  void LinearBackward(const Tensor& weights, size_t transposed, const float* dy, size_t dy_stride,
                      const Band& band, float* dx) const;
  void NormBackward(size_t half, size_t rows, const Band& band);
  void NormRowsBackward(size_t half, size_t rows, size_t begin, size_t end, float* d_residual) const;
  void FeedForwardHalfBackward(size_t layer, size_t rows, const Band& band);
  void AttentionHalfBackward(size_t layer, size_t rows, const Band& band);
  void HeadsBackward(const AttentionBuffers& buffers, const Band& band, size_t begin, size_t end);
  void RotateBackward(const LayerWeights& weights, const AttentionBuffers& buffers, const Band& band,
                      size_t begin, size_t end);
  void EmbeddingBackward(const uint32_t* inputs, const SequenceBatch& batch);
  // backward_weights.cc
  void HalfWeightsBackward(size_t half, const SequenceBatch& batch);
  void TransposeHalf(size_t half, const Share& share);
  void Transpose(const Tensor& weights, size_t stored_rows, size_t transposed, const Share& share) const;
  void LinearWeightBackward(const Tensor& weights, const float* x, size_t x_stride, const float* dy,
                            size_t dy_stride, size_t rows, const Share& share) const;
  void NormWeightBackward(size_t half, size_t rows, const Share& share) const;
  void BiasBackward(const float* bias, const float* dy, size_t dy_stride, size_t rows,
                    const Share& share) const;
  void HeadNormWeightsBackward(size_t layer, size_t rows, const Share& share) const;

  // Cuts the batch into a band for each worker, or into a single one where that would leave workers idle.
  template <class Body>
  void ForBands(const SequenceBatch& batch, const Body& body) const {
    const size_t count = BandCount(batch);
    ParallelFor(workers(), static_cast<uint32_t>(count), [&](uint32_t i) {
      const size_t begin = batch.sequences * i / count, end = batch.sequences * (i + 1) / count;
      body(Band{begin, {end - begin, batch.length}, count > 1 ? nullptr : workers()});
    });
  }
  size_t BandCount(const SequenceBatch& batch) const;
  // Runs body(share) over the shares of about `macs` multiply-adds.
  template <class Body>
  void ForShares(size_t macs, const Body& body) const {
    const size_t count = RangeCount(workers(), macs, 1);
    ParallelFor(workers(), static_cast<uint32_t>(count), [&](uint32_t i) { body(Share{i, count}); });
  }
  // regularize.cc: nothing, without dropout.
  template <class Body>
  void ForDroppedRows(size_t place, const Band& band, const Body& body) const;
  void DropEmbedded(const Band& band, float* x) const;                       // of embedding or its gradient
  void DropAdded(size_t half, size_t rows, const Band& band) const;          // from what the half added
  void DropAddedBackward(size_t half, size_t rows, const Band& band) const;  // into AddedGradient()
  // batch_norm.cc. Statistics are those of all rows of a batch, which is therefore never cut into bands.
  float* BatchNormOf(size_t half) const;
  void PlaceFoldedNorms();
  void FoldNorm(size_t half, size_t rows, bool training);
  void BatchNormSums(size_t half, size_t rows) const;
  // update.cc
  float GradientNorm();
  AdamWStep NextAdamWStep(const cllm_optimizer& optimizer, float gradient_scale);
  void Apply(const cllm_optimizer& optimizer, float gradient_scale);
  // Cuts all weights for the workers: body(tensor, begin, end) for floats [begin, end) of the weights, which
  // are of one tensor. A range may begin in one tensor and end in another.
  template <class Body>
  void ForWeights(const Body& body) const {
    const uint64_t* offsets = At<uint64_t>(plan_.tensor_offsets);
    const size_t panels = static_cast<size_t>(plan_.weight_floats) / kPanel;
    ForRanges(workers(), panels, kPanel * 8, [&](size_t first, size_t last) {
      for (uint32_t i = 0; i < model_.tensor_count; ++i) {
        const uint64_t begin = offsets[i] > first * kPanel ? offsets[i] : first * kPanel;
        const uint64_t end = offsets[i + 1] < last * kPanel ? offsets[i + 1] : last * kPanel;
        if (begin < end) body(i, begin, end);
      }
    });
  }
  // muon.cc: directions of the layers' matrices, in place of their gradients, which hold momenta.
  void Orthogonalize();

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
  // Of what the half added to the residual stream, before dropout and scale: [rows][width].
  const float* AddedGradient(size_t half, size_t rows) const {
    const bool same = dropout_.threshold == 0 && shape_.variant.residual_scale == 1.0f;
    return same ? Floats(plan_.d_residual) : Residual(half + 1, rows);
  }
  float* Inverse(size_t half, size_t rows) const { return Floats(plan_.inverses) + half * rows; }
  float* Mean(size_t half, size_t rows) const { return Floats(plan_.means) + half * rows; }
  bool HasBatchNorm() const { return shape_.variant.norm == Norm::kBatch; }
  float* BatchMoments(size_t half) const {
    return Floats(plan_.batch_moments) + half * 2 * shape_.width_stride;
  }
  float* FoldedNorm(size_t half) const { return Floats(plan_.folded_norms) + half * 2 * shape_.width_stride; }
  // Its parameters; where they are a batch norm's, the layers have what they are folded into.
  const float* NormOf(size_t half) const {
    if (HasBatchNorm()) return BatchNormOf(half);
    if (half == 2 * static_cast<size_t>(model_.config.layers)) return final_norm_;
    return half % 2 == 0 ? Layer(half / 2).attention_norm : Layer(half / 2).feed_forward_norm;
  }
  LayerWeights& Layer(size_t layer) const { return At<LayerWeights>(plan_.layers)[layer]; }
  // The same with the matrices as forward products take them.
  LayerWeights& ProductLayer(size_t layer) const {
    return Layer(mixed() ? model_.config.layers + layer : layer);
  }
  float* GradientOf(const float* weights) const {
    return Floats(plan_.gradients) + (weights - Floats(plan_.weights));
  }
  float* GradientOf(const Tensor& weights) const {
    return GradientOf(static_cast<const float*>(weights.data));
  }
  bool mixed() const { return kHasBf16 && plan_.mixed; }  // left out of a build without
  const cllm_workers* workers() const { return workers_.count > 1 ? &workers_ : nullptr; }

  Model model_;
  TrainerPlan plan_;
  LayerShape shape_;
  size_t vocabulary_stride_;
  Embeddings embeddings_ = {};
  Tensor head_ = {}, product_head_ = {};
  const float* final_norm_ = nullptr;
  cllm_workers workers_;
  uint8_t* room_;
  // beta1^steps and beta2^steps, for the bias correction.
  double beta1_power_ = 1.0, beta2_power_ = 1.0;
  Dropout dropout_ = {};
  float label_smoothing_ = 0.0f;
  uint64_t sequence_ = 0;  // number of the next batch's first, for dropout
  Trainer* teacher_ = nullptr;
  float taught_ = 0.0f;
};

static_assert(sizeof(Trainer) <= kTrainerBytes);

}  // namespace cllm

#endif  // CLLM_TRAINER_TRAINER_H_
