// Room: converter/lattice. The halves of a model's layers over whole windows of tokens, and what their
// matrices read. Heap, no files.
#ifndef CLLM_CONVERTER_LATTICE_LAYER_RUNNER_H_
#define CLLM_CONVERTER_LATTICE_LAYER_RUNNER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "converter/lattice/aligned_floats.h"
#include "model/model.h"
#include "session/layer.h"

namespace cllm {

// Rows have the strides of LayerShape.
class LayerRunner {
 public:
  // The model's weights are floats; windows have at most `rows` tokens, and at most the context. The model
  // must outlive this.
  LayerRunner(const Model& model, size_t rows);

  const LayerShape& shape() const { return shape_; }

  // The residual stream before the first layer.
  AlignedFloats Embed(const Embeddings& embeddings, const std::vector<uint32_t>& tokens) const;

  // x goes on by half a layer, in a parallel block after both. Afterwards normed() and attended() or hidden()
  // are what its matrices read.
  void Attention(const LayerWeights& weights, uint32_t layer, size_t rows, float* x);
  void FeedForward(const LayerWeights& weights, uint32_t layer, size_t rows, float* x);
  // Only normed().
  void Norm(const float* norm, size_t rows, const float* x);

  const float* normed() const { return normed_.data(); }
  const float* attended() const { return attended_.data(); }
  const float* hidden() const { return hidden_.data(); }

 private:
  HalfBuffers HalfOf(uint32_t layer, Role post_norm, float* x);

  const Model& model_;
  LayerShape shape_;
  AlignedFloats normed_, added_, query_key_value_, attended_, gate_up_, hidden_, angles_, window_angles_;
  size_t context_;  // padded
  AlignedFloats keys_, values_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_LATTICE_LAYER_RUNNER_H_
