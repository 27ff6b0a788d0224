// Room: trainer. Configuration and limits -> offsets and bytes of a trainer's room. Arithmetic only: the
// numbers are the same on 32-bit and 64-bit machines, because objects have slots of a fixed size.
#ifndef CLLM_TRAINER_PLAN_H_
#define CLLM_TRAINER_PLAN_H_

#include <cstdint>

#include "base/status.h"
#include "model/model.h"

namespace cllm {

// Slot for the trainer object; trainer.h checks that it fits.
inline constexpr uint64_t kTrainerBytes = 1280;

// Gradients are squared and summed in segments of this many floats, whatever the number of workers.
inline constexpr uint64_t kNormSegment = 16384;

// Most floats of logits that exist at once; the rows of a batch go through the head in chunks of this size.
inline constexpr uint64_t kLogitsFloats = uint64_t{1} << 22;

// Offsets from the start of the room, each a multiple of 64. rows = sequences * length; strides are those of
// LayerShape. The buffers from `hidden` on share bytes where they are never in use at the same time: logits
// with all others, d_hidden with those of attention. In the forward pass one worker may be in the attention
// half of a layer while another is in a feed-forward half: hidden and the cache lie apart.
struct TrainerPlan {
  uint32_t sequences, length;  // the limits
  uint32_t logits_rows;        // in a chunk
  cllm_method method;
  bool mixed;              // CLLM_BFLOAT16
  uint64_t weight_floats;  // of all tensors as stored
  uint64_t adamw_floats;   // of those that have second moments
  uint64_t head_floats;    // of one head's keys in one sequence

  uint64_t layers;          // LayerWeights [layers], and if mixed as many for the factors
  uint64_t tensor_offsets;  // uint64 [tensors + 1], floats from the start of the weights
  uint64_t adamw_offsets;   // uint64 [tensors + 1], floats from the start of the second moments
  uint64_t weights;         // float [weight_floats], and so the next two
  uint64_t gradients;
  uint64_t first_moments;
  uint64_t second_moments;  // float [adamw_floats]
  uint64_t factors;         // if mixed: bfloat16, the panels of the matrices one after the other
  uint64_t segment_sums;    // float [weight_floats / kNormSegment, rounded up]
  uint64_t angles;          // float [length][head_size]

  // From here on nothing outlives a batch: in an update Muon has these bytes for matrices, each in
  // muon_floats floats.
  uint64_t muon;
  uint64_t muon_floats;

  // What the backward pass needs of every layer.
  uint64_t residuals;        // float [2 layers + 1][rows][width]: before each half, and at the end
  uint64_t inverses;         // float [2 layers + 1][rows]: of the norms
  uint64_t means;            // the same, of layer and affine norms
  uint64_t batch_moments;    // float [2 layers + 1][2][width], of batch norms: means and inverses
  uint64_t folded_norms;     // float [2 layers + 1][2][width]: what batch norms are to the rows of this batch
  uint64_t batch_through;    // float [2][width]
  uint64_t query_key_value;  // float [layers][rows][qkv]
  uint64_t unturned;         // float [layers][rows][qkv], if queries and keys have norms
  uint64_t attended;         // float [layers][rows][query]
  uint64_t log_sum_exp;      // float [layers][sequences][heads][length]
  uint64_t gate_up;          // float [layers][rows][2 hidden, or hidden]

  // Shared by the layers.
  uint64_t runs;        // Run [sequences]
  uint64_t normed;      // float [rows][width]
  uint64_t d_residual;  // float [rows][width]
  uint64_t d_normed;    // float [rows][width]
  uint64_t transposed;  // float, or if mixed bfloat16: the two matrices of a half, or the head
  uint64_t losses;      // float [rows]

  uint64_t hidden;             // float [rows][hidden]
  uint64_t d_hidden;           // float [rows][hidden]
  uint64_t keys;               // float [sequences][kv_heads][head_floats]
  uint64_t values;             // the same
  uint64_t d_query_key_value;  // float [rows][qkv]
  uint64_t d_attended;         // float [rows][query]
  uint64_t logits;             // float [logits_rows][vocabulary]

  uint64_t room_bytes;
};

// Whether the matrix multiplies activations, rather than being a table of rows only.
bool IsFactor(const Config& config, Role role);

// Whether `method` keeps a second moment of each weight of such a tensor.
bool HasSecondMoment(cllm_method method, Role role);

// Errors: CLLM_STRUCT_SIZE, CLLM_LIMIT_LENGTH, CLLM_LIMIT_METHOD, CLLM_LIMIT_PRECISION, CLLM_NOT_TRAINABLE.
Status PlanTrainer(const Model& model, const cllm_trainer_limits& limits, TrainerPlan* plan);

}  // namespace cllm

#endif  // CLLM_TRAINER_PLAN_H_
