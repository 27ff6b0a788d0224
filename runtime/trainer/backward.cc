#include <cstring>

#include "base/layout.h"
#include "kernels/activation.h"
#include "kernels/gemm.h"
#include "kernels/mixed.h"
#include "kernels/norm.h"
#include "kernels/vector.h"
#include "trainer/attention_backward.h"
#include "trainer/trainer.h"

namespace cllm {

// Panels [begin, end) of dx [rows][columns padded] = dy [rows][dy_stride] times the matrix.
void Trainer::LinearBackward(const Tensor& weights, size_t transposed, const float* dy, size_t dy_stride,
                             size_t rows, size_t begin, size_t end, float* dx) const {
  const size_t dx_stride = PaddedRow(weights.columns);
  if (mixed()) {
    return GemmMixed({dy, dy_stride, 1, At<uint16_t>(plan_.transposed) + transposed, MixedPanel(dy_stride), 0,
                      dx, dx_stride, kPanel, rows, dy_stride, begin, end, false});
  }
  GemmF32({dy, dy_stride, 1, Floats(plan_.transposed) + transposed, dy_stride * kPanel, kPanel, dx, dx_stride,
           kPanel, rows, dy_stride, begin, end, false});
}

void Trainer::LinearBackward(const Tensor& weights, size_t transposed, const float* dy, size_t dy_stride,
                             const Band& band, float* dx) const {
  const size_t rows = band.batch.count(), panels = PaddedRow(weights.columns) / kPanel;
  ForRanges(band.workers, panels, rows * dy_stride * kPanel, [&](size_t begin, size_t end) {
    LinearBackward(weights, transposed, dy, dy_stride, rows, begin, end, dx);
  });
}

// Several bands a worker where they are long enough to be worth it: whoever is free takes the next, so that
// none waits long for a worker that the machine has interrupted. Bands are even, or there is just one: no
// worker should be idle for more than an eighth of the time.
size_t Trainer::BandCount(const SequenceBatch& batch) const {
  const size_t macs = batch.length * static_cast<size_t>(plan_.weight_floats);
  if (RangeCount(workers(), batch.sequences, macs) < workers_.count) return 1;
  for (size_t each = kBandsPerWorker; each > 0; --each) {
    const size_t count = each * workers_.count;
    const size_t idle = (batch.sequences + count - 1) / count * count - batch.sequences;
    const bool long_enough = each == 1 || batch.count() / count >= kBandRows;
    if (long_enough && idle * 8 <= batch.sequences) return count;
  }
  return 1;
}

// From d_normed of the final norm, which HeadAndLoss left, to the gradients of everything before it. What
// needs a row's own numbers only is done band by band, and between those steps the sums over all rows.
void Trainer::Backward(const uint32_t* inputs, const SequenceBatch& batch) {
  const size_t count = batch.count(), last = 2 * static_cast<size_t>(model_.config.layers);
  ForShares(count * shape_.width_stride * kPanel, [&](const Share& share) {
    NormWeightBackward(last, count, share);
    TransposeHalf(last - 1, share);
  });
  for (size_t half = last; half-- > 0;) {
    ForBands(batch, [&](const Band& band) {
      NormBackward(half + 1, count, band);
      DropAddedBackward(half, count, band);
      if (half % 2 == 1) {
        FeedForwardHalfBackward(half / 2, count, band);
      } else {
        AttentionHalfBackward(half / 2, count, band);
      }
    });
    HalfWeightsBackward(half, batch);
  }
  ForBands(batch, [&](const Band& band) {
    NormBackward(0, count, band);
    DropEmbedded(band, Floats(plan_.d_residual));
  });
  EmbeddingBackward(inputs, count);
}

// From d_normed: d_residual +=, after the last half =.
void Trainer::NormBackward(size_t half, size_t rows, const Band& band) {
  const size_t stride = shape_.width_stride;
  const bool first = half == 2 * static_cast<size_t>(model_.config.layers);
  ForRanges(band.workers, band.batch.count(), stride * 4, [&](size_t begin, size_t end) {
    const size_t row = band.row() + begin, at = row * stride;
    float* d_residual = Floats(plan_.d_residual) + at;
    if (first) std::memset(d_residual, 0, (end - begin) * stride * sizeof(float));
    RmsNormBackward(Residual(half, rows) + at, static_cast<const float*>(NormOf(half).data),
                    Inverse(half, rows) + row, Floats(plan_.d_normed) + at, end - begin, shape_.width,
                    d_residual);
  });
}

// x_out = x_in + down(hidden), less what dropout takes: d_residual is the gradient of x_out, d_normed becomes
// that of the normed rows.
// What the forward pass did not keep, the normed rows and the hidden ones, is computed again.
void Trainer::FeedForwardHalfBackward(size_t layer, size_t rows, const Band& band) {
  const LayerWeights& weights = Layer(layer);
  const FeedForwardBuffers buffers = FeedForwardOf(layer, rows, band);
  const size_t width = shape_.width_stride, hidden = shape_.hidden_stride, count = band.batch.count();
  const float* d_added = AddedGradient(2 * layer + 1, rows) + band.row() * width;
  float* d_hidden = Floats(plan_.d_hidden) + band.row() * hidden;
  Crew crew(band.workers);
  NormRows(weights.feed_forward_norm, shape_, count, buffers.x_in, buffers.normed, nullptr, crew);
  LinearBackward(weights.down, 0, d_added, width, band, d_hidden);
  ForRanges(band.workers, count, hidden * 32, [&](size_t begin, size_t end) {
    float* gate_up = buffers.gate_up + begin * 2 * hidden;
    SwiGlu(gate_up, end - begin, hidden, buffers.hidden + begin * hidden);
    SwiGluBackward(d_hidden + begin * hidden, end - begin, hidden, gate_up);
  });
  LinearBackward(weights.gate_up, width * hidden, buffers.gate_up, 2 * hidden, band,
                 Floats(plan_.d_normed) + band.row() * width);
}

void Trainer::AttentionHalfBackward(size_t layer, size_t rows, const Band& band) {
  const LayerWeights& weights = Layer(layer);
  const AttentionBuffers buffers = AttentionOf(layer, rows, band);
  const size_t width = shape_.width_stride, qkv = shape_.qkv_stride, count = band.batch.count();
  LinearBackward(weights.attention_output, 0, AddedGradient(2 * layer, rows) + band.row() * width, width,
                 band, Floats(plan_.d_attended) + band.row() * shape_.query_stride);
  ForRanges(band.workers, band.batch.sequences * shape_.kv_heads,
            band.batch.length * band.batch.length * shape_.head_size * 3 * (shape_.heads / shape_.kv_heads),
            [&](size_t begin, size_t end) { HeadsBackward(buffers, band, begin, end); });
  ForRanges(band.workers, count, qkv * 2,
            [&](size_t begin, size_t end) { RotateBackward(buffers, band, begin, end); });
  Crew crew(band.workers);
  NormRows(weights.attention_norm, shape_, count, buffers.x_in, buffers.normed, nullptr, crew);
  LinearBackward(weights.query_key_value, width * shape_.query_stride,
                 Floats(plan_.d_query_key_value) + band.row() * qkv, qkv, band,
                 Floats(plan_.d_normed) + band.row() * width);
}

// Items are (sequence, key head).
void Trainer::HeadsBackward(const AttentionBuffers& buffers, const Band& band, size_t begin, size_t end) {
  const size_t length = band.batch.length;
  for (size_t item = begin; item < end; ++item) {
    const size_t sequence = item / shape_.kv_heads, row = sequence * length;
    const SequenceGradient gradient = {
        buffers.query_key_value + row * shape_.qkv_stride,
        buffers.attended + row * shape_.query_stride,
        Floats(plan_.d_attended) + (band.row() + row) * shape_.query_stride,
        buffers.log_sum_exp + row * shape_.heads,
        Floats(plan_.d_query_key_value) + (band.row() + row) * shape_.qkv_stride,
        length};
    const size_t cache_at = item * static_cast<size_t>(plan_.head_floats);
    KeyHeadBackward(shape_, gradient, item % shape_.kv_heads, buffers.cache.floats.keys + cache_at,
                    buffers.cache.floats.values + cache_at);
  }
}

// Rows [begin, end) of the band.
void Trainer::RotateBackward(const AttentionBuffers& buffers, const Band& band, size_t begin, size_t end) {
  float* d_qkv = Floats(plan_.d_query_key_value) + band.row() * shape_.qkv_stride;
  for (size_t row = begin; row < end; ++row) {
    RotateRowBackward(shape_, buffers.angles + row % band.batch.length * shape_.head_size,
                      d_qkv + row * shape_.qkv_stride);
  }
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
