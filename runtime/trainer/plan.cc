#include "trainer/plan.h"

#include "base/features.h"
#include "base/layout.h"
#include "kernels/mixed.h"
#include "plan/room.h"
#include "plan/session_plan.h"
#include "trainer/muon.h"

namespace cllm {
namespace {

// Keeps every product below 2^64.
constexpr uint64_t kMaxRows = uint64_t{1} << 24;

uint64_t Max(uint64_t a, uint64_t b) { return a > b ? a : b; }

uint64_t LogitsRows(uint64_t rows, uint64_t vocabulary) {
  const uint64_t most = kLogitsFloats / vocabulary / kPanel * kPanel;
  return most == 0 ? kPanel : (rows < most ? rows : most);
}

uint64_t AdamWFloats(const Model& model, cllm_method method) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < model.tensor_count; ++i) {
    const TableEntry entry = TensorAt(model, i);
    if (HasSecondMoment(method, entry.role)) bytes += entry.bytes;
  }
  return bytes / sizeof(float);
}

uint64_t FactorBytes(const Model& model) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < model.tensor_count; ++i) {
    const TableEntry entry = TensorAt(model, i);
    if (!IsFactor(model.config, entry.role)) continue;
    const uint64_t columns = entry.tensor.columns, panels = entry.bytes / (columns * kPanel * sizeof(float));
    bytes += panels * MixedPanel(columns) * sizeof(uint16_t);
  }
  return bytes;
}

bool IsTrainable(const Variant& variant) {
  return !variant.norms_after() && !variant.parallel_block && variant.sliding_window == 0;
}

}  // namespace

bool IsFactor(const Config& config, Role role) {
  return IsLayerMatrix(role) || role == (config.tied_head ? Role::kTokenEmbedding : Role::kHead);
}

bool HasSecondMoment(cllm_method method, Role role) {
  return method == CLLM_ADAMW || (method == CLLM_MUON && !IsLayerMatrix(role));
}

Status PlanTrainer(const Model& model, const cllm_trainer_limits& limits, TrainerPlan* plan) {
  const Config& config = model.config;
  if (limits.struct_size != sizeof(cllm_trainer_limits)) return CLLM_STRUCT_SIZE;
  const uint64_t rows = uint64_t{limits.sequences} * limits.length;
  if (rows == 0 || rows > kMaxRows || limits.length > config.context) return CLLM_LIMIT_LENGTH;
  if (limits.method > CLLM_MUON) return CLLM_LIMIT_METHOD;
  if (limits.precision > CLLM_BFLOAT16 || (limits.precision != CLLM_FLOAT32 && !kHasBf16)) {
    return CLLM_LIMIT_PRECISION;
  }
  if (config.weights != Dtype::kF32 || model.delta != nullptr || !IsTrainable(config.variant))
    return CLLM_NOT_TRAINABLE;

  const uint64_t layers = config.layers;
  const uint64_t width = PaddedRow(config.width);
  const uint64_t query = PaddedRow(uint64_t{config.heads} * config.head_size);
  const uint64_t qkv = PaddedRow((uint64_t{config.heads} + 2 * uint64_t{config.kv_heads}) * config.head_size);
  const uint64_t hidden = PaddedRow(config.hidden);
  const uint64_t gate_up = config.variant.feed_forward_inputs() * hidden;
  const uint64_t vocabulary = PaddedRow(config.vocabulary_size);
  plan->sequences = limits.sequences;
  plan->length = limits.length;
  plan->logits_rows = static_cast<uint32_t>(LogitsRows(rows, vocabulary));
  plan->method = static_cast<cllm_method>(limits.method);
  plan->mixed = limits.precision == CLLM_BFLOAT16;
  plan->weight_floats = model.weight_bytes / sizeof(float);
  plan->adamw_floats = AdamWFloats(model, plan->method);
  plan->muon_floats = plan->method == CLLM_MUON ? MuonFloats(config) : 0;
  plan->head_floats = PaddedRow(limits.length) * config.head_size;

  RoomPlan room;
  room.Take(kTrainerBytes);
  plan->layers = room.Take((plan->mixed ? 2 : 1) * layers * kLayerWeightsBytes);
  plan->tensor_offsets = room.Take((uint64_t{model.tensor_count} + 1) * sizeof(uint64_t));
  plan->adamw_offsets = room.Take((uint64_t{model.tensor_count} + 1) * sizeof(uint64_t));
  plan->weights = room.TakeFloats(plan->weight_floats);
  plan->gradients = room.TakeFloats(plan->weight_floats);
  plan->first_moments = room.TakeFloats(plan->weight_floats);
  plan->second_moments = room.TakeFloats(plan->adamw_floats);
  plan->factors = room.Take(plan->mixed ? FactorBytes(model) : 0);
  plan->segment_sums = room.TakeFloats(RoundUp(plan->weight_floats, kNormSegment) / kNormSegment);
  plan->angles = room.TakeFloats(uint64_t{limits.length} * config.head_size);
  RoomPlan muon = room;
  plan->muon = muon.TakeFloats(plan->muon_floats);

  plan->residuals = room.TakeFloats((2 * layers + 1) * rows * width);
  plan->inverses = room.TakeFloats((2 * layers + 1) * rows);
  const bool batch_norm = config.variant.norm == Norm::kBatch;
  plan->means = room.TakeFloats(config.variant.norm == Norm::kRms ? 0 : (2 * layers + 1) * rows);
  plan->batch_moments = room.TakeFloats(batch_norm ? (2 * layers + 1) * 2 * width : 0);
  plan->folded_norms = room.TakeFloats(batch_norm ? (2 * layers + 1) * 2 * width : 0);
  plan->batch_through = room.TakeFloats(batch_norm ? 2 * width : 0);
  plan->query_key_value = room.TakeFloats(layers * rows * qkv);
  plan->unturned = room.TakeFloats(config.variant.query_key_norm ? layers * rows * qkv : 0);
  plan->attended = room.TakeFloats(layers * rows * query);
  plan->log_sum_exp = room.TakeFloats(layers * rows * config.heads);
  plan->gate_up = room.TakeFloats(layers * rows * gate_up);

  plan->runs = room.Take(limits.sequences * kRunBytes);
  plan->normed = room.TakeFloats(rows * width);
  plan->d_residual = room.TakeFloats(rows * width);
  plan->d_normed = room.TakeFloats(rows * width);
  plan->transposed =
      room.Take(width * Max(Max(qkv + query, gate_up + hidden), vocabulary) * (plan->mixed ? 2 : 4));
  plan->losses = room.TakeFloats(rows);

  RoomPlan head = room;
  plan->logits = head.TakeFloats(plan->logits_rows * vocabulary);
  plan->hidden = room.TakeFloats(rows * hidden);
  RoomPlan feed_forward = room;
  plan->d_hidden = feed_forward.TakeFloats(rows * hidden);
  RoomPlan attention = room;
  plan->keys = attention.TakeFloats(uint64_t{limits.sequences} * config.kv_heads * plan->head_floats);
  plan->values = attention.TakeFloats(uint64_t{limits.sequences} * config.kv_heads * plan->head_floats);
  plan->d_query_key_value = attention.TakeFloats(rows * qkv);
  plan->d_attended = attention.TakeFloats(rows * query);
  plan->room_bytes = Max(Max(feed_forward.bytes(), attention.bytes()), Max(head.bytes(), muon.bytes()));
  return CLLM_OK;
}

}  // namespace cllm
