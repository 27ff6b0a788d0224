#include <cstring>

#include "base/layout.h"
#include "kernels/gemm.h"
#include "kernels/loss.h"
#include "kernels/mixed.h"
#include "trainer/trainer.h"

namespace cllm {

HalfBuffers Trainer::HalfOf(size_t half, size_t rows, const Band& band) const {
  const size_t row = band.row(), at = row * shape_.width_stride;
  return {{Residual(half, rows) + at, Floats(plan_.normed) + at, Mean(half, rows) + row,
           Inverse(half, rows) + row},
          Residual(half + 1, rows) + at,
          {},
          nullptr,
          nullptr};
}

AttentionBuffers Trainer::AttentionOf(size_t layer, size_t rows, const Band& band) const {
  const size_t row = band.row();
  const size_t cache = band.sequence * shape_.kv_heads * static_cast<size_t>(plan_.head_floats);
  return {HalfOf(2 * layer, rows, band),
          Floats(plan_.query_key_value) + (layer * rows + row) * shape_.qkv_stride,
          Floats(plan_.unturned) + (layer * rows + row) * shape_.qkv_stride,
          Floats(plan_.attended) + (layer * rows + row) * shape_.query_stride,
          Floats(plan_.d_attended) + row * shape_.query_stride,
          Floats(plan_.log_sum_exp) + (layer * rows + row) * shape_.heads,
          Floats(plan_.angles),
          {{Floats(plan_.keys) + cache, Floats(plan_.values) + cache},
           {},
           {},
           {},
           static_cast<size_t>(plan_.head_floats) / shape_.head_size},
          {},
          0};
}

FeedForwardBuffers Trainer::FeedForwardOf(size_t layer, size_t rows, const Band& band) const {
  const size_t row = band.row();
  return {HalfOf(2 * layer + 1, rows, band),
          Floats(plan_.gate_up) + (layer * rows + row) * shape_.inputs() * shape_.hidden_stride,
          Floats(plan_.hidden) + row * shape_.hidden_stride};
}

// Up to the final norm, band by band.
void Trainer::Forward(const uint32_t* inputs, const SequenceBatch& batch, bool training) {
  const size_t all = batch.count(), layers = model_.config.layers, width = shape_.width_stride;
  ForBands(batch, [&](const Band& band) {
    const size_t count = band.batch.count(), row = band.row();
    Crew crew(band.workers);
    ForRanges(band.workers, count, shape_.width * 4, [&](size_t begin, size_t end) {
      for (size_t r = row + begin; r < row + end; ++r) {
        EmbedToken(embeddings_, shape_, inputs[r], r % batch.length, Residual(0, all) + r * width,
                   Floats(plan_.normed) + r * width);
      }
    });
    if (training) DropEmbedded(band, Residual(0, all));
    for (size_t layer = 0; layer < layers; ++layer) {
      FoldNorm(2 * layer, all, training);
      AttentionHalf(ProductLayer(layer), shape_, RowsOf(band), AttentionOf(layer, all, band), crew);
      if (training) DropAdded(2 * layer, all, band);
      FoldNorm(2 * layer + 1, all, training);
      FeedForwardHalf(ProductLayer(layer), shape_, count, FeedForwardOf(layer, all, band), crew);
      if (training) DropAdded(2 * layer + 1, all, band);
    }
    FoldNorm(2 * layers, all, training);
    NormRows(final_norm_, shape_, count,
             {Residual(2 * layers, all) + row * width, Floats(plan_.normed) + row * width,
              Mean(2 * layers, all) + row, Inverse(2 * layers, all) + row},
             crew);
  });
}

// Before each batch: in between, the caller may have written weights.
void Trainer::RoundWeights() {
  const auto round = [](const Tensor& from, const Tensor& to, size_t stored_rows, const Share& share) {
    const size_t panels = stored_rows / kPanel;
    RoundPanels(static_cast<const float*>(from.data), from.columns, share.Begin(panels), share.End(panels),
                static_cast<uint16_t*>(const_cast<void*>(to.data)));
  };
  ForShares(static_cast<size_t>(plan_.weight_floats), [&](const Share& share) {
    for (size_t layer = 0; layer < model_.config.layers; ++layer) {
      const LayerWeights &from = Layer(layer), &to = ProductLayer(layer);
      round(from.query_key_value, to.query_key_value, shape_.qkv_stride, share);
      round(from.attention_output, to.attention_output, shape_.width_stride, share);
      round(from.gate_up, to.gate_up, shape_.inputs() * shape_.hidden_stride, share);
      round(from.down, to.down, shape_.width_stride, share);
    }
    round(head_, product_head_, vocabulary_stride_, share);
  });
}

float Trainer::Run(const uint32_t* inputs, const uint32_t* targets, const SequenceBatch& batch,
                   const float* weight) {
  const size_t count = batch.count();
  uint32_t counted = 0;
  for (size_t r = 0; r < count; ++r) counted += targets[r] != CLLM_NO_TOKEN;
  if (mixed()) RoundWeights();
  Forward(inputs, batch, weight != nullptr);
  if (weight != nullptr && teacher_ != nullptr) {
    const SequenceBatch same =
        teacher_->Begin(static_cast<uint32_t>(batch.sequences), static_cast<uint32_t>(batch.length));
    if (teacher_->mixed()) teacher_->RoundWeights();
    teacher_->Forward(inputs, same, false);
  }
  const float token_weight = weight != nullptr && counted != 0 ? *weight / static_cast<float>(counted) : 0.0f;
  HeadAndLoss(targets, count, weight != nullptr, token_weight);
  double sum = 0.0;
  for (size_t r = 0; r < count; ++r) sum += static_cast<double>(Floats(plan_.losses)[r]);
  return counted != 0 ? static_cast<float>(sum / counted) : 0.0f;
}

// Rows [first, last) of the chunk that begins at row `begin`.
void Trainer::RowLosses(const uint32_t* targets, size_t begin, size_t first, size_t last, bool gradient,
                        float token_weight) {
  const LogitMap map = {shape_.variant.logit_scale, shape_.variant.logit_softcap};
  LossGradient loss_gradient = {token_weight, label_smoothing_, map, nullptr, taught_};
  for (size_t r = first; r < last; ++r) {
    float* logits = Floats(plan_.logits) + r * vocabulary_stride_;
    float& loss = Floats(plan_.losses)[begin + r];
    if (targets[begin + r] != CLLM_NO_TOKEN) {
      if (!map.is_identity()) MapLogits(map, vocabulary_stride_, logits);
      if (gradient && teacher_ != nullptr) loss_gradient.teacher = teacher_->MappedLogits(r);
      loss = CrossEntropy(logits, model_.config.vocabulary_size, targets[begin + r],
                          gradient ? &loss_gradient : nullptr);
    } else {
      loss = 0.0f;
      std::memset(logits, 0, vocabulary_stride_ * sizeof(float));
    }
  }
}

void Trainer::HeadLogits(size_t begin, size_t count) {
  const size_t stride = shape_.width_stride, vocabulary = vocabulary_stride_;
  Crew crew(workers());
  Linear(product_head_, nullptr, {count, stride, vocabulary, vocabulary / kPanel},
         Floats(plan_.normed) + begin * stride, Floats(plan_.logits), {}, crew);
}

// Row r of the logits that HeadLogits left, once.
const float* Trainer::MappedLogits(size_t r) {
  const LogitMap map = {shape_.variant.logit_scale, shape_.variant.logit_softcap};
  float* logits = Floats(plan_.logits) + r * vocabulary_stride_;
  if (!map.is_identity()) MapLogits(map, vocabulary_stride_, logits);
  return logits;
}

// From the final norm's output to the losses, and with `gradient` to d_normed, chunk by chunk of logits.
void Trainer::HeadAndLoss(const uint32_t* targets, size_t rows, bool gradient, float token_weight) {
  const size_t stride = shape_.width_stride, vocabulary = vocabulary_stride_;
  float* logits = Floats(plan_.logits);
  for (size_t begin = 0; begin < rows; begin += plan_.logits_rows) {
    const size_t count = rows - begin < plan_.logits_rows ? rows - begin : plan_.logits_rows;
    const float* normed = Floats(plan_.normed) + begin * stride;
    float* d_normed = Floats(plan_.d_normed) + begin * stride;
    HeadLogits(begin, count);
    if (gradient && teacher_ != nullptr) teacher_->HeadLogits(begin, count);
    ForShares(count * vocabulary * 16, [&](const Share& share) {
      RowLosses(targets, begin, share.Begin(count), share.End(count), gradient, token_weight);
      if (gradient && begin == 0) Transpose(head_, vocabulary, 0, share);
    });
    if (!gradient) continue;
    ForShares(count * vocabulary * stride * 2, [&](const Share& share) {
      LinearWeightBackward(head_, normed, stride, logits, vocabulary, count, share);
      const Share other = share.Reversed();
      LinearBackward(head_, 0, logits, vocabulary, count, other.Begin(stride / kPanel),
                     other.End(stride / kPanel), d_normed);
    });
  }
}

}  // namespace cllm
