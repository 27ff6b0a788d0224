// The forward pass is a session's, layer by layer; the head goes by chunks of rows.
#include <cstring>

#include "base/layout.h"
#include "kernels/loss.h"
#include "trainer/tuner.h"

namespace cllm {

Prepared Tuner::PreparedRows() const {
  Prepared prepared = {{}, Adapters()};
  if (IsInteger(model_.config.weights)) {
    prepared.quantized = {At<int8_t>(plan_.quantized), static_cast<size_t>(plan_.quantized_stride),
                          At<RowScale>(plan_.row_scales),
                          TakesGroupSums(model_.config.weights) ? At<int16_t>(plan_.group_sums) : nullptr};
  }
  return prepared;
}

AttentionBuffers Tuner::AttentionOf(size_t layer, size_t rows, float* x_in, float* x_out) const {
  const size_t slot = Slot(layer);
  float* attended = Floats(plan_.attended) + slot * rows * shape_.query_stride;
  return {{{x_in, Floats(plan_.normed), nullptr, nullptr}, x_out, PreparedRows(), nullptr, nullptr},
          Floats(plan_.query_key_value) + slot * rows * shape_.qkv_stride,
          nullptr,
          attended,
          attended,
          Floats(plan_.log_sum_exp) + slot * rows * shape_.heads,
          Floats(plan_.angles),
          {{Floats(plan_.keys), Floats(plan_.values)},
           {},
           {},
           {},
           static_cast<size_t>(plan_.head_floats) / shape_.head_size},
          {},
          0};
}

void Tuner::AttentionForward(size_t layer, size_t rows, float* x_in, float* x_out) {
  Crew crew(workers());
  const Rows all = {At<Run>(plan_.run), 1, 0, rows};
  AttentionHalf(Layer(layer), shape_, all, AttentionOf(layer, rows, x_in, x_out), crew);
}

void Tuner::FeedForwardForward(size_t layer, size_t rows, const float* x_in, float* x_out) {
  Crew crew(workers());
  const size_t width = shape_.width_stride;
  ForChunks(rows, [&](const Chunk& chunk) {
    const size_t at = chunk.begin * width;
    FeedForwardHalf(Layer(layer), shape_, chunk.count,
                    {{{x_in + at, Floats(plan_.normed) + at, nullptr, nullptr},
                      x_out + at,
                      PreparedRows(),
                      nullptr,
                      nullptr},
                     GateUp(layer, rows, chunk.begin),
                     Floats(plan_.hidden)},
                    crew);
  });
}

// Leaves the rows before each layer, what is kept of layers, and the normed rows at the end.
void Tuner::Forward(const uint32_t* inputs, size_t rows) {
  const auto length = static_cast<uint32_t>(rows);
  At<Run>(plan_.run)[0] = {0, 0, 0, length, 0};
  for (size_t r = 0; r < rows; ++r) {
    const size_t at = r * shape_.width_stride;
    EmbedToken({embedding_, {}}, shape_, inputs[r], r, Residual(0, rows) + at, Floats(plan_.normed) + at);
  }
  for (size_t layer = 0; layer < model_.config.layers; ++layer) {
    float *x_in = Residual(layer, rows), *x_out = Residual(layer + 1, rows);
    const bool kept = !plan_.recompute && layer >= plan_.lowest;
    float* middle = kept ? Middle(layer, rows) : x_out;
    AttentionForward(layer, rows, x_in, middle);
    FeedForwardForward(layer, rows, middle, x_out);
  }
  Crew crew(workers());
  NormRows(final_norm_, shape_, rows, KeptNorm(Residual(model_.config.layers, rows)), crew);
}

// The losses of the chunk's rows; with `weight` also d_normed of *weight times them, and the head's gradient.
void Tuner::HeadChunk(const uint32_t* targets, const Chunk& chunk, const float* weight) {
  Crew crew(workers());
  const size_t width = shape_.width_stride, vocabulary = model_.config.vocabulary_size;
  const auto stride = static_cast<size_t>(PaddedRow(vocabulary));
  const float* normed = Floats(plan_.normed) + chunk.begin * width;
  float* logits = Floats(plan_.logits);
  const LossGradient gradient = {weight != nullptr ? *weight : 0.0f};
  Linear(head_, nullptr, {chunk.count, width, stride, stride / kPanel}, normed, logits, PreparedRows(), crew);
  ForRanges(workers(), chunk.count, stride * 16, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      const uint32_t target = targets[chunk.begin + r];
      float& loss = Floats(plan_.losses)[chunk.begin + r];
      loss = 0.0f;
      if (target != CLLM_NO_TOKEN) {
        loss = CrossEntropy(logits + r * stride, vocabulary, target, weight != nullptr ? &gradient : nullptr);
      } else {
        std::memset(logits + r * stride, 0, stride * sizeof(float));
      }
    }
  });
  if (weight == nullptr) return;
  ProductBackward(head_, {normed, width, logits, stride, chunk.count,
                          Floats(plan_.d_normed) + chunk.begin * width, width});
}

float Tuner::Losses(const uint32_t* targets, size_t rows, const float* weight) {
  ForChunks(rows, [&](const Chunk& chunk) { HeadChunk(targets, chunk, weight); });
  double sum = 0.0;
  for (size_t r = 0; r < rows; ++r) sum += static_cast<double>(Floats(plan_.losses)[r]);
  return static_cast<float>(sum);
}

}  // namespace cllm
