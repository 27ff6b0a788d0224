#include <cstring>

#include "base/layout.h"
#include "base/ranges.h"
#include "kernels/loss.h"
#include "trainer/trainer.h"

namespace cllm {

AttentionBuffers Trainer::AttentionOf(size_t layer, size_t rows) const {
  return {Residual(2 * layer, rows),
          Residual(2 * layer + 1, rows),
          Floats(plan_.normed),
          Inverse(2 * layer, rows),
          Floats(plan_.query_key_value) + layer * rows * shape_.qkv_stride,
          Floats(plan_.attended) + layer * rows * shape_.query_stride,
          Floats(plan_.log_sum_exp) + layer * rows * shape_.heads,
          Floats(plan_.angles),
          {Floats(plan_.keys), Floats(plan_.values), static_cast<size_t>(plan_.head_floats)},
          {nullptr, 0, nullptr}};
}

FeedForwardBuffers Trainer::FeedForwardOf(size_t layer, size_t rows) const {
  return {Residual(2 * layer + 1, rows),
          Residual(2 * layer + 2, rows),
          Floats(plan_.normed),
          Inverse(2 * layer + 1, rows),
          Floats(plan_.gate_up) + layer * rows * 2 * shape_.hidden_stride,
          Floats(plan_.hidden),
          {nullptr, 0, nullptr}};
}

void Trainer::Forward(const uint32_t* inputs, const Rows& rows) {
  const size_t count = rows.count();
  ForRanges(workers(), count, shape_.width * 4, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      EmbedToken(embedding_, inputs[r], Residual(0, count) + r * shape_.width_stride);
    }
  });
  for (size_t layer = 0; layer < model_.config.layers; ++layer) {
    AttentionHalf(Layer(layer), shape_, rows, AttentionOf(layer, count), workers());
    FeedForwardHalf(Layer(layer), shape_, count, FeedForwardOf(layer, count), workers());
  }
}

float Trainer::Run(const uint32_t* inputs, const uint32_t* targets, const Rows& rows, const float* weight) {
  const size_t count = rows.count();
  uint32_t counted = 0;
  for (size_t r = 0; r < count; ++r) counted += targets[r] != CLLM_NO_TOKEN;
  Forward(inputs, rows);
  const float token_weight = weight != nullptr && counted != 0 ? *weight / static_cast<float>(counted) : 0.0f;
  HeadAndLoss(targets, count, weight != nullptr, token_weight);
  double sum = 0.0;
  for (size_t r = 0; r < count; ++r) sum += static_cast<double>(Floats(plan_.losses)[r]);
  return counted != 0 ? static_cast<float>(sum / counted) : 0.0f;
}

void Trainer::RowLosses(const uint32_t* targets, size_t begin, size_t count, bool gradient,
                        float token_weight) {
  ForRanges(workers(), count, vocabulary_stride_ * 16, [&](size_t first, size_t last) {
    for (size_t r = first; r < last; ++r) {
      float* logits = Floats(plan_.logits) + r * vocabulary_stride_;
      float& loss = Floats(plan_.losses)[begin + r];
      if (targets[begin + r] != CLLM_NO_TOKEN) {
        loss =
            CrossEntropy(logits, model_.config.vocabulary_size, targets[begin + r], token_weight, gradient);
      } else {
        loss = 0.0f;
        std::memset(logits, 0, vocabulary_stride_ * sizeof(float));
      }
    }
  });
}

void Trainer::HeadAndLoss(const uint32_t* targets, size_t rows, bool gradient, float token_weight) {
  const size_t half = 2 * static_cast<size_t>(model_.config.layers);
  NormRows(final_norm_, shape_, rows, Residual(half, rows), Floats(plan_.normed), Inverse(half, rows),
           workers());
  if (gradient) Transpose(head_, vocabulary_stride_);
  const size_t stride = shape_.width_stride;
  float* logits = Floats(plan_.logits);
  for (size_t begin = 0; begin < rows; begin += plan_.logits_rows) {
    const size_t count = rows - begin < plan_.logits_rows ? rows - begin : plan_.logits_rows;
    const float* normed = Floats(plan_.normed) + begin * stride;
    Linear(head_, {count, stride, vocabulary_stride_, vocabulary_stride_ / kPanel}, normed, logits, false,
           {nullptr, 0, nullptr}, workers());
    RowLosses(targets, begin, count, gradient, token_weight);
    if (!gradient) continue;
    LinearWeightBackward(head_, normed, stride, logits, vocabulary_stride_, count);
    LinearBackward(head_, logits, vocabulary_stride_, count, Floats(plan_.d_normed) + begin * stride);
  }
}

}  // namespace cllm
