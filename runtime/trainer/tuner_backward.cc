// From d_normed of the final norm, which the head left, to the gradients of all that is tuned.
#include <cstring>

#include "base/layout.h"
#include "kernels/activation.h"
#include "kernels/low_rank.h"
#include "kernels/norm.h"
#include "kernels/vector.h"
#include "trainer/attention_backward.h"
#include "trainer/tuner.h"

namespace cllm {

// Through y = W x, or what is tuned of it: gradients of the weights or of the adapter, and dx = W^T dy.
void Tuner::ProductBackward(const Tensor& weights, const Product& p) {
  const size_t columns = weights.columns, panels = p.dy_stride / kPanel;
  if (IsTuned(weights.data)) {
    ForRanges(workers(), panels, p.rows * columns * kPanel, [&](size_t begin, size_t end) {
      AddRowGradient({p.x, p.x_stride, columns, p.dy, p.dy_stride, GradientOf(weights.data), kPanel,
                      columns * kPanel, begin, end},
                     p.rows);
    });
  }
  if (p.dx != nullptr) {
    const StoredMatrix matrix = StoredOf(weights, p.dy_stride);
    ForRanges(workers(), PaddedRow(columns) / kPanel, p.rows * p.dy_stride * kPanel,
              [&](size_t begin, size_t end) {
                MultiplyTransposed(matrix, {p.dy, p.dy_stride, p.dx, p.dx_stride, p.rows, begin, end});
              });
  }
  if (weights.adapter != 0) AdapterBackward(weights, p);
}

// y += outer^T t, t = scale * inner x: the gradient of t goes on to the inner factor and to x. A few rows of
// rank numbers: not worth handing to workers, but for the factors' gradients.
void Tuner::AdapterBackward(const Tensor& weights, const Product& p) {
  const Adapter& adapter = Adapters().all[weights.adapter - 1];
  const float *inner_factor = adapter.inner(), *outer_factor = adapter.outer(weights.columns);
  const size_t rank = adapter.rank, columns = static_cast<size_t>(PaddedRow(weights.columns));
  float *t = Floats(plan_.low_rank), *dt = Floats(plan_.d_low_rank);
  InnerProducts({p.x, p.x_stride, inner_factor, columns, rank, adapter.scale}, p.rows, t);
  InnerProducts({p.dy, p.dy_stride, outer_factor, p.dy_stride, rank, adapter.scale}, p.rows, dt);
  if (IsTuned(adapter.factors)) {
    const size_t inner = columns / kPanel, outer = p.dy_stride / kPanel;
    ForRanges(workers(), inner + outer, p.rows * rank * kPanel, [&](size_t begin, size_t end) {
      if (begin < inner) {
        AddRowGradient({dt, rank, rank, p.x, p.x_stride, GradientOf(inner_factor), columns, kPanel, begin,
                        end < inner ? end : inner},
                       p.rows);
      }
      if (end > inner) {
        AddRowGradient({t, rank, rank, p.dy, p.dy_stride, GradientOf(outer_factor), p.dy_stride, kPanel,
                        begin > inner ? begin - inner : 0, end - inner},
                       p.rows);
      }
    });
  }
  if (p.dx == nullptr) return;
  AddOuterProducts({inner_factor, columns, rank, 0, columns / kPanel}, dt, p.rows, p.dx, p.dx_stride);
}

// d_residual += through the norm before a half from d_normed; x, inverses: the norm's.
void Tuner::NormBackward(const float* norm, const float* x, size_t rows) {
  const size_t width = shape_.width_stride;
  const float* d_normed = Floats(plan_.d_normed);
  RmsNormBackward(x, norm, Floats(plan_.inverses), d_normed, rows, shape_.width, Floats(plan_.d_residual));
  if (!IsTuned(norm)) return;
  RmsNormBackwardWeight(x, Floats(plan_.inverses), d_normed, rows, width, 0, width, GradientOf(norm));
}

void Tuner::FeedForwardBackward(size_t layer, size_t rows) {
  Crew crew(workers());
  const LayerWeights& weights = Layer(layer);
  const size_t width = shape_.width_stride, hidden = shape_.hidden_stride;
  const float* middle = Middle(layer, rows);
  NormRows(weights.feed_forward_norm, shape_, rows, KeptNorm(middle), crew);
  ForChunks(rows, [&](const Chunk& chunk) {
    const size_t count = chunk.count, at = chunk.begin * width;
    const float* normed = Floats(plan_.normed) + at;
    float *gate_up = GateUp(layer, rows, chunk.begin), *d_hidden = Floats(plan_.d_hidden);
    if (plan_.recompute) {
      Linear(weights.gate_up, nullptr, {count, width, 2 * hidden, 2 * hidden / kPanel}, normed, gate_up,
             PreparedRows(), crew);
    }
    Activate(shape_.variant, gate_up, count, hidden, Floats(plan_.hidden));
    ProductBackward(weights.down, {Floats(plan_.hidden), hidden, Floats(plan_.d_residual) + at, width, count,
                                   d_hidden, hidden});
    ActivateBackward(shape_.variant, d_hidden, count, hidden, gate_up);
    ProductBackward(weights.gate_up,
                    {normed, width, gate_up, 2 * hidden, count, Floats(plan_.d_normed) + at, width});
  });
  NormBackward(weights.feed_forward_norm, middle, rows);
}

// Key heads [begin, end) of the one sequence.
void Tuner::HeadsBackward(size_t layer, size_t rows, size_t begin, size_t end) {
  const AttentionBuffers kept = AttentionOf(layer, rows, nullptr, nullptr);
  const SequenceGradient gradient = {kept.query_key_value,
                                     kept.attended,
                                     Floats(plan_.d_attended),
                                     kept.log_sum_exp,
                                     Floats(plan_.d_query_key_value),
                                     rows};
  for (size_t kv_head = begin; kv_head < end; ++kv_head) {
    const size_t cache_at = kv_head * static_cast<size_t>(plan_.head_floats);
    KeyHeadBackward(shape_, gradient, kv_head, Floats(plan_.keys) + cache_at,
                    Floats(plan_.values) + cache_at);
  }
}

void Tuner::RotateBackward(size_t rows) {
  for (size_t row = 0; row < rows; ++row) {
    RotateRowBackward(shape_, Floats(plan_.angles) + row * shape_.head_size,
                      Floats(plan_.d_query_key_value) + row * shape_.qkv_stride);
  }
}

// Below the lowest layer that is tuned nothing needs a gradient.
void Tuner::AttentionBackward(size_t layer, size_t rows) {
  Crew crew(workers());
  const LayerWeights& weights = Layer(layer);
  const size_t width = shape_.width_stride, query = shape_.query_stride, qkv = shape_.qkv_stride;
  float* d_normed = Floats(plan_.d_normed);
  ProductBackward(weights.attention_output,
                  {AttentionOf(layer, rows, nullptr, nullptr).attended, query, Floats(plan_.d_residual),
                   width, rows, Floats(plan_.d_attended), query});
  ForRanges(workers(), shape_.kv_heads, rows * rows * shape_.head_size * 3 * (shape_.heads / shape_.kv_heads),
            [&](size_t begin, size_t end) { HeadsBackward(layer, rows, begin, end); });
  RotateBackward(rows);
  NormRows(weights.attention_norm, shape_, rows, KeptNorm(Residual(layer, rows)), crew);
  const bool last = layer == plan_.lowest && !IsTuned(embedding_.data) && !IsTuned(weights.attention_norm);
  ProductBackward(weights.query_key_value, {Floats(plan_.normed), width, Floats(plan_.d_query_key_value), qkv,
                                            rows, last ? nullptr : d_normed, width});
  if (!last) NormBackward(weights.attention_norm, Residual(layer, rows), rows);
}

void Tuner::EmbeddingBackward(const uint32_t* inputs, size_t rows) {
  for (size_t r = 0; r < rows; ++r) {
    ScatterAddRow(Floats(plan_.d_residual) + r * shape_.width_stride, shape_.width, inputs[r],
                  GradientOf(embedding_.data));
  }
}

void Tuner::Backward(const uint32_t* inputs, size_t rows) {
  const size_t layers = model_.config.layers;
  std::memset(Floats(plan_.d_residual), 0, rows * shape_.width_stride * sizeof(float));
  NormBackward(final_norm_, Residual(layers, rows), rows);
  for (size_t layer = layers; layer-- > plan_.lowest;) {
    if (plan_.recompute) AttentionForward(layer, rows, Residual(layer, rows), Middle(layer, rows));
    FeedForwardBackward(layer, rows);
    AttentionBackward(layer, rows);
  }
  if (IsTuned(embedding_.data)) EmbeddingBackward(inputs, rows);
}

}  // namespace cllm
