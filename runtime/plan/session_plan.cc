#include "plan/session_plan.h"

#include "base/layout.h"
#include "plan/room.h"

namespace cllm {
namespace {

constexpr uint32_t kDefaultBatch = 32;
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
  const uint64_t tokens = uint64_t{limits->context} * limits->streams;
  if (asked.batch > kMaxBatch || asked.batch > tokens) return CLLM_LIMIT_BATCH;
  const auto default_batch = static_cast<uint32_t>(Min(tokens, Max(kDefaultBatch, limits->streams)));
  limits->batch = asked.batch != 0 ? asked.batch : default_batch;
  if (asked.kv_format != CLLM_KV_F32) return CLLM_LIMIT_KV_FORMAT;
  limits->logits_rows = asked.logits_rows != 0 ? asked.logits_rows : 1;
  if (limits->logits_rows != 1 && limits->logits_rows != limits->batch) return CLLM_LIMIT_LOGITS;
  return CLLM_OK;
}

}  // namespace

Status PlanSession(const Config& config, const cllm_limits* given, SessionPlan* plan) {
  CLLM_RETURN_IF_ERROR(ResolveLimits(config, given, &plan->limits));
  const uint64_t batch = plan->limits.batch;
  const uint64_t context = RoundUp(plan->limits.context, kPanel);
  const uint64_t streams = plan->limits.streams;
  const uint64_t kv_floats = context * streams * config.layers * config.kv_heads * config.head_size;
  const uint64_t width = PaddedRow(config.width);
  const uint64_t query_width = PaddedRow(uint64_t{config.heads} * config.head_size);
  const uint64_t qkv_width =
      PaddedRow((uint64_t{config.heads} + 2 * uint64_t{config.kv_heads}) * config.head_size);
  const uint64_t hidden = PaddedRow(config.hidden);
  const bool integer = IsInteger(config.weights);

  RoomPlan room;
  room.Take(kSessionBytes);
  plan->layers = room.Take(config.layers * kLayerWeightsBytes);
  plan->streams = room.Take(streams * (kStreamBytes + kRunBytes));
  plan->runs = plan->streams + streams * kStreamBytes;
  plan->history = room.TakeFloats(streams * plan->limits.context);
  plan->keys = room.TakeFloats(kv_floats);
  plan->values = room.TakeFloats(kv_floats);
  plan->angles = room.TakeFloats(batch * config.head_size);
  plan->residual = room.TakeFloats(batch * width);
  // A stream's last row must outlive the batches in which the other streams end.
  const bool every_row = plan->limits.logits_rows > 1;
  plan->finals = streams > 1 && !every_row ? room.TakeFloats(streams * width) : plan->residual;
  plan->normed = room.TakeFloats(batch * width);
  plan->quantized_stride = RoundUp(Max(Max(width, query_width), hidden), kAlignment);
  plan->quantized = room.Take(integer ? batch * plan->quantized_stride : 0);
  plan->row_scales = room.Take(integer ? batch * kRowScaleBytes : 0);
  plan->group_sums = room.Take(config.weights == Dtype::kI4 ? batch * plan->quantized_stride / 8 : 0);

  plan->scratch_floats = Max(qkv_width + query_width, 3 * hidden);
  RoomPlan layer = room;
  plan->scratch = layer.TakeFloats(batch * plan->scratch_floats);
  RoomPlan output = room;
  plan->logits = output.TakeFloats((every_row ? batch : streams) * PaddedRow(config.vocabulary_size));
  plan->sampling = output.Take(PaddedRow(config.vocabulary_size) * kSamplingBytes);
  plan->room_bytes = Max(layer.bytes(), output.bytes());
  return CLLM_OK;
}

}  // namespace cllm
