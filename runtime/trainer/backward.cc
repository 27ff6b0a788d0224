#include <cstring>

#include "base/layout.h"
#include "base/ranges.h"
#include "kernels/activation.h"
#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/norm.h"
#include "kernels/rope.h"
#include "kernels/vector.h"
#include "trainer/trainer.h"

namespace cllm {

// From d_normed of the final norm, which HeadAndLoss left, to the gradients of everything before it.
void Trainer::Backward(const uint32_t* inputs, const Rows& rows) {
  const size_t count = rows.count();
  const size_t last = 2 * static_cast<size_t>(model_.config.layers);
  std::memset(Floats(plan_.d_residual), 0, count * shape_.width_stride * sizeof(float));
  NormBackward(final_norm_, Residual(last, count), Inverse(last, count), count);
  for (size_t layer = model_.config.layers; layer-- > 0;) {
    FeedForwardHalfBackward(layer, count);
    AttentionHalfBackward(layer, rows);
  }
  EmbeddingBackward(inputs, count);
}

// x_out = x_in + down(hidden): d_residual is the gradient of x_out and becomes that of x_in. What the forward
// pass did not keep, the normed rows and the hidden ones, is computed again.
void Trainer::FeedForwardHalfBackward(size_t layer, size_t rows) {
  const LayerWeights& weights = Layer(layer);
  const FeedForwardBuffers buffers = FeedForwardOf(layer, rows);
  const size_t width = shape_.width_stride, hidden = shape_.hidden_stride;
  float* d_residual = Floats(plan_.d_residual);
  float* d_hidden = Floats(plan_.d_hidden);
  NormRows(weights.feed_forward_norm, shape_, rows, buffers.x_in, buffers.normed, nullptr, workers());
  ForRanges(workers(), rows, hidden * 16, [&](size_t begin, size_t end) {
    SwiGlu(buffers.gate_up + begin * 2 * hidden, end - begin, hidden, buffers.hidden + begin * hidden);
  });
  LinearWeightBackward(weights.down, buffers.hidden, hidden, d_residual, width, rows);
  Transpose(weights.down, width);
  LinearBackward(weights.down, d_residual, width, rows, d_hidden);
  ForRanges(workers(), rows, hidden * 16, [&](size_t begin, size_t end) {
    SwiGluBackward(d_hidden + begin * hidden, end - begin, hidden, buffers.gate_up + begin * 2 * hidden);
  });
  LinearWeightBackward(weights.gate_up, buffers.normed, width, buffers.gate_up, 2 * hidden, rows);
  Transpose(weights.gate_up, 2 * hidden);
  LinearBackward(weights.gate_up, buffers.gate_up, 2 * hidden, rows, Floats(plan_.d_normed));
  NormBackward(weights.feed_forward_norm, buffers.x_in, buffers.inverse, rows);
}

void Trainer::AttentionHalfBackward(size_t layer, const Rows& rows) {
  const LayerWeights& weights = Layer(layer);
  const size_t count = rows.count();
  const AttentionBuffers buffers = AttentionOf(layer, count);
  const size_t width = shape_.width_stride, qkv = shape_.qkv_stride;
  float* d_residual = Floats(plan_.d_residual);
  float* d_qkv = Floats(plan_.d_query_key_value);
  LinearWeightBackward(weights.attention_output, buffers.attended, shape_.query_stride, d_residual, width,
                       count);
  Transpose(weights.attention_output, width);
  LinearBackward(weights.attention_output, d_residual, width, count, Floats(plan_.d_attended));
  ForRanges(workers(), rows.sequences * shape_.kv_heads,
            rows.length * rows.length * shape_.head_size * 3 * (shape_.heads / shape_.kv_heads),
            [&](size_t begin, size_t end) { HeadsBackward(buffers, rows, begin, end); });
  ForRanges(workers(), count, qkv * 2, [&](size_t begin, size_t end) {
    const size_t used = (shape_.heads + 2 * shape_.kv_heads) * shape_.head_size;
    for (size_t row = begin; row < end; ++row) {
      Rope(d_qkv + row * qkv, shape_.heads + shape_.kv_heads, shape_.head_size / 2, shape_.rope_halves,
           buffers.angles + row % rows.length * shape_.head_size, true);
      std::memset(d_qkv + row * qkv + used, 0, (qkv - used) * sizeof(float));
    }
  });
  NormRows(weights.attention_norm, shape_, count, buffers.x_in, buffers.normed, nullptr, workers());
  LinearWeightBackward(weights.query_key_value, buffers.normed, width, d_qkv, qkv, count);
  Transpose(weights.query_key_value, qkv);
  LinearBackward(weights.query_key_value, d_qkv, qkv, count, Floats(plan_.d_normed));
  NormBackward(weights.attention_norm, buffers.x_in, buffers.inverse, count);
}

// Items are (sequence, key head): the query heads of a group add to the same keys, one after the other.
void Trainer::HeadsBackward(const AttentionBuffers& buffers, const Rows& rows, size_t begin, size_t end) {
  const size_t size = shape_.head_size, stride = shape_.qkv_stride;
  const size_t group = shape_.heads / shape_.kv_heads;
  for (size_t item = begin; item < end; ++item) {
    const size_t sequence = item / shape_.kv_heads, kv_head = item % shape_.kv_heads;
    const size_t row = sequence * rows.length;
    const size_t key_at = row * stride + shape_.query_width + kv_head * size;
    const size_t value_at = key_at + shape_.kv_heads * size;
    const float* qkv = buffers.query_key_value;
    float* d_qkv = Floats(plan_.d_query_key_value);
    float* key_panels = buffers.cache.keys + item * buffers.cache.head_floats;
    float* value_panels = buffers.cache.values + item * buffers.cache.head_floats;
    PackPositions(qkv + key_at, stride, size, rows.length, key_panels);
    PackPositions(qkv + value_at, stride, size, rows.length, value_panels);
    for (size_t t = 0; t < rows.length; ++t) {
      std::memset(d_qkv + key_at + t * stride, 0, size * sizeof(float));
      std::memset(d_qkv + value_at + t * stride, 0, size * sizeof(float));
    }
    for (size_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      const size_t query_at = row * stride + head * size;
      const size_t out_at = row * shape_.query_stride + head * size;
      AttentionBackward({qkv + query_at, qkv + key_at, key_panels, value_panels, stride,
                         buffers.attended + out_at, Floats(plan_.d_attended) + out_at, shape_.query_stride,
                         buffers.log_sum_exp + (sequence * shape_.heads + head) * rows.length,
                         d_qkv + query_at, d_qkv + key_at, d_qkv + value_at, size, rows.length,
                         shape_.attention_scale});
    }
  }
}

// From d_normed: d_residual += and the gradient of the norm's weight +=.
void Trainer::NormBackward(const Tensor& weight, const float* x, const float* inverse, size_t rows) {
  const size_t stride = shape_.width_stride;
  const float* dy = Floats(plan_.d_normed);
  ForRanges(workers(), stride / kPanel, rows * kPanel, [&](size_t begin, size_t end) {
    RmsNormBackwardWeight(x, inverse, dy, rows, stride, begin * kPanel, end * kPanel, GradientOf(weight));
  });
  ForRanges(workers(), rows, stride * 4, [&](size_t begin, size_t end) {
    RmsNormBackward(x + begin * stride, static_cast<const float*>(weight.data), inverse + begin,
                    dy + begin * stride, end - begin, shape_.width,
                    Floats(plan_.d_residual) + begin * stride);
  });
}

// Gradient of the matrix += dy^T x, for x [rows][x_stride] and dy [rows][dy_stride], dy_stride the stored
// rows of the matrix.
void Trainer::LinearWeightBackward(const Tensor& weights, const float* x, size_t x_stride, const float* dy,
                                   size_t dy_stride, size_t rows) {
  const size_t columns = weights.columns;
  ForRanges(workers(), dy_stride / kPanel, rows * columns * kPanel, [&](size_t begin, size_t end) {
    GemmF32({x, 1, x_stride, dy, kPanel, dy_stride, GradientOf(weights), kPanel, columns * kPanel, columns,
             rows, begin, end, true});
  });
}

// Puts the panels of the transposed matrix into the plan's space for them.
void Trainer::Transpose(const Tensor& weights, size_t stored_rows) {
  ForRanges(workers(), PaddedRow(weights.columns) / kPanel, stored_rows * kPanel,
            [&](size_t begin, size_t end) {
              TransposePanels(static_cast<const float*>(weights.data), stored_rows, weights.columns,
                              Floats(plan_.transposed), begin, end);
            });
}

// dx [rows][columns padded] = dy times the matrix, which Transpose has just turned.
void Trainer::LinearBackward(const Tensor& weights, const float* dy, size_t dy_stride, size_t rows,
                             float* dx) {
  const size_t stride = PaddedRow(weights.columns);
  ForRanges(workers(), stride / kPanel, rows * dy_stride * kPanel, [&](size_t begin, size_t end) {
    GemmF32({dy, dy_stride, 1, Floats(plan_.transposed), dy_stride * kPanel, kPanel, dx, stride, kPanel, rows,
             dy_stride, begin, end, false});
  });
}

// Every worker takes a range of token ids and adds the rows of its tokens in their order.
void Trainer::EmbeddingBackward(const uint32_t* inputs, size_t rows) {
  const size_t vocabulary = model_.config.vocabulary_size;
  ForRanges(workers(), vocabulary, rows * shape_.width / vocabulary * 4 + 1, [&](size_t begin, size_t end) {
    for (size_t r = 0; r < rows; ++r) {
      if (inputs[r] < begin || inputs[r] >= end) continue;
      ScatterAddRow(Floats(plan_.d_residual) + r * shape_.width_stride, shape_.width, inputs[r],
                    GradientOf(embedding_));
    }
  });
}

}  // namespace cllm
