#include "trainer/tuner_plan.h"

#include "base/features.h"
#include "base/layout.h"
#include "plan/room.h"
#include "plan/session_plan.h"
#include "trainer/plan.h"

namespace cllm {
namespace {

constexpr uint32_t kMatrices =
    CLLM_TUNE_QUERY_KEY_VALUE | CLLM_TUNE_ATTENTION_OUTPUT | CLLM_TUNE_GATE_UP | CLLM_TUNE_DOWN;
constexpr uint32_t kAll = kMatrices | CLLM_TUNE_NORMS | CLLM_TUNE_EMBEDDING | CLLM_TUNE_HEAD;
constexpr uint32_t kMaxLength = 1u << 24;

uint64_t Max(uint64_t a, uint64_t b) { return a > b ? a : b; }
uint64_t Min(uint64_t a, uint64_t b) { return a < b ? a : b; }

uint32_t BitOf(Role role) {
  switch (role) {
    case Role::kTokenEmbedding: return CLLM_TUNE_EMBEDDING;
    case Role::kHead: return CLLM_TUNE_HEAD;
    case Role::kQueryKeyValue: return CLLM_TUNE_QUERY_KEY_VALUE;
    case Role::kAttentionOutput: return CLLM_TUNE_ATTENTION_OUTPUT;
    case Role::kGateUp: return CLLM_TUNE_GATE_UP;
    case Role::kDown: return CLLM_TUNE_DOWN;
    default: return IsVector(role) ? static_cast<uint32_t>(CLLM_TUNE_NORMS) : 0;
  }
}

bool IsOfLayer(Role role) {
  return role != Role::kTokenEmbedding && role != Role::kPositionEmbedding && role != Role::kFinalNorm &&
         role != Role::kHead;
}

Status CheckLimits(const Model& model, const cllm_tuner_limits& limits) {
  const Config& config = model.config;
  if (limits.struct_size != sizeof(limits)) return CLLM_STRUCT_SIZE;
  if (limits.length == 0 || limits.length > config.context || limits.length > kMaxLength) {
    return CLLM_LIMIT_LENGTH;
  }
  if (limits.method != CLLM_ADAMW && limits.method != CLLM_SGD && limits.method != CLLM_ADAMW8) {
    return CLLM_LIMIT_METHOD;
  }
  const bool known = (limits.adapted & ~kMatrices) == 0 && (limits.trained & ~kAll) == 0 &&
                     (limits.adapted & limits.trained) == 0 && limits.first_layer <= config.layers;
  const bool rank =
      limits.adapted == 0 ? limits.rank == 0 : limits.rank >= 1 && limits.rank <= kMaxAdapterRank;
  const bool alpha = limits.alpha >= 0.0f && limits.alpha <= 65536.0f;
  return known && rank && alpha && limits.reserved == 0 ? CLLM_OK : CLLM_LIMIT_TUNING;
}

// What is changed, and how much of it there is. The model may have a delta, from which tuning goes on: it
// must be of the same tensors.
Status CountTuned(const Model& model, TunerPlan* plan) {
  Model base = model;
  base.delta = nullptr;
  plan->tensors = 0;
  plan->parameters = 0;
  for (uint32_t i = 0; i < model.tensor_count; ++i) {
    TunedTensor tuned;
    const bool is_tuned = FindTuned(model.config, *plan, i, plan->parameters, &tuned);
    const TableEntry was = TensorAt(base, i), is = TensorAt(model, i);
    const bool changed = is.adapter.rank != 0 || is.tensor.data != was.tensor.data;
    if (changed && (!is_tuned || tuned.rank != is.adapter.rank)) return CLLM_NOT_TRAINABLE;
    if (is.adapter.rank != 0 && is.adapter.scale != plan->alpha / static_cast<float>(plan->rank)) {
      return CLLM_NOT_TRAINABLE;
    }
    if (!is_tuned) continue;
    ++plan->tensors;
    plan->parameters += tuned.count;
  }
  return plan->tensors != 0 ? CLLM_OK : CLLM_LIMIT_TUNING;
}

void PlanState(RoomPlan* room, TunerPlan* plan) {
  const uint64_t count = plan->parameters;
  const bool bytes = plan->method == CLLM_ADAMW8;
  const uint64_t moment = bytes ? count : count * sizeof(float);
  plan->state = room->Take(kTunerStateBytes);
  plan->weights = room->TakeFloats(count);
  plan->gradients = room->TakeFloats(count);
  plan->first_moments = room->Take(moment);
  plan->second_moments = room->Take(plan->method == CLLM_SGD ? 0 : moment);
  plan->moment_scales = room->Take(bytes ? count / kMomentBlock * 2 * sizeof(uint16_t) : 0);
  plan->state_bytes = room->bytes() - plan->state;
}

void PlanRows(const Config& config, RoomPlan* room, TunerPlan* plan) {
  const uint64_t rows = plan->length, width = PaddedRow(config.width);
  const bool integer = IsInteger(config.weights);
  const uint64_t widest =
      Max(Max(width, PaddedRow(uint64_t{config.heads} * config.head_size)), PaddedRow(config.hidden));
  plan->angles = room->TakeFloats(rows * config.head_size);
  plan->residuals = room->TakeFloats((config.layers - plan->lowest + 1) * rows * width);
  plan->run = room->Take(kRunBytes);
  plan->normed = room->TakeFloats(rows * width);
  plan->d_normed = room->TakeFloats(rows * width);
  plan->d_residual = room->TakeFloats(rows * width);
  plan->inverses = room->TakeFloats(rows);
  plan->losses = room->TakeFloats(rows);
  plan->low_rank = room->TakeFloats(rows * plan->rank);
  plan->d_low_rank = room->TakeFloats(rows * plan->rank);
  plan->quantized_stride = RoundUp(widest, kAlignment);
  plan->quantized = room->Take(integer ? rows * plan->quantized_stride : 0);
  plan->row_scales = room->Take(integer ? rows * kRowScaleBytes : 0);
  plan->group_sums = room->Take(TakesGroupSums(config.weights) ? rows * plan->quantized_stride / 8 : 0);
}

void PlanLayers(const Config& config, RoomPlan room, TunerPlan* plan) {
  const uint64_t rows = plan->length, chunk = plan->chunk;
  const uint64_t query = PaddedRow(uint64_t{config.heads} * config.head_size);
  const uint64_t qkv = PaddedRow((uint64_t{config.heads} + 2 * uint64_t{config.kv_heads}) * config.head_size);
  const uint64_t hidden = PaddedRow(config.hidden);
  const uint64_t kept = plan->recompute ? 1 : Max(config.layers - plan->lowest, 1);
  plan->middle = room.TakeFloats(kept * rows * PaddedRow(config.width));
  plan->query_key_value = room.TakeFloats(kept * rows * qkv);
  plan->attended = room.TakeFloats(kept * rows * query);
  plan->log_sum_exp = room.TakeFloats(kept * rows * config.heads);
  if (!plan->recompute) plan->gate_up = room.TakeFloats(kept * rows * 2 * hidden);

  RoomPlan attention = room, feed_forward = room, head = room;
  plan->keys = attention.TakeFloats(config.kv_heads * plan->head_floats);
  plan->values = attention.TakeFloats(config.kv_heads * plan->head_floats);
  plan->d_query_key_value = attention.TakeFloats(rows * qkv);
  plan->d_attended = attention.TakeFloats(rows * query);
  if (plan->recompute) plan->gate_up = feed_forward.TakeFloats(chunk * 2 * hidden);
  plan->hidden = feed_forward.TakeFloats(chunk * hidden);
  plan->d_hidden = feed_forward.TakeFloats(chunk * hidden);
  plan->logits = head.TakeFloats(chunk * PaddedRow(config.vocabulary_size));
  plan->room_bytes = Max(Max(attention.bytes(), feed_forward.bytes()), head.bytes());
}

// Tries what is fast first. A layer that is computed again costs half a forward pass, smaller chunks next to
// nothing where there is no SIMD.
bool ChooseToFit(const Config& config, const RoomPlan& room, uint64_t most, TunerPlan* plan) {
  plan->recompute = false;
  plan->chunk =
      static_cast<uint32_t>(Min(plan->length, Max(kLogitsFloats / PaddedRow(config.vocabulary_size), 1)));
  PlanLayers(config, room, plan);
  if (most == 0 || plan->room_bytes <= most) return true;
  plan->recompute = true;
  for (;; plan->chunk = (plan->chunk + 1) / 2) {
    PlanLayers(config, room, plan);
    if (plan->room_bytes <= most) return true;
    if (plan->chunk == 1) return false;
  }
}

}  // namespace

bool FindTuned(const Config& config, const TunerPlan& plan, uint32_t index, uint64_t first,
               TunedTensor* tuned) {
  const TensorPlace place = PlaceOf(config, index);
  const uint32_t bit = BitOf(place.role);
  if (IsOfLayer(place.role) && place.layer < plan.first_layer) return false;
  const bool adapter = (plan.adapted & bit) != 0;
  if (!adapter && (plan.trained & bit) == 0) return false;
  tuned->place = place;
  tuned->kind = adapter ? DeltaKind::kAdapter : DeltaKind::kReplacement;
  tuned->rank = adapter ? plan.rank : 0;
  tuned->first = first;
  tuned->count = DeltaSegmentBytes(config, place.role, tuned->kind, tuned->rank) / sizeof(float);
  return true;
}

Status PlanTuner(const Model& model, const cllm_tuner_limits& limits, TunerPlan* plan) {
  if (!kHasDeltas) return CLLM_UNSUPPORTED_DELTA;
  const Config& config = model.config;
  CLLM_RETURN_IF_ERROR(CheckLimits(model, limits));
  if (!(config.variant == Variant())) return CLLM_NOT_TRAINABLE;
  if (ContentDigest(model) == nullptr) return CLLM_DELTA_BASE;
  plan->length = limits.length;
  plan->rank = limits.rank;
  plan->method = limits.method;
  plan->adapted = limits.adapted;
  plan->trained = limits.trained;
  plan->first_layer = limits.first_layer;
  plan->alpha = limits.alpha != 0.0f ? limits.alpha : static_cast<float>(2 * limits.rank);
  plan->seed = limits.seed;
  plan->lowest = (limits.trained & CLLM_TUNE_EMBEDDING) != 0 ? 0 : limits.first_layer;
  plan->head_floats = PaddedRow(limits.length) * config.head_size;
  CLLM_RETURN_IF_ERROR(CountTuned(model, plan));

  RoomPlan room;
  room.Take(kTunerBytes);
  plan->layers = room.Take(config.layers * kLayerWeightsBytes);
  plan->adapters = room.Take(config.layers * kAdaptersPerLayer * kAdapterBytes);
  PlanState(&room, plan);
  PlanRows(config, &room, plan);
  plan->delta_bytes = RoundUp(DeltaHeadBytes(plan->tensors), kAlignment) + plan->parameters * sizeof(float);
  return ChooseToFit(config, room, limits.room_bytes, plan) ? CLLM_OK : CLLM_ROOM_TOO_SMALL;
}

}  // namespace cllm
