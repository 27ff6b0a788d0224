// Room: plan. Configuration and limits -> offsets and bytes of a session's room. Arithmetic only: the numbers
// are the same on 32-bit and 64-bit machines, because objects have slots of a fixed size.
#ifndef CLLM_PLAN_SESSION_PLAN_H_
#define CLLM_PLAN_SESSION_PLAN_H_

#include <cstdint>

#include "base/features.h"
#include "base/status.h"
#include "model/model.h"

namespace cllm {

// Slots for the session object and for one layer's resolved tensors; session.h checks that they fit.
inline constexpr uint64_t kSessionBytes = 1216;
inline constexpr uint64_t kLayerWeightsBytes = 192;
inline constexpr uint64_t kAdapterBytes = 16;
inline constexpr uint64_t kRowScaleBytes = 8;
inline constexpr uint64_t kStreamBytes = 12;
inline constexpr uint64_t kRunBytes = 20;
// Scratch of the sampler a token of the padded vocabulary; a test holds it against SampleScratchBytes.
inline constexpr uint64_t kSamplingBytes = 12;

// What a cllm_kv_format has as int8, and whether it has values on the lattice.
constexpr bool HasInt8Keys(uint32_t kv_format) {
  return kHasInt8Cache && (kv_format == CLLM_KV_INT8 || kv_format == CLLM_KV_INT8_LATTICE4);
}
constexpr bool HasLatticeValues(uint32_t kv_format) {
  return kHasLatticeCache && (kv_format == CLLM_KV_LATTICE4 || kv_format == CLLM_KV_INT8_LATTICE4);
}

// Bytes of a head's key, of its value and of their scales at one position.
struct CacheBytes {
  uint64_t key, value, key_scale, value_scale;
};
CacheBytes CacheBytesOf(uint64_t head_size, uint32_t kv_format);

// Limits with the defaults filled in and checked against the model.
struct SessionLimits {
  uint32_t context;
  uint32_t batch;
  uint32_t streams;
  uint32_t kv_format;
  uint32_t logits_rows;  // 1 or batch
};

// Offsets from the start of the room, each a multiple of 64. The layers' scratch shares bytes with logits and
// the sampler's scratch, which are never in use at the same time.
struct SessionPlan {
  SessionLimits limits;
  uint64_t layers;        // LayerWeights [layers]
  uint64_t streams;       // Stream [streams]
  uint64_t runs;          // Run [streams]
  uint64_t history;       // uint32 [streams][context]: the tokens fed
  uint64_t keys;          // float [layers][streams][kv_heads][context / 16][head_size][16]; or uint8
                          // [layers][streams][kv_heads][context / 16][head_size / 4][16][4], padded; or
                          // on the lattice uint8 [layers][streams][kv_heads][context / 16][head_size / 8]
                          // [16][4]
  uint64_t values;        // float or int8 [layers][streams][kv_heads][context padded to 16][head_size]; or
                          // as keys on the lattice
  uint64_t key_scales;    // bf16 [layers][streams][kv_heads][context padded to 16], on the lattice bytes; not
                          // of floats
  uint64_t value_scales;  // the same
  uint64_t head_scales;   // RowScale [batch][head_scale_stride], unless the cache is one of floats
  uint64_t angles;        // float [batch][head_size]
  uint64_t window_angles;  // likewise, of layers with a window, where they have their own
  uint64_t residual;       // float [batch][width padded]
  uint64_t finals;         // float [streams][width padded]: the rows that logits are wanted of; or residual
  uint64_t normed;         // float [batch][width padded]
  uint64_t added;          // likewise, where what a layer adds waits for a norm or another half
  uint64_t quantized;      // int8 [batch][quantized_stride], integer weights, int8 or lattice cache only
  uint64_t row_scales;     // RowScale [batch], integer weights only
  uint64_t group_sums;     // int16 [batch][2][quantized_stride / 32], int4 and lattice weights only
  uint64_t adapters;       // Adapter [layers][4], where a delta has some, and so the next
  uint64_t low_rank;       // float [batch][adapter_rank]
  uint64_t scratch;        // float [batch][scratch_floats]
  uint64_t logits;         // float [streams, or batch if logits_rows is][vocabulary padded]
  uint64_t sampling;       // scratch of the sampler
  uint64_t quantized_stride;   // bytes
  uint64_t head_scale_stride;  // heads of a row that are int8: queries, and what the cache has so
  uint64_t scratch_floats;  // of a row in a layer: queries, keys, values and attended, or gate_up and hidden
  uint64_t room_bytes;
};

// given may be nullptr. Errors: CLLM_STRUCT_SIZE, CLLM_LIMIT_*, CLLM_UNSUPPORTED_NORM for batch norm.
Status PlanSession(const Config& config, const cllm_limits* given, SessionPlan* plan);

}  // namespace cllm

#endif  // CLLM_PLAN_SESSION_PLAN_H_
