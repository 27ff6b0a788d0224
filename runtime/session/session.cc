#include "session/session.h"

#include <cstring>
#include <new>

#include "base/layout.h"
#include "base/ranges.h"
#include "kernels/loss.h"
#include "kernels/rope.h"
#include "tokens/sampler.h"

namespace cllm {
namespace {

// Rows a worker below which the products would read each weight for too little work.
constexpr uint32_t kFewestRows = 8;

}  // namespace

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
  std::memcpy(At<uint32_t>(plan_.history) + position_, tokens, count * sizeof(uint32_t));
  const uint32_t ranges = RowRanges(count);
  for (uint32_t step = 0; step <= model_.config.layers; ++step) {
    if (ranges == 1) {
      Step(step, tokens, 0, count, count, workers());
      continue;
    }
    ParallelFor(workers(), ranges, [&](uint32_t i) {
      Step(step, tokens, size_t{count} * i / ranges, size_t{count} * (i + 1) / ranges, count, nullptr);
    });
  }
  position_ += count;
  if (logits_rows > 0) ComputeLogits(count - logits_rows, logits_rows);
}

// With rows enough for each worker one fork and join a layer does, whatever the size of the model; with
// fewer, the workers share each matrix, as far as it is worth it.
uint32_t Session::RowRanges(uint32_t count) const {
  if (count < kFewestRows * workers_.count) return 1;
  const size_t row_macs = shape_.width * (shape_.qkv_stride + shape_.query_width + 3 * shape_.hidden);
  return static_cast<uint32_t>(RangeCount(workers(), count, row_macs / kInt8Speed));
}

void Session::Step(uint32_t step, const uint32_t* tokens, size_t begin, size_t end, size_t count,
                   const cllm_workers* workers) {
  const LayerWeights* layers = At<LayerWeights>(plan_.layers);
  const Rows rows = {1, end - begin, position_ + begin, end == count};
  if (step == 0) {
    Embed(tokens, begin, end);
  } else {
    AttendAndAdd(layers[step - 1], shape_, rows, AttentionOf(step - 1, begin, end), workers);
    FeedForwardHalf(layers[step - 1], shape_, rows.length, FeedForwardOf(begin, end), workers);
  }
  if (step == model_.config.layers) return;
  ProjectAndStore(layers[step], shape_, rows, AttentionOf(step, begin, end), workers);
}

void Session::Embed(const uint32_t* tokens, size_t begin, size_t end) {
  for (size_t r = begin; r < end; ++r) {
    EmbedToken(embedding_, tokens[r], At<float>(plan_.residual) + r * shape_.width_stride);
    RopeAngles(model_.config.rope_turns, shape_.head_size / 2, static_cast<uint32_t>(position_ + r),
               At<float>(plan_.angles) + r * shape_.head_size);
  }
}

QuantizedRows Session::QuantizedFrom(size_t begin) const {
  const QuantizedRows all = {At<int8_t>(plan_.quantized), static_cast<size_t>(plan_.quantized_stride),
                             At<RowScale>(plan_.row_scales),
                             model_.config.weights == Dtype::kI4 ? At<int16_t>(plan_.group_sums) : nullptr};
  return all.From(begin);
}

// Each row's scratch is its own, so that rows may be in different halves of the layer at the same time.
AttentionBuffers Session::AttentionOf(uint32_t layer, size_t begin, size_t end) const {
  const size_t head_floats = RoundUp(plan_.limits.context, kPanel) * shape_.head_size;
  const size_t layer_floats = head_floats * shape_.kv_heads;
  float* residual = At<float>(plan_.residual) + begin * shape_.width_stride;
  float* scratch = At<float>(plan_.scratch) + begin * plan_.scratch_floats;
  return {residual,
          residual,
          At<float>(plan_.normed) + begin * shape_.width_stride,
          nullptr,
          scratch,
          scratch + (end - begin) * shape_.qkv_stride,
          nullptr,
          At<float>(plan_.angles) + begin * shape_.head_size,
          {At<float>(plan_.keys) + layer * layer_floats, At<float>(plan_.values) + layer * layer_floats,
           head_floats},
          QuantizedFrom(begin)};
}

FeedForwardBuffers Session::FeedForwardOf(size_t begin, size_t end) const {
  float* residual = At<float>(plan_.residual) + begin * shape_.width_stride;
  float* scratch = At<float>(plan_.scratch) + begin * plan_.scratch_floats;
  return {residual,
          residual,
          At<float>(plan_.normed) + begin * shape_.width_stride,
          nullptr,
          scratch,
          scratch + (end - begin) * 2 * shape_.hidden_stride,
          QuantizedFrom(begin)};
}

void Session::ComputeLogits(uint32_t first_row, uint32_t rows) {
  const size_t vocabulary = PaddedRow(model_.config.vocabulary_size);
  NormLinear(final_norm_, head_, shape_, rows,
             {At<float>(plan_.residual) + first_row * shape_.width_stride, At<float>(plan_.normed), nullptr},
             At<float>(plan_.logits), vocabulary, QuantizedFrom(0), workers());
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
