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
  if (HasBatchNorm()) return 1;
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
  EmbeddingBackward(inputs, batch);
}

// From d_normed: d_residual +=, after the last half =.
void Trainer::NormBackward(size_t half, size_t rows, const Band& band) {
  const size_t stride = shape_.width_stride;
  const bool first = half == 2 * static_cast<size_t>(model_.config.layers);
  if (HasBatchNorm()) BatchNormSums(half, rows);
  ForRanges(band.workers, band.batch.count(), stride * 4, [&](size_t begin, size_t end) {
    float* d_residual = Floats(plan_.d_residual) + (band.row() + begin) * stride;
    if (first) std::memset(d_residual, 0, (end - begin) * stride * sizeof(float));
    NormRowsBackward(half, rows, band.row() + begin, band.row() + end, d_residual);
  });
}

// Rows [begin, end) of the batch.
void Trainer::NormRowsBackward(size_t half, size_t rows, size_t begin, size_t end, float* d_residual) const {
  const size_t at = begin * shape_.width_stride, count = end - begin;
  const float *x = Residual(half, rows) + at, *norm = NormOf(half), *dy = Floats(plan_.d_normed) + at;
  const float *mean = Mean(half, rows) + begin, *inverse = Inverse(half, rows) + begin;
  switch (shape_.variant.norm) {
    case Norm::kRms: return RmsNormBackward(x, norm, inverse, dy, count, shape_.width, d_residual);
    case Norm::kLayer: return LayerNormBackward(x, norm, mean, inverse, dy, count, shape_.width, d_residual);
    case Norm::kAffine: return AffineNormBackward(norm, dy, count, shape_.width, d_residual);
    case Norm::kBatch:
      return BatchNormBackward(x, norm, BatchMoments(half), Floats(plan_.batch_through), dy, count,
                               shape_.width_stride, d_residual);
  }
}

// x_out = x + down(hidden), less what dropout takes: d_residual is the gradient of x_out, d_normed becomes
// that of the normed rows.
// What the forward pass did not keep, the normed rows and the hidden ones, is computed again.
void Trainer::FeedForwardHalfBackward(size_t layer, size_t rows, const Band& band) {
  const LayerWeights& weights = Layer(layer);
  const FeedForwardBuffers buffers = FeedForwardOf(layer, rows, band);
  const size_t width = shape_.width_stride, hidden = shape_.hidden_stride, count = band.batch.count();
  const size_t gate_up_stride = shape_.inputs() * hidden;
  const float* d_added = AddedGradient(2 * layer + 1, rows) + band.row() * width;
  float* d_hidden = Floats(plan_.d_hidden) + band.row() * hidden;
  Crew crew(band.workers);
  NormRows(weights.feed_forward_norm, shape_, count, {buffers.norm.x, buffers.norm.normed, nullptr, nullptr},
           crew);
  LinearBackward(weights.down, 0, d_added, width, band, d_hidden);
  ForRanges(band.workers, count, hidden * 32, [&](size_t begin, size_t end) {
    float* gate_up = buffers.gate_up + begin * gate_up_stride;
    Activate(shape_.variant, gate_up, end - begin, hidden, buffers.hidden + begin * hidden);
    ActivateBackward(shape_.variant, d_hidden + begin * hidden, end - begin, hidden, gate_up);
  });
  LinearBackward(weights.gate_up, width * hidden, buffers.gate_up, gate_up_stride, band,
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
            [&](size_t begin, size_t end) { RotateBackward(weights, buffers, band, begin, end); });
  Crew crew(band.workers);
  NormRows(weights.attention_norm, shape_, count, {buffers.norm.x, buffers.norm.normed, nullptr, nullptr},
           crew);
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
void Trainer::RotateBackward(const LayerWeights& weights, const AttentionBuffers& buffers, const Band& band,
                             size_t begin, size_t end) {
  for (size_t row = begin; row < end; ++row) {
    float* d_qkv = Floats(plan_.d_query_key_value) + (band.row() + row) * shape_.qkv_stride;
    RotateRowBackward(shape_, buffers.angles + row % band.batch.length * shape_.head_size, d_qkv);
    if (weights.query_norm != nullptr) {
      const size_t query = shape_.query_width, size = shape_.head_size;
      float* unturned = buffers.unturned + row * shape_.qkv_stride;
      RmsNormHeadsBackward(weights.query_norm, shape_.norm_epsilon, shape_.heads, size, unturned, d_qkv);
      RmsNormHeadsBackward(weights.key_norm, shape_.norm_epsilon, shape_.kv_heads, size, unturned + query,
                           d_qkv + query);
    }
  }
}

// Every worker takes a range of token ids, or of positions, and adds the rows of its own in their order.
void Trainer::EmbeddingBackward(const uint32_t* inputs, const SequenceBatch& batch) {
  const size_t vocabulary = model_.config.vocabulary_size, rows = batch.count(), length = batch.length;
  const size_t width = shape_.width, stride = shape_.width_stride;
  float* d_residual = Floats(plan_.d_residual);
  if (embeddings_.positions.data != nullptr) {
    ForRanges(workers(), length, batch.sequences * width * 4, [&](size_t begin, size_t end) {
      for (size_t r = 0; r < rows; ++r) {
        if (r % length < begin || r % length >= end) continue;
        ScatterAddRow(d_residual + r * stride, width, r % length, GradientOf(embeddings_.positions));
      }
    });
  }
  const float scale = shape_.variant.embedding_scale;
  if (scale != 1.0f) {
    ForRanges(workers(), rows, stride, [&](size_t begin, size_t end) {
      Scale(scale, (end - begin) * stride, d_residual + begin * stride);
    });
  }
  ForRanges(workers(), vocabulary, rows * width / vocabulary * 4 + 1, [&](size_t begin, size_t end) {
    for (size_t r = 0; r < rows; ++r) {
      if (inputs[r] < begin || inputs[r] >= end) continue;
      ScatterAddRow(d_residual + r * stride, width, inputs[r], GradientOf(embeddings_.tokens));
    }
  });
}

}  // namespace cllm
