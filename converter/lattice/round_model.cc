#include "converter/lattice/round_model.h"

#include <algorithm>
#include <utility>

#include "converter/export/panels.h"
#include "converter/lattice/aligned_floats.h"
#include "converter/lattice/layer_runner.h"

namespace cllm {
namespace {

using Stream = std::vector<AlignedFloats>;  // the residual stream of each window

// What a matrix reads: of the model as it was and as it is rounded so far.
struct Inputs {
  Hessian hessian;  // of the rounded model's
  Changes changes;
};

class Rounder {
 public:
  Rounder(const Model& model, const Checkpoint& checkpoint, const std::vector<std::vector<uint32_t>>& windows,
          const FineBitsByTensor& matrices, const RoundModelOptions& options)
      : model_(model),
        checkpoint_(checkpoint),
        windows_(windows),
        matrices_(matrices),
        options_(options),
        runner_(model, LongestOf(windows)) {}

  RoundedTensors Round() {
    const bool tied = model_.config.tied_head;
    const TensorKey table(Role::kTokenEmbedding, 0);
    // A tied table serves as head, too: rounded for what the float model's head reads, and equally for
    // itself.
    const bool as_head = tied && !windows_.empty() && matrices_.count(table) != 0;
    RoundTensor(table, as_head ? HeadInputs(FloatStream(), {}) : Inputs());
    const TensorKey positions(Role::kPositionEmbedding, 0);
    RoundTensor(positions, Inputs());
    exact_ = Embedded(FloatEmbeddings());
    rounded_ = Embedded({Current(table), Current(positions)});
    for (uint32_t layer = 0; layer < model_.config.layers; ++layer) RoundLayer(layer);
    const TensorKey head(Role::kHead, 0);
    if (matrices_.count(head) != 0) RoundTensor(head, HeadInputs(exact_, rounded_));
    return std::move(result_);
  }

 private:
  static size_t LongestOf(const std::vector<std::vector<uint32_t>>& windows) {
    size_t rows = 1;
    for (const std::vector<uint32_t>& window : windows) rows = std::max(rows, window.size());
    return rows;
  }

  Embeddings FloatEmbeddings() const {
    return {FindTensor(model_, Role::kTokenEmbedding, 0), FindTensor(model_, Role::kPositionEmbedding, 0)};
  }

  Stream Embedded(const Embeddings& embeddings) const {
    Stream stream;
    for (const std::vector<uint32_t>& window : windows_) stream.push_back(runner_.Embed(embeddings, window));
    return stream;
  }

  Stream FloatStream() {
    Stream stream = Embedded(FloatEmbeddings());
    for (uint32_t layer = 0; layer < model_.config.layers; ++layer) {
      const LayerWeights weights = FindLayer(model_, layer);
      for (size_t w = 0; w < windows_.size(); ++w) {
        runner_.Attention(weights, layer, windows_[w].size(), stream[w].data());
        runner_.FeedForward(weights, layer, windows_[w].size(), stream[w].data());
      }
    }
    return stream;
  }

  // With an empty `rounded` the inputs are the exact ones.
  Inputs HeadInputs(const Stream& exact, const Stream& rounded) {
    return NormInputs(static_cast<const float*>(FindTensor(model_, Role::kFinalNorm, 0).data), exact,
                      rounded.empty() ? exact : rounded);
  }

  Inputs NormInputs(const float* norm, const Stream& exact, const Stream& rounded) {
    const LayerShape& shape = runner_.shape();
    Inputs inputs = {{shape.width, 0, {}}, {{shape.width, shape.width, {}}, {}}};
    for (size_t w = 0; w < windows_.size(); ++w) {
      const size_t rows = windows_[w].size();
      runner_.Norm(norm, rows, exact[w].data());
      const std::vector<float> before(runner_.normed(), runner_.normed() + rows * shape.width_stride);
      runner_.Norm(norm, rows, rounded[w].data());
      AddInputs(before.data(), runner_.normed(), rows, shape.width_stride, &inputs);
    }
    return inputs;
  }

  static void AddInputs(const float* exact, const float* rounded, size_t rows, size_t stride,
                        Inputs* inputs) {
    inputs->hessian.Add(rounded, rows, stride);
    inputs->changes.inputs.Add(exact, rounded, stride, rounded, stride, rows);
  }

  void RoundLayer(uint32_t layer) {
    const LayerShape& shape = runner_.shape();
    const LayerWeights exact = FindLayer(model_, layer);
    RoundAfterNorm({Role::kQueryKeyValue, layer}, exact.attention_norm);
    Half(layer, {Role::kAttentionOutput, layer}, shape.query_width, shape.query_stride,
         &LayerRunner::Attention, &LayerRunner::attended);
    RoundAfterNorm({Role::kGateUp, layer}, exact.feed_forward_norm);
    Half(layer, {Role::kDown, layer}, shape.hidden, shape.hidden_stride, &LayerRunner::FeedForward,
         &LayerRunner::hidden);
  }

  void RoundAfterNorm(const TensorKey& key, const float* norm) {
    if (matrices_.count(key) != 0) RoundTensor(key, NormInputs(norm, exact_, rounded_));
  }

  // Runs a half of the layer, rounds its last matrix and takes both streams through it.
  void Half(uint32_t layer, const TensorKey& last, size_t columns, size_t stride,
            void (LayerRunner::*run)(const LayerWeights&, uint32_t, size_t, float*),
            const float* (LayerRunner::*read)() const) {
    const LayerShape& shape = runner_.shape();
    const LayerWeights exact = FindLayer(model_, layer);
    const size_t width = shape.width, width_stride = shape.width_stride;
    Inputs inputs = {{columns, 0, {}}, {{columns, columns, {}}, {width, columns, {}}}};
    LayerWeights rounded = CurrentLayer(layer);
    for (size_t w = 0; w < windows_.size(); ++w) {
      const size_t rows = windows_[w].size();
      const AlignedFloats stream = exact_[w];
      (runner_.*run)(exact, layer, rows, exact_[w].data());
      const std::vector<float> before((runner_.*read)(), (runner_.*read)() + rows * stride);
      if (matrices_.count(last) == 0) continue;
      AlignedFloats x = rounded_[w];
      (runner_.*run)(rounded, layer, rows, x.data());
      AddInputs(before.data(), (runner_.*read)(), rows, stride, &inputs);
      inputs.changes.stream.Add(stream.data(), rounded_[w].data(), width_stride, (runner_.*read)(), stride,
                                rows);
    }
    RoundTensor(last, inputs);
    rounded = CurrentLayer(layer);
    for (size_t w = 0; w < windows_.size(); ++w)
      (runner_.*run)(rounded, layer, windows_[w].size(), rounded_[w].data());
  }

  void RoundTensor(const TensorKey& key, const Inputs& inputs) {
    const auto found = matrices_.find(key);
    if (found == matrices_.end()) return;
    const FloatTensor& tensor = checkpoint_.tensors.at(key);
    std::vector<float> weights = tensor.values;
    NearestPlaneBasis basis = PlainBasis(tensor.columns);
    if (inputs.hessian.samples > 0) {
      const double damping = key.first == Role::kTokenEmbedding ? kTableDamping : options_.damping;
      basis = MakeBasis(inputs.hessian, damping);
      if (options_.make_up && key.first != Role::kTokenEmbedding) {
        MakeUp(inputs.hessian, inputs.changes, options_.damping, tensor.rows, weights.data());
      }
    }
    RoundingOptions rounding = options_.rounding;
    rounding.fine_bits = found->second;
    result_[key] = RoundRows(weights.data(), tensor.rows, tensor.columns, basis, rounding);
    panels_[key] = AlignedFloats(
        PackTensor(model_.config, key.first, Dequantized(result_[key], tensor.columns), Dtype::kF32));
    if (options_.progress) options_.progress(key);
  }

  Tensor Current(const TensorKey& key) const {
    Tensor tensor = FindTensor(model_, key.first, key.second);
    const auto found = panels_.find(key);
    if (found == panels_.end()) return tensor;
    tensor.data = found->second.data();
    tensor.dtype = Dtype::kF32;
    return tensor;
  }

  LayerWeights CurrentLayer(uint32_t layer) const {
    LayerWeights weights = FindLayer(model_, layer);
    weights.query_key_value = Current({Role::kQueryKeyValue, layer});
    weights.attention_output = Current({Role::kAttentionOutput, layer});
    weights.gate_up = Current({Role::kGateUp, layer});
    weights.down = Current({Role::kDown, layer});
    return weights;
  }

  static constexpr double kTableDamping = 0.3;  // measured: a row of the table is an embedding as well

  const Model& model_;
  const Checkpoint& checkpoint_;
  const std::vector<std::vector<uint32_t>>& windows_;
  const FineBitsByTensor& matrices_;
  const RoundModelOptions& options_;
  LayerRunner runner_;
  Stream exact_, rounded_;
  RoundedTensors result_;
  std::map<TensorKey, AlignedFloats> panels_;  // of the rounded matrices, as floats
};

}  // namespace

RoundedTensors RoundModel(const Model& model, const Checkpoint& checkpoint,
                          const std::vector<std::vector<uint32_t>>& windows, const FineBitsByTensor& matrices,
                          const RoundModelOptions& options) {
  return Rounder(model, checkpoint, windows, matrices, options).Round();
}

FloatTensor Dequantized(const std::vector<RoundedRow>& rows, uint32_t columns) {
  FloatTensor tensor = {static_cast<uint32_t>(rows.size()), columns, {}};
  tensor.values.resize(rows.size() * columns);
  for (size_t row = 0; row < rows.size(); ++row)
    DequantizeRow(rows[row], columns, &tensor.values[row * columns]);
  return tensor;
}

}  // namespace cllm
