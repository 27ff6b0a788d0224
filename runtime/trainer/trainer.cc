#include "trainer/trainer.h"

#include <cstring>
#include <new>

#include "base/layout.h"
#include "kernels/mixed.h"
#include "kernels/rope.h"
#include "plan/session_plan.h"

namespace cllm {

namespace {

// The layer's matrix or vector of this role, or nullptr.
Tensor* MatrixOf(LayerWeights& layer, Role role) {
  switch (role) {
    case Role::kQueryKeyValue: return &layer.query_key_value;
    case Role::kAttentionOutput: return &layer.attention_output;
    case Role::kGateUp: return &layer.gate_up;
    case Role::kDown: return &layer.down;
    default: return nullptr;
  }
}

const float** VectorOf(LayerWeights& layer, Role role) {
  switch (role) {
    case Role::kAttentionNorm: return &layer.attention_norm;
    case Role::kFeedForwardNorm: return &layer.feed_forward_norm;
    case Role::kQueryNorm: return &layer.query_norm;
    case Role::kKeyNorm: return &layer.key_norm;
    case Role::kQueryKeyValueBias: return &layer.query_key_value_bias;
    case Role::kAttentionOutputBias: return &layer.attention_output_bias;
    case Role::kGateUpBias: return &layer.gate_up_bias;
    case Role::kDownBias: return &layer.down_bias;
    default: return nullptr;
  }
}

}  // namespace

static_assert(sizeof(LayerWeights) <= kLayerWeightsBytes);

Status Trainer::Create(const Model& model, const cllm_trainer_limits& limits, const cllm_workers* workers,
                       void* room, uint64_t room_bytes, Trainer** trainer) {
  TrainerPlan plan;
  CLLM_RETURN_IF_ERROR(PlanTrainer(model, limits, &plan));
  if (reinterpret_cast<uintptr_t>(room) % kAlignment != 0) return CLLM_MISALIGNED;
  if (room_bytes < plan.room_bytes) return CLLM_ROOM_TOO_SMALL;
  *trainer = new (room) Trainer(model, plan, workers, static_cast<uint8_t*>(room));
  return CLLM_OK;
}

Trainer::Trainer(const Model& model, const TrainerPlan& plan, const cllm_workers* workers, uint8_t* room)
    : model_(model),
      plan_(plan),
      shape_(model.config),
      vocabulary_stride_(PaddedRow(model.config.vocabulary_size)),
      workers_(workers != nullptr ? *workers : cllm_workers{1, nullptr, nullptr, nullptr}),
      room_(room) {
  CopyWeights();
  const size_t weight_bytes = static_cast<size_t>(plan.weight_floats * sizeof(float));
  std::memset(At<void>(plan.gradients), 0, weight_bytes);
  std::memset(At<void>(plan.first_moments), 0, weight_bytes);
  std::memset(At<void>(plan.second_moments), 0, static_cast<size_t>(plan.adamw_floats * sizeof(float)));
  for (uint32_t t = 0; t < plan.length; ++t) {
    RopeAngles(model.config.rope_turns, shape_.rotary() / 2, t, Floats(plan.angles) + t * shape_.head_size);
  }
}

void Trainer::CopyWeights() {
  uint64_t* offsets = At<uint64_t>(plan_.tensor_offsets);
  uint64_t* adamw = At<uint64_t>(plan_.adamw_offsets);
  offsets[0] = adamw[0] = 0;
  for (uint32_t i = 0; i < model_.config.layers; ++i) new (&Layer(i)) LayerWeights();
  for (uint32_t i = 0; i < model_.tensor_count; ++i) {
    const TableEntry entry = TensorAt(model_, i);
    Tensor tensor = entry.tensor;
    tensor.data = Floats(plan_.weights) + offsets[i];
    std::memcpy(Floats(plan_.weights) + offsets[i], entry.tensor.data, entry.bytes);
    const uint64_t floats = entry.bytes / sizeof(float);
    offsets[i + 1] = offsets[i] + floats;
    adamw[i + 1] = adamw[i] + (HasSecondMoment(plan_.method, entry.role) ? floats : 0);
    Place(entry, tensor);
  }
  if (model_.config.tied_head) head_ = embeddings_.tokens;
  product_head_ = head_;
  if (HasBatchNorm()) PlaceFoldedNorms();
  if (mixed()) PlaceFactors();
}

void Trainer::Place(const TableEntry& entry, const Tensor& tensor) {
  const auto* vector = static_cast<const float*>(tensor.data);
  switch (entry.role) {
    case Role::kTokenEmbedding: embeddings_.tokens = tensor; break;
    case Role::kPositionEmbedding: embeddings_.positions = tensor; break;
    case Role::kFinalNorm: final_norm_ = vector; break;
    case Role::kHead: head_ = tensor; break;
    default:
      if (Tensor* matrix = MatrixOf(Layer(entry.layer), entry.role)) *matrix = tensor;
      if (const float** place = VectorOf(Layer(entry.layer), entry.role)) *place = vector;
  }
}

// What is no factor, such as a norm, forward products take as it is.
void Trainer::PlaceFactors() {
  for (uint32_t i = 0; i < model_.config.layers; ++i) new (&ProductLayer(i)) LayerWeights(Layer(i));
  auto* factors = At<uint16_t>(plan_.factors);
  for (uint32_t i = 0; i < model_.tensor_count; ++i) {
    const TableEntry entry = TensorAt(model_, i);
    if (!IsFactor(model_.config, entry.role)) continue;
    Tensor* const of_layer = MatrixOf(ProductLayer(entry.layer), entry.role);
    Tensor& place = of_layer != nullptr ? *of_layer : product_head_;
    place = entry.tensor;
    place.data = factors;
    place.dtype = Dtype::kFactors;
    const size_t columns = entry.tensor.columns;
    factors += static_cast<size_t>(entry.bytes) / (columns * kPanel * sizeof(float)) * MixedPanel(columns);
  }
}

Status Trainer::CheckBatch(const uint32_t* inputs, const uint32_t* targets, uint32_t sequences,
                           uint32_t length) const {
  if (sequences == 0 || sequences > plan_.sequences) return CLLM_LIMIT_LENGTH;
  if (length == 0 || length > plan_.length) return CLLM_LIMIT_LENGTH;
  for (size_t r = 0; r < size_t{sequences} * length; ++r) {
    if (inputs[r] >= model_.config.vocabulary_size) return CLLM_TOKEN_RANGE;
    if (targets[r] >= model_.config.vocabulary_size && targets[r] != CLLM_NO_TOKEN) return CLLM_TOKEN_RANGE;
  }
  return CLLM_OK;
}

SequenceBatch Trainer::Begin(uint32_t sequences, uint32_t length) {
  for (uint32_t i = 0; i < sequences; ++i) At<cllm::Run>(plan_.runs)[i] = {i, 0, i * length, length, 0};
  return {sequences, length};
}

// Plans grow with sequences, lengths and vocabulary: a teacher's rows of logits are then enough, too.
Status Trainer::Distill(Trainer* teacher, float share) {
  if (!(share >= 0.0f && share <= 1.0f)) return CLLM_OPTIMIZER_RANGE;
  if (teacher != nullptr) {
    if (teacher->model_.config.vocabulary_size != model_.config.vocabulary_size) return CLLM_TOKEN_RANGE;
    const TrainerPlan& plan = teacher->plan_;
    if (plan.sequences < plan_.sequences || plan.length < plan_.length) return CLLM_LIMIT_LENGTH;
  }
  teacher_ = teacher;
  taught_ = share;
  return CLLM_OK;
}

Status Trainer::Accumulate(const uint32_t* inputs, const uint32_t* targets, uint32_t sequences,
                           uint32_t length, float weight, float* loss) {
  CLLM_RETURN_IF_ERROR(CheckBatch(inputs, targets, sequences, length));
  const SequenceBatch batch = Begin(sequences, length);
  *loss = Run(inputs, targets, batch, &weight);
  Backward(inputs, batch);
  sequence_ += sequences;
  return CLLM_OK;
}

Status Trainer::Evaluate(const uint32_t* inputs, const uint32_t* targets, uint32_t sequences, uint32_t length,
                         float* loss) {
  CLLM_RETURN_IF_ERROR(CheckBatch(inputs, targets, sequences, length));
  *loss = Run(inputs, targets, Begin(sequences, length), nullptr);
  return CLLM_OK;
}

Status Trainer::Part(uint32_t index, cllm_trainer_part part, float** data, uint64_t* count) {
  if (index >= model_.tensor_count) return CLLM_INDEX_RANGE;
  const uint64_t parts[] = {plan_.weights, plan_.gradients, plan_.first_moments, plan_.second_moments};
  if (static_cast<uint32_t>(part) >= 4) return CLLM_INDEX_RANGE;
  const uint64_t* offsets =
      At<uint64_t>(part == CLLM_TRAINER_SECOND_MOMENT ? plan_.adamw_offsets : plan_.tensor_offsets);
  *data = Floats(parts[part]) + offsets[index];
  *count = offsets[index + 1] - offsets[index];
  return CLLM_OK;
}

}  // namespace cllm
