#include "plan/session_plan.h"

#include "base/features.h"
#include "base/layout.h"
#include "plan/room.h"

namespace cllm {
namespace {

// A cache of less than floats is for little memory; 12 rows still fill the widest tile of an integer product.
constexpr uint32_t kDefaultBatch = 32, kDefaultSmallBatch = 12;
constexpr uint32_t kMaxBatch = 4096;
constexpr uint32_t kMaxStreams = kMaxBatch;

uint64_t Max(uint64_t a, uint64_t b) { return a > b ? a : b; }
uint64_t Min(uint64_t a, uint64_t b) { return a < b ? a : b; }

Status ResolveLimits(const Config& config, const cllm_limits* given, SessionLimits* limits) {
  const cllm_limits defaults = {sizeof(cllm_limits), 0, 0, 0, CLLM_KV_F32, 0};
  const cllm_limits& asked = given != nullptr ? *given : defaults;
  if (asked.struct_size != sizeof(cllm_limits)) return CLLM_STRUCT_SIZE;
  if (asked.context > config.context) return CLLM_LIMIT_CONTEXT;
  limits->context = asked.context != 0 ? asked.context : config.context;
  if (asked.streams > kMaxStreams) return CLLM_LIMIT_STREAMS;
  limits->streams = asked.streams != 0 ? asked.streams : 1;
  // A build may have one of int8 and the lattice, and then not what takes both.
  const bool lattice = HasLatticeValues(asked.kv_format);
  const bool small = HasInt8Keys(asked.kv_format) ? lattice == (asked.kv_format != CLLM_KV_INT8)
                                                  : lattice && asked.kv_format == CLLM_KV_LATTICE4;
  const uint64_t tokens = uint64_t{limits->context} * limits->streams;
  if (asked.batch > kMaxBatch || asked.batch > tokens) return CLLM_LIMIT_BATCH;
  const auto default_batch =
      static_cast<uint32_t>(Min(tokens, Max(small ? kDefaultSmallBatch : kDefaultBatch, limits->streams)));
  limits->batch = asked.batch != 0 ? asked.batch : default_batch;
  if (asked.kv_format != CLLM_KV_F32 && !small) return CLLM_LIMIT_KV_FORMAT;
  if (lattice && config.head_size % kLatticeGroup != 0) return CLLM_LIMIT_KV_HEAD_SIZE;
  limits->kv_format = asked.kv_format;
  limits->logits_rows = asked.logits_rows != 0 ? asked.logits_rows : 1;
  if (limits->logits_rows != 1 && limits->logits_rows != limits->batch) return CLLM_LIMIT_LOGITS;
  return CLLM_OK;
}

}  // namespace

CacheBytes CacheBytesOf(uint64_t head_size, uint32_t kv_format) {
  const uint64_t half = head_size / 2, all = head_size * sizeof(float);
  if (!kHasSmallCache || kv_format == CLLM_KV_F32) return {all, all, 0, 0};
  const bool int8_keys = HasInt8Keys(kv_format), lattice = HasLatticeValues(kv_format);
  return {int8_keys ? RoundUp(head_size, 4) : half, lattice ? half : head_size,
          int8_keys ? sizeof(uint16_t) : 1, lattice ? 1 : sizeof(uint16_t)};
}

Status PlanSession(const Config& config, const cllm_limits* given, SessionPlan* plan) {
  if (config.variant.norm == Norm::kBatch) return CLLM_UNSUPPORTED_NORM;
  CLLM_RETURN_IF_ERROR(ResolveLimits(config, given, &plan->limits));
  const uint64_t batch = plan->limits.batch;
  const uint64_t context = RoundUp(plan->limits.context, kPanel);
  const uint64_t streams = plan->limits.streams;
  const bool small = kHasSmallCache && plan->limits.kv_format != CLLM_KV_F32;
  const CacheBytes bytes = CacheBytesOf(config.head_size, plan->limits.kv_format);
  const uint64_t positions = context * streams * config.layers * config.kv_heads;
  const uint64_t row_heads = uint64_t{config.heads} + 2 * uint64_t{config.kv_heads};
  const uint64_t width = PaddedRow(config.width);
  const uint64_t query_width = PaddedRow(uint64_t{config.heads} * config.head_size);
  const uint64_t qkv_width = PaddedRow(row_heads * config.head_size);
  const uint64_t hidden = PaddedRow(config.hidden);
  const bool integer = IsInteger(config.weights);

  RoomPlan room;
  room.Take(kSessionBytes);
  plan->layers = room.Take(config.layers * kLayerWeightsBytes);
  plan->streams = room.Take(streams * (kStreamBytes + kRunBytes));
  plan->runs = plan->streams + streams * kStreamBytes;
  plan->history = room.TakeFloats(streams * plan->limits.context);
  plan->keys = room.Take(positions * bytes.key);
  plan->values = room.Take(positions * bytes.value);
  plan->key_scales = room.Take(positions * bytes.key_scale);
  plan->value_scales = room.Take(positions * bytes.value_scale);
  plan->head_scale_stride = config.heads;
  if (HasInt8Keys(plan->limits.kv_format)) {
    plan->head_scale_stride += (HasLatticeValues(plan->limits.kv_format) ? 1 : 2) * uint64_t{config.kv_heads};
  }
  plan->head_scales = room.Take(small ? batch * plan->head_scale_stride * kRowScaleBytes : 0);
  plan->angles = room.TakeFloats(batch * config.head_size);
  plan->window_angles = room.TakeFloats(config.variant.window_rope ? batch * config.head_size : 0);
  plan->residual = room.TakeFloats(batch * width);
  // A stream's last row must outlive the batches in which the other streams end.
  const bool every_row = plan->limits.logits_rows > 1;
  plan->finals = streams > 1 && !every_row ? room.TakeFloats(streams * width) : plan->residual;
  plan->normed = room.TakeFloats(batch * width);
  const bool aside = config.variant.norms_after() || config.variant.parallel_block;
  plan->added = room.TakeFloats(aside ? batch * width : 0);
  // A row's heads as int8 take the place of its inputs to the matrices.
  const uint64_t head_bytes = small ? plan->head_scale_stride * PaddedRow(config.head_size) : 0;
  plan->quantized_stride = RoundUp(Max(Max(Max(width, query_width), hidden), head_bytes), kAlignment);
  plan->quantized = room.Take(integer || small ? batch * plan->quantized_stride : 0);
  plan->row_scales = room.Take(integer ? batch * kRowScaleBytes : 0);
  plan->group_sums = room.Take(TakesGroupSums(config.weights) ? batch * plan->quantized_stride / 8 : 0);
  const bool adapters = kHasDeltas && config.adapter_rank != 0;
  plan->adapters = room.Take(adapters ? config.layers * kAdaptersPerLayer * kAdapterBytes : 0);
  plan->low_rank = room.TakeFloats(adapters ? batch * config.adapter_rank : 0);

  plan->scratch_floats = Max(qkv_width + query_width, (config.variant.feed_forward_inputs() + 1) * hidden);
  RoomPlan layer = room;
  plan->scratch = layer.TakeFloats(batch * plan->scratch_floats);
  RoomPlan output = room;
  plan->logits = output.TakeFloats((every_row ? batch : streams) * PaddedRow(config.vocabulary_size));
  plan->sampling = output.Take(PaddedRow(config.vocabulary_size) * kSamplingBytes);
  plan->room_bytes = Max(layer.bytes(), output.bytes());
  return CLLM_OK;
}

}  // namespace cllm
