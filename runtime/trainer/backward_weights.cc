// Gradients of weights: sums over all rows of the batch, cut at panels of their outputs. A half's matrices
// are cut in one fork, which also turns the matrices that the backward pass needs next.
#include "base/layout.h"
#include "kernels/gemm.h"
#include "kernels/mixed.h"
#include "kernels/norm.h"
#include "kernels/vector.h"
#include "trainer/trainer.h"

namespace cllm {

void Trainer::HalfWeightsBackward(size_t half, const SequenceBatch& batch) {
  const LayerWeights& weights = Layer(half / 2);
  const size_t count = batch.count(), width = shape_.width_stride;
  const Band all = {0, batch, nullptr};
  const float* d_added = AddedGradient(half, count);
  if (half % 2 == 1) {
    const size_t hidden = shape_.hidden_stride, gate_up = shape_.inputs() * hidden;
    const FeedForwardBuffers buffers = FeedForwardOf(half / 2, count, all);
    ForShares(count * width * (gate_up + hidden), [&](const Share& share) {
      LinearWeightBackward(weights.gate_up, buffers.norm.normed, width, buffers.gate_up, gate_up, count,
                           share);
      LinearWeightBackward(weights.down, buffers.hidden, hidden, d_added, width, count, share.Reversed());
      BiasBackward(weights.gate_up_bias, buffers.gate_up, gate_up, count, share);
      BiasBackward(weights.down_bias, d_added, width, count, share);
      NormWeightBackward(half, count, share);
      TransposeHalf(half - 1, share);
    });
    return;
  }
  const size_t query = shape_.query_stride, qkv = shape_.qkv_stride;
  const AttentionBuffers buffers = AttentionOf(half / 2, count, all);
  ForShares(count * width * (query + qkv), [&](const Share& share) {
    LinearWeightBackward(weights.query_key_value, buffers.norm.normed, width, Floats(plan_.d_query_key_value),
                         qkv, count, share);
    LinearWeightBackward(weights.attention_output, buffers.attended, query, d_added, width, count,
                         share.Reversed());
    BiasBackward(weights.query_key_value_bias, Floats(plan_.d_query_key_value), qkv, count, share);
    BiasBackward(weights.attention_output_bias, d_added, width, count, share);
    NormWeightBackward(half, count, share);
    HeadNormWeightsBackward(half / 2, count, share);
    if (half > 0) TransposeHalf(half - 1, share);
  });
}

// Puts the panels of a half's transposed matrices into the plan's space for them: that into the residual
// stream first.
void Trainer::TransposeHalf(size_t half, const Share& share) {
  const LayerWeights& weights = Layer(half / 2);
  const size_t width = shape_.width_stride;
  if (half % 2 == 1) {
    Transpose(weights.down, width, 0, share);
    Transpose(weights.gate_up, shape_.inputs() * shape_.hidden_stride, width * shape_.hidden_stride,
              share.Reversed());
  } else {
    Transpose(weights.attention_output, width, 0, share);
    Transpose(weights.query_key_value, shape_.qkv_stride, width * shape_.query_stride, share.Reversed());
  }
}

void Trainer::Transpose(const Tensor& weights, size_t stored_rows, size_t transposed,
                        const Share& share) const {
  const size_t panels = PaddedRow(weights.columns) / kPanel;
  const size_t begin = share.Begin(panels), end = share.End(panels);
  const auto* from = static_cast<const float*>(weights.data);
  if (mixed()) {
    return RoundTransposedPanels(from, stored_rows, weights.columns, begin, end,
                                 At<uint16_t>(plan_.transposed) + transposed);
  }
  TransposePanels(from, stored_rows, weights.columns, Floats(plan_.transposed) + transposed, begin, end);
}

// Gradient of the matrix += dy^T x, for x [rows][x_stride] and dy [rows][dy_stride], dy_stride the stored
// rows of the matrix.
void Trainer::LinearWeightBackward(const Tensor& weights, const float* x, size_t x_stride, const float* dy,
                                   size_t dy_stride, size_t rows, const Share& share) const {
  const size_t columns = weights.columns, panels = dy_stride / kPanel;
  const Gemm gemm = {x,
                     1,
                     x_stride,
                     dy,
                     kPanel,
                     dy_stride,
                     GradientOf(weights),
                     kPanel,
                     columns * kPanel,
                     columns,
                     rows,
                     share.Begin(panels),
                     share.End(panels),
                     true};
  mixed() ? GemmMixedColumns(gemm) : GemmF32(gemm);
}

// The bias, or nullptr, grows by the sums of dy's columns.
void Trainer::BiasBackward(const float* bias, const float* dy, size_t dy_stride, size_t rows,
                           const Share& share) const {
  if (bias == nullptr) return;
  const size_t panels = dy_stride / kPanel;
  SumRows(dy, rows, dy_stride, share.Begin(panels) * kPanel, share.End(panels) * kPanel, GradientOf(bias));
}

// From the terms that RotateBackward left in place of unturned queries and keys.
void Trainer::HeadNormWeightsBackward(size_t layer, size_t rows, const Share& share) const {
  const LayerWeights& weights = Layer(layer);
  if (weights.query_norm == nullptr) return;
  const size_t qkv = shape_.qkv_stride, size = shape_.head_size;
  const float* terms = Floats(plan_.unturned) + layer * rows * qkv;
  AddHeadTerms(terms, rows, qkv, shape_.heads, size, share.Begin(size), share.End(size),
               GradientOf(weights.query_norm));
  AddHeadTerms(terms + shape_.query_width, rows, qkv, shape_.kv_heads, size, share.Begin(size),
               share.End(size), GradientOf(weights.key_norm));
}

// From d_normed of the half. BatchNormSums does it for batch norms.
void Trainer::NormWeightBackward(size_t half, size_t rows, const Share& share) const {
  if (HasBatchNorm()) return;
  const size_t stride = shape_.width_stride, panels = stride / kPanel;
  const size_t begin = share.Begin(panels) * kPanel, end = share.End(panels) * kPanel;
  const float *x = Residual(half, rows), *inverse = Inverse(half, rows), *dy = Floats(plan_.d_normed);
  if (shape_.variant.norm == Norm::kRms) {
    RmsNormBackwardWeight(x, inverse, dy, rows, stride, begin, end, GradientOf(NormOf(half)));
  } else {
    LayerNormBackwardWeight(x, Mean(half, rows), inverse, dy, rows, stride, begin, end,
                            GradientOf(NormOf(half)));
  }
}

}  // namespace cllm
