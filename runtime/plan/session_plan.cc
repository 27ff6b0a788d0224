#include "plan/session_plan.h"

#include "base/features.h"
#include "base/layout.h"
#include "plan/room.h"

namespace cllm {
namespace {

// An int8 cache is for little memory; 12 rows still fill the widest tile of an integer product.
constexpr uint32_t kDefaultBatch = 32, kDefaultInt8Batch = 12;
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
  const bool small = kHasInt8Cache && asked.kv_format == CLLM_KV_INT8;
  const uint64_t tokens = uint64_t{limits->context} * limits->streams;
  if (asked.batch > kMaxBatch || asked.batch > tokens) return CLLM_LIMIT_BATCH;
  const auto default_batch =
      static_cast<uint32_t>(Min(tokens, Max(small ? kDefaultInt8Batch : kDefaultBatch, limits->streams)));
  limits->batch = asked.batch != 0 ? asked.batch : default_batch;
  if (asked.kv_format != CLLM_KV_F32 && !small) return CLLM_LIMIT_KV_FORMAT;
  limits->kv_format = asked.kv_format;
  limits->logits_rows = asked.logits_rows != 0 ? asked.logits_rows : 1;
  if (limits->logits_rows != 1 && limits->logits_rows != limits->batch) return CLLM_LIMIT_LOGITS;
  return CLLM_OK;
}

}  // namespace

Status PlanSession(const Config& config, const cllm_limits* given, SessionPlan* plan) {
  if (config.variant.norm == Norm::kBatch) return CLLM_UNSUPPORTED_NORM;
  CLLM_RETURN_IF_ERROR(ResolveLimits(config, given, &plan->limits));
  const uint64_t batch = plan->limits.batch;
  const uint64_t context = RoundUp(plan->limits.context, kPanel);
  const uint64_t streams = plan->limits.streams;
  const bool int8_cache = kHasInt8Cache && plan->limits.kv_format == CLLM_KV_INT8;
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
  plan->keys =
      room.Take(positions * (int8_cache ? RoundUp(config.head_size, 4) : config.head_size * sizeof(float)));
  plan->values = room.Take(positions * config.head_size * (int8_cache ? 1 : sizeof(float)));
  plan->key_scales = room.Take(int8_cache ? positions * sizeof(uint16_t) : 0);
  plan->value_scales = room.Take(int8_cache ? positions * sizeof(uint16_t) : 0);
  plan->head_scales = room.Take(int8_cache ? batch * row_heads * kRowScaleBytes : 0);
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
  const uint64_t head_bytes = int8_cache ? row_heads * PaddedRow(config.head_size) : 0;
  plan->quantized_stride = RoundUp(Max(Max(Max(width, query_width), hidden), head_bytes), kAlignment);
  plan->quantized = room.Take(integer || int8_cache ? batch * plan->quantized_stride : 0);
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
