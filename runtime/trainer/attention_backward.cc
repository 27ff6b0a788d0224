#include "trainer/attention_backward.h"

#include <cstring>

#include "kernels/attention.h"
#include "kernels/rope.h"

namespace cllm {

void KeyHeadBackward(const LayerShape& shape, const SequenceGradient& sequence, size_t kv_head,
                     float* key_panels, float* value_panels) {
  const size_t size = shape.head_size, stride = shape.qkv_stride, length = sequence.length;
  const size_t group = shape.heads / shape.kv_heads;
  const size_t key_at = shape.query_width + kv_head * size, value_at = key_at + shape.kv_heads * size;
  const float* qkv = sequence.qkv;
  float* d_qkv = sequence.d_qkv;
  PackPositions(qkv + key_at, stride, size, length, key_panels);
  PackPositions(qkv + value_at, stride, size, length, value_panels);
  for (size_t t = 0; t < length; ++t) {
    std::memset(d_qkv + key_at + t * stride, 0, size * sizeof(float));
    std::memset(d_qkv + value_at + t * stride, 0, size * sizeof(float));
  }
  for (size_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    const size_t at = head * size;
    AttentionBackward({qkv + at, qkv + key_at, key_panels, value_panels, stride, sequence.attended + at,
                       sequence.d_attended + at, shape.query_stride, sequence.log_sum_exp + head * length,
                       d_qkv + at, d_qkv + key_at, d_qkv + value_at, size, length, shape.attention_scale,
                       shape.variant.attention_softcap});
  }
}

void RotateRowBackward(const LayerShape& shape, const float* angles, float* d_qkv) {
  const size_t used = (shape.heads + 2 * shape.kv_heads) * shape.head_size;
  Rope(d_qkv, shape.heads + shape.kv_heads, shape.head_size, shape.rotary() / 2, shape.rope_halves, angles,
       true);
  std::memset(d_qkv + used, 0, (shape.qkv_stride - used) * sizeof(float));
}

}  // namespace cllm
