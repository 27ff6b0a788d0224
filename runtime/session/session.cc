#include "session/session.h"

#include <cstring>
#include <new>

#include "base/layout.h"
#include "kernels/loss.h"
#include "kernels/rope.h"
#include "tokens/sampler.h"

namespace cllm {

Status Session::Create(const Model& model, const cllm_limits* limits, const cllm_workers* workers, void* room,
                       uint64_t room_bytes, Session** session) {
  SessionPlan plan;
  CLLM_RETURN_IF_ERROR(PlanSession(model.config, limits, &plan));
  if (reinterpret_cast<uintptr_t>(room) % kAlignment != 0) return CLLM_MISALIGNED;
  if (room_bytes < plan.room_bytes) return CLLM_ROOM_TOO_SMALL;
  *session = new (room) Session(model, plan, workers, static_cast<uint8_t*>(room));
  return CLLM_OK;
}

Session::Session(const Model& model, const SessionPlan& plan, const cllm_workers* workers, uint8_t* room)
    : model_(model),
      plan_(plan),
      shape_(model.config),
      embedding_(FindTensor(model, Role::kTokenEmbedding, 0)),
      final_norm_(FindTensor(model, Role::kFinalNorm, 0)),
      head_(FindTensor(model, Role::kHead, 0)),
      workers_(workers != nullptr ? *workers : cllm_workers{1, nullptr, nullptr}),
      room_(room) {
  LayerWeights* layers = At<LayerWeights>(plan_.layers);
  for (uint32_t i = 0; i < model_.config.layers; ++i) new (layers + i) LayerWeights(FindLayer(model_, i));
}

Status Session::Feed(const uint32_t* tokens, uint32_t count) {
  if (count == 0) return CLLM_OK;
  if (count > plan_.limits.context - position_) return CLLM_CONTEXT_FULL;
  const bool every_row = plan_.limits.logits_rows > 1;
  if (every_row && count > plan_.limits.batch) return CLLM_LIMIT_BATCH;
  for (uint32_t i = 0; i < count; ++i) {
    if (tokens[i] >= model_.config.vocabulary_size) return CLLM_TOKEN_RANGE;
  }
  for (uint32_t done = 0; done < count;) {
    const uint32_t left = count - done;
    const uint32_t rows = left < plan_.limits.batch ? left : plan_.limits.batch;
    const bool last = rows == left;
    Forward(tokens + done, rows, every_row ? rows : (last ? 1 : 0));
    done += rows;
  }
  logits_count_ = every_row ? count : 1;
  return CLLM_OK;
}

void Session::Forward(const uint32_t* tokens, uint32_t count, uint32_t logits_rows) {
  const size_t head_size = shape_.head_size;
  float* residual = At<float>(plan_.residual);
  float* angles = At<float>(plan_.angles);
  std::memcpy(At<uint32_t>(plan_.history) + position_, tokens, count * sizeof(uint32_t));
  for (uint32_t r = 0; r < count; ++r) {
    EmbedToken(embedding_, tokens[r], residual + r * shape_.width_stride);
    RopeAngles(model_.config.rope_turns, head_size / 2, position_ + r, angles + r * head_size);
  }
  float* normed = At<float>(plan_.normed);
  const QuantizedRows quantized = {At<int8_t>(plan_.quantized), static_cast<size_t>(plan_.quantized_stride),
                                   At<RowScale>(plan_.row_scales)};
  const size_t head_floats = RoundUp(plan_.limits.context, kPanel) * head_size;
  const size_t layer_floats = head_floats * shape_.kv_heads;
  const LayerWeights* layers = At<LayerWeights>(plan_.layers);
  for (uint32_t i = 0; i < model_.config.layers; ++i) {
    const KvCache cache = {At<float>(plan_.keys) + i * layer_floats,
                           At<float>(plan_.values) + i * layer_floats, head_floats};
    AttentionHalf(layers[i], shape_, {1, count, position_},
                  {residual, residual, normed, nullptr, At<float>(plan_.query_key_value),
                   At<float>(plan_.attended), nullptr, angles, cache, quantized},
                  workers());
    FeedForwardHalf(
        layers[i], shape_, count,
        {residual, residual, normed, nullptr, At<float>(plan_.gate_up), At<float>(plan_.hidden), quantized},
        workers());
  }
  position_ += count;
  if (logits_rows > 0) ComputeLogits(count - logits_rows, logits_rows);
}

void Session::ComputeLogits(uint32_t first_row, uint32_t rows) {
  const size_t vocabulary = PaddedRow(model_.config.vocabulary_size);
  NormLinear(final_norm_, head_, shape_, rows,
             {At<float>(plan_.residual) + first_row * shape_.width_stride, At<float>(plan_.normed), nullptr},
             At<float>(plan_.logits), vocabulary,
             {At<int8_t>(plan_.quantized), static_cast<size_t>(plan_.quantized_stride),
              At<RowScale>(plan_.row_scales)},
             workers());
}

Status Session::Logits(uint32_t row, const float** logits) const {
  if (logits_count_ == 0) return CLLM_NO_LOGITS;
  if (row >= logits_count_) return CLLM_INDEX_RANGE;
  *logits = At<float>(plan_.logits) + row * PaddedRow(model_.config.vocabulary_size);
  return CLLM_OK;
}

Status Session::Next(const cllm_sampling* sampling, uint32_t* token) {
  if (logits_count_ == 0) return CLLM_NO_LOGITS;
  const float* logits;
  CLLM_RETURN_IF_ERROR(Logits(logits_count_ - 1, &logits));
  if (sampling == nullptr) {
    *token = ArgMax(logits, model_.config.vocabulary_size);
    return CLLM_OK;
  }
  CLLM_RETURN_IF_ERROR(ValidateSampling(*sampling));
  return Sample(*sampling, logits, model_.config.vocabulary_size, At<uint32_t>(plan_.history), position_,
                position_, At<void>(plan_.sampling), token);
}

Status Session::Rewind(uint32_t position) {
  if (position > position_) return CLLM_POSITION_RANGE;
  position_ = position;
  logits_count_ = 0;
  return CLLM_OK;
}

}  // namespace cllm
