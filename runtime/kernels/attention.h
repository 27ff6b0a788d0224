// Room: kernels. Causal attention with grouped queries (Ainslie et al., arXiv 2305.13245).
// Scores are never materialised: blocks of kAttentionBlock positions, counted from position 0, run through an
// online softmax (Milakov and Gimelshein, arXiv 1805.02867), so that the order of every sum depends on the
// position only. Padding and positions beyond the query contribute nothing and are not read as values.
#ifndef CLLM_KERNELS_ATTENTION_H_
#define CLLM_KERNELS_ATTENTION_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

inline constexpr size_t kAttentionBlock = 64;

enum class Arithmetic : uint8_t {
  kSeparate,  // class A: separately rounded multiply and add
  kFused,     // class B: fused multiply-add
};

// One key head's cache. keys: [context/16][head_size][16] (panels of 16 positions), values:
// [context][head_size]; context padded to 16.
struct KvHead {
  float* keys;
  float* values;
};

// Writes position's key and value (head_size floats each). The first position of a panel clears it.
void WriteKv(const float* key, const float* value, size_t head_size, size_t position, const KvHead& cache);

// out[d] = sum over t <= position of softmax(scale * query . key[t]) * value[t][d].
// log_sum_exp (may be nullptr): of the scaled scores, for the backward pass.
void Attention(const float* query, const KvHead& cache, size_t head_size, size_t position, float scale,
               Arithmetic arithmetic, float* out, float* log_sum_exp);

// Gradients of one query head over a whole sequence of `length` positions, query position t attending to
// 0..t. queries, outputs, d_outputs, d_queries: row t at + t * stride; keys and values as in the forward.
// d_queries is written; d_keys [length][head_size] (row-major) and d_values [length][head_size] are added
// to, so that the query heads of a group run one after the other, in order.
struct AttentionGradient {
  const float* queries;
  const float* outputs;
  const float* d_outputs;
  float* d_queries;
  size_t stride;
  KvHead cache;
  const float* log_sum_exp;  // [length]
  float* d_keys;
  float* d_values;
  size_t kv_stride;  // of d_keys and d_values
  size_t head_size, length;
  float scale;
};
void AttentionBackward(const AttentionGradient& gradient);

}  // namespace cllm

#endif  // CLLM_KERNELS_ATTENTION_H_
