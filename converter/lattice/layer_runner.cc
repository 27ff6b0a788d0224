#include "converter/lattice/layer_runner.h"

#include "base/layout.h"
#include "kernels/rope.h"

namespace cllm {

LayerRunner::LayerRunner(const Model& model, size_t rows)
    : model_(model),
      shape_(model.config),
      normed_(rows * shape_.width_stride),
      added_(normed_.size()),
      query_key_value_(rows * shape_.qkv_stride),
      attended_(rows * shape_.query_stride),
      gate_up_(rows * shape_.inputs() * shape_.hidden_stride),
      hidden_(rows * shape_.hidden_stride),
      angles_(rows * shape_.head_size),
      window_angles_(angles_.size()),
      context_(static_cast<size_t>(PaddedRow(rows))),
      keys_(shape_.kv_heads * context_ * shape_.head_size),
      values_(keys_.size()) {
  for (uint32_t position = 0; position < rows; ++position) {
    RopeAngles(model.config.rope_turns, shape_.rotary() / 2, position,
               angles_.data() + position * shape_.head_size);
    if (!shape_.variant.window_rope) continue;
    RopeAngles(model.config.window_rope_turns, shape_.rotary() / 2, position,
               window_angles_.data() + position * shape_.head_size);
  }
}

AlignedFloats LayerRunner::Embed(const Embeddings& embeddings, const std::vector<uint32_t>& tokens) const {
  AlignedFloats x(tokens.size() * shape_.width_stride), row(shape_.width_stride);
  for (size_t r = 0; r < tokens.size(); ++r)
    EmbedToken(embeddings, shape_, tokens[r], r, x.data() + r * shape_.width_stride, row.data());
  return x;
}

HalfBuffers LayerRunner::HalfOf(uint32_t layer, Role post_norm, float* x) {
  const auto* norm = static_cast<const float*>(FindTensor(model_, post_norm, layer).data);
  return {{x, normed_.data(), nullptr, nullptr}, x, {}, added_.data(), norm};
}

void LayerRunner::Attention(const LayerWeights& weights, uint32_t layer, size_t rows, float* x) {
  const size_t window = shape_.variant.window(layer);
  const AlignedFloats& angles = window != 0 && shape_.variant.window_rope ? window_angles_ : angles_;
  const Run run = {0, 0, 0, static_cast<uint32_t>(rows), 0};
  const KvCache cache = {{keys_.data(), values_.data()}, {}, {}, {}, context_};
  Crew crew(nullptr);
  AttentionHalf(weights, shape_, {&run, 1, 0, rows},
                {HalfOf(layer, Role::kAttentionPostNorm, x),
                 query_key_value_.data(),
                 nullptr,
                 attended_.data(),
                 attended_.data(),
                 nullptr,
                 angles.data(),
                 cache,
                 {},
                 window},
                crew);
}

void LayerRunner::FeedForward(const LayerWeights& weights, uint32_t layer, size_t rows, float* x) {
  // What attention adds waits in a buffer, which other rows may have been through since.
  if (shape_.variant.parallel_block) Attention(weights, layer, rows, x);
  Crew crew(nullptr);
  FeedForwardHalf(weights, shape_, rows,
                  {HalfOf(layer, Role::kFeedForwardPostNorm, x), gate_up_.data(), hidden_.data()}, crew);
}

void LayerRunner::Norm(const float* norm, size_t rows, const float* x) {
  Crew crew(nullptr);
  NormRows(norm, shape_, rows, {x, normed_.data(), nullptr, nullptr}, crew);
}

}  // namespace cllm
