// Room: trainer. Backward through a sequence's attention and rotation, for the trainer and the tuner.
#ifndef CLLM_TRAINER_ATTENTION_BACKWARD_H_
#define CLLM_TRAINER_ATTENTION_BACKWARD_H_

#include <cstddef>

#include "session/layer.h"

namespace cllm {

// One sequence's rows, as the forward pass left them, and their gradients. qkv, d_qkv: qkv_stride apart;
// attended, d_attended: query_stride apart.
struct SequenceGradient {
  const float* qkv;
  const float* attended;
  const float* d_attended;
  const float* log_sum_exp;  // [heads][length]
  float* d_qkv;
  size_t length;
};

// Writes what a key head and the query heads of its group have of d_qkv. The query heads add to the same
// keys, one after the other. key_panels, value_panels: scratch, [length padded to 16][head_size] each.
void KeyHeadBackward(const LayerShape& shape, const SequenceGradient& sequence, size_t kv_head,
                     float* key_panels, float* value_panels);

// Turns a row's queries and keys back, and clears its padding. angles: of the row's position.
void RotateRowBackward(const LayerShape& shape, const float* angles, float* d_qkv);

}  // namespace cllm

#endif  // CLLM_TRAINER_ATTENTION_BACKWARD_H_
