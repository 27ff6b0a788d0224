// Room: trainer. What a tuner changes of a model, and offsets and bytes of its room. Arithmetic only: the
// numbers are the same on 32-bit and 64-bit machines.
#ifndef CLLM_TRAINER_TUNER_PLAN_H_
#define CLLM_TRAINER_TUNER_PLAN_H_

#include <cstdint>

#include "base/status.h"
#include "model/delta.h"
#include "model/model.h"
#include "model/tensors.h"

namespace cllm {

// Slot for the tuner object; tuner.h checks that it fits.
inline constexpr uint64_t kTunerBytes = 1600;
// Slot for what heads a state.
inline constexpr uint64_t kTunerStateBytes = 64;
// Numbers that share a scale where moments are bytes.
inline constexpr uint64_t kMomentBlock = 16;

// A tensor that the tuner changes: its place in the parameters.
struct TunedTensor {
  TensorPlace place;
  DeltaKind kind;
  uint32_t rank;
  uint64_t first, count;  // floats
};

// Offsets from the start of the room, each a multiple of 64. R = length rows; strides are those of
// LayerShape. Sequences go through one at a time, so that the room does not depend on their number. From the
// layer `lowest` on gradients are wanted. What the backward pass needs of these layers is kept for each, or
// with `recompute` for one at a time, which is then computed again from its residual stream. The feed-forward
// part and the head, whose rows are independent, are done by `chunk` rows.
struct TunerPlan {
  uint32_t length, rank, method, adapted, trained, first_layer;
  float alpha;
  uint64_t seed;
  uint32_t lowest;   // layer; the number of layers: gradients end at the head
  uint32_t tensors;  // that are changed
  bool recompute;
  uint32_t chunk;        // rows
  uint64_t parameters;   // floats
  uint64_t head_floats;  // of one head's keys
  uint64_t quantized_stride;

  uint64_t layers;    // LayerWeights [layers]
  uint64_t adapters;  // Adapter [layers][4]
  uint64_t state;     // one block, for saving: TunerState, then
  uint64_t weights;   // float [parameters], and so gradients
  uint64_t gradients;
  uint64_t first_moments;   // float [parameters], or int8
  uint64_t second_moments;  // the same; none for SGD
  uint64_t moment_scales;   // bf16 [parameters / kMomentBlock][2], where moments are bytes
  uint64_t state_bytes;

  uint64_t angles;     // float [R][head_size]
  uint64_t residuals;  // float [layers - lowest + 1][R][width]: before each layer, and at the end
  uint64_t run;        // Run
  uint64_t normed;     // float [R][width], and so the next two
  uint64_t d_normed;
  uint64_t d_residual;
  uint64_t inverses;  // float [R]
  uint64_t losses;    // float [R]
  uint64_t low_rank;  // float [R][rank], and so the next
  uint64_t d_low_rank;
  uint64_t quantized;  // int8 [R][quantized_stride], integer weights only, and so the next two
  uint64_t row_scales;
  uint64_t group_sums;

  // Of each layer from `lowest` on, or of one.
  uint64_t middle;           // float [..][R][width]: between the halves
  uint64_t query_key_value;  // float [..][R][qkv]
  uint64_t attended;         // float [..][R][query]
  uint64_t log_sum_exp;      // float [..][heads][R]
  uint64_t gate_up;          // float [..][R][2 hidden]; with recompute [chunk][2 hidden], and shared

  // These share bytes, for they are never in use at the same time: attention's, feed-forward's, the head's.
  uint64_t keys, values;  // float [kv_heads][head_floats]
  uint64_t d_query_key_value, d_attended;
  uint64_t hidden, d_hidden;  // float [chunk][hidden]
  uint64_t logits;            // float [chunk][vocabulary]

  uint64_t room_bytes;
  uint64_t delta_bytes;
};

// Tensor `index` of the model's table as the tuner changes it, at the floats from `first` on; false if it
// does not.
bool FindTuned(const Config& config, const TunerPlan& plan, uint32_t index, uint64_t first,
               TunedTensor* tuned);

// Errors: CLLM_STRUCT_SIZE, CLLM_LIMIT_*, CLLM_NOT_TRAINABLE; CLLM_ROOM_TOO_SMALL if no plan fits
// limits.room_bytes, with the smallest in *plan.
Status PlanTuner(const Model& model, const cllm_tuner_limits& limits, TunerPlan* plan);

}  // namespace cllm

#endif  // CLLM_TRAINER_TUNER_PLAN_H_
