// Room: trainer. Fine-tuning: forward, backward and update of adapters and of chosen tensors beside frozen
// weights, inside the caller's room. Class B arithmetic in the backward pass; the forward pass is that of a
// session. No result depends on the workers, on how much is kept or on how rows are cut: every sum over rows
// goes on from row to row and from sequence to sequence.
#ifndef CLLM_TRAINER_TUNER_H_
#define CLLM_TRAINER_TUNER_H_

#include <cstddef>
#include <cstdint>

#include "base/layout.h"
#include "base/ranges.h"
#include "base/status.h"
#include "kernels/input_gradient.h"
#include "model/model.h"
#include "plan/session_plan.h"
#include "session/layer.h"
#include "trainer/tuner_plan.h"

namespace cllm {

// Heads the bytes that are saved; the same on every machine.
struct TunerState {
  char magic[4];
  uint32_t version;
  uint64_t fingerprint;  // of model, tuned tensors and method
  uint64_t steps;
  double beta1_power, beta2_power;
};
static_assert(sizeof(TunerState) <= kTunerStateBytes);

// A frozen matrix as the kernels of the backward pass take it.
inline StoredMatrix StoredOf(const Tensor& weights, size_t stored_rows) {
  const auto* bytes = static_cast<const uint8_t*>(weights.data);
  const uint64_t panels = IsLattice(weights.dtype)
                              ? LatticePanelBytes(stored_rows, weights.columns, FineBits(weights.dtype))
                              : I4PanelBytes(stored_rows, weights.columns);
  return {static_cast<StoredFormat>(weights.dtype),
          bytes,
          bytes + static_cast<size_t>(panels),
          weights.scales,
          stored_rows,
          weights.columns};
}

// The functions of cllm_tuner_*; cllm.h says what they do. The object lies at the start of its room.
class Tuner {
 public:
  static Status Create(const Model& model, const cllm_tuner_limits& limits, const cllm_workers* workers,
                       void* room, uint64_t room_bytes, Tuner** tuner);

  Status Accumulate(const uint32_t* inputs, const uint32_t* targets, uint32_t length, float weight,
                    float* loss);
  Status Evaluate(const uint32_t* inputs, const uint32_t* targets, uint32_t length, float* loss);
  Status Update(const cllm_optimizer& optimizer, float* gradient_norm);
  const void* State() const { return At<void>(plan_.state); }
  Status Restore(const void* state, uint64_t bytes);
  uint64_t Steps() const { return state()->steps; }
  Status Export(uint64_t offset, uint8_t* to, uint64_t bytes) const;

 private:
  // A product of rows in the backward pass: x, y's gradient, and where x's goes; dx nullptr: it is not
  // wanted.
  struct Product {
    const float* x;
    size_t x_stride;
    const float* dy;
    size_t dy_stride, rows;
    float* dx;
    size_t dx_stride;
  };
  // Rows of one sequence; the part of them that goes through at once.
  struct Chunk {
    size_t begin, count;
  };

  Tuner(const Model& model, const TunerPlan& plan, const cllm_workers* workers, uint8_t* room);

  // tuner.cc
  void Place(const TableEntry& entry, const Tensor& tensor);
  void StartTensor(const TunedTensor& tuned, const TableEntry& entry);
  uint64_t Fingerprint() const;
  Status CheckSequence(const uint32_t* inputs, const uint32_t* targets, uint32_t length) const;
  // tuner_export.cc
  DeltaEntry EntryOf(const TunedTensor& tuned) const;
  // tuner_forward.cc
  AttentionBuffers AttentionOf(size_t layer, size_t rows, float* x_in, float* x_out) const;
  Prepared PreparedRows() const;
  void Forward(const uint32_t* inputs, size_t rows);
  void AttentionForward(size_t layer, size_t rows, float* x_in, float* x_out);
  void FeedForwardForward(size_t layer, size_t rows, const float* x_in, float* x_out);
  float Losses(const uint32_t* targets, size_t rows, const float* weight);
  void HeadChunk(const uint32_t* targets, const Chunk& chunk, const float* weight);
  // tuner_backward.cc
  void Backward(const uint32_t* inputs, size_t rows);
  void FeedForwardBackward(size_t layer, size_t rows);
  void AttentionBackward(size_t layer, size_t rows);
  void HeadsBackward(size_t layer, size_t rows, size_t begin, size_t end);
  void RotateBackward(size_t rows);
  void NormBackward(const float* norm, const float* x, size_t rows);
  void ProductBackward(const Tensor& weights, const Product& product);
  void AdapterBackward(const Tensor& weights, const Product& product);
  void EmbeddingBackward(const uint32_t* inputs, size_t rows);
  // tuner_update.cc
  float GradientNorm() const;
  void Apply(const cllm_optimizer& optimizer, float gradient_scale);

  // Calls body(tuned) for each tensor that is tuned, in the order of the delta.
  template <class Body>
  void ForTuned(const Body& body) const {
    uint64_t first = 0;
    for (uint32_t i = 0; i < model_.tensor_count; ++i) {
      TunedTensor tuned;
      if (!FindTuned(model_.config, plan_, i, first, &tuned)) continue;
      body(tuned);
      first += tuned.count;
    }
  }
  template <class Body>
  void ForChunks(size_t rows, const Body& body) const {
    for (size_t begin = 0; begin < rows; begin += plan_.chunk) {
      const size_t rest = rows - begin;
      body(Chunk{begin, rest < plan_.chunk ? rest : plan_.chunk});
    }
  }

  template <class T>
  T* At(uint64_t offset) const {
    return reinterpret_cast<T*>(room_ + offset);
  }
  float* Floats(uint64_t offset) const { return At<float>(offset); }
  TunerState* state() const { return At<TunerState>(plan_.state); }
  LayerWeights& Layer(size_t layer) const { return At<LayerWeights>(plan_.layers)[layer]; }
  // The residual stream before layer `layer`, or at the end.
  float* Residual(size_t layer, size_t rows) const {
    const size_t slot = layer > plan_.lowest ? layer - plan_.lowest : 0;
    return Floats(plan_.residuals) + slot * rows * shape_.width_stride;
  }
  size_t Slot(size_t layer) const {
    return plan_.recompute || layer < plan_.lowest ? 0 : layer - plan_.lowest;
  }
  float* Middle(size_t layer, size_t rows) const {
    return Floats(plan_.middle) + Slot(layer) * rows * shape_.width_stride;
  }
  float* GateUp(size_t layer, size_t rows, size_t row) const {
    const size_t at = plan_.recompute || layer < plan_.lowest ? 0 : Slot(layer) * rows + row;
    return Floats(plan_.gate_up) + at * 2 * shape_.hidden_stride;
  }
  // The norm of x, and what its backward pass wants.
  NormBuffers KeptNorm(const float* x) const {
    return {x, Floats(plan_.normed), nullptr, Floats(plan_.inverses)};
  }
  AdapterSpace Adapters() const { return {At<Adapter>(plan_.adapters), Floats(plan_.low_rank)}; }
  // Of floats that are tuned.
  float* GradientOf(const void* parameters) const {
    return Floats(plan_.gradients) + (static_cast<const float*>(parameters) - Floats(plan_.weights));
  }
  bool IsTuned(const void* data) const {
    const auto* floats = static_cast<const float*>(data);
    return floats >= Floats(plan_.weights) && floats < Floats(plan_.weights) + plan_.parameters;
  }
  const cllm_workers* workers() const { return workers_.count > 1 ? &workers_ : nullptr; }

  Model model_;
  TunerPlan plan_;
  LayerShape shape_;
  Tensor embedding_ = {}, head_ = {};
  const float* final_norm_ = nullptr;
  cllm_workers workers_;
  uint8_t* room_;
};

static_assert(sizeof(Tuner) <= kTunerBytes);
static_assert(sizeof(Adapter) <= kAdapterBytes);

}  // namespace cllm

#endif  // CLLM_TRAINER_TUNER_H_
