// Room: kernels. Causal attention with grouped queries (Ainslie et al., arXiv 2305.13245).
// Scores are never materialised: blocks of kAttentionBlock positions, counted from position 0, run through an
// online softmax (Milakov and Gimelshein, arXiv 1805.02867), so that the order of every sum depends on the
// position and the window only. Padding and positions beyond the query contribute nothing and are not read as
// values; those before its window weigh zero.
#ifndef CLLM_KERNELS_ATTENTION_H_
#define CLLM_KERNELS_ATTENTION_H_

#include <cstddef>
#include <cstdint>

#include "base/features.h"
#include "kernels/kv_lattice.h"
#include "kernels/quantize.h"

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

// Keys and values of `heads` key heads, side by side in a row, at `count` positions from first_position on,
// rows `stride` apart. With `clear` the keys after the last one in its panel become zeros: for the last
// position of a call that began before the panel or at its start. Positions of a panel may be written side by
// side.
struct KvRows {
  const float* keys;
  const float* values;
  size_t heads, head_size, stride;
  size_t first_position, count;
  bool clear;
};
// cache: of the first of the heads; head_stride: floats from one head's cache to the next.
void WriteKv(const KvRows& rows, const KvHead& cache, size_t head_stride);

// One key head's cache in int8, a bfloat16 scale for each position's key and for its value. depth: head_size
// padded to 4. Where values are on the lattice their pointers are nullptr.
struct Int8KvHead {
  uint8_t* keys;         // [context / 16][depth / 4][16][4], each 128 more than the key: int8 panels
  int8_t* values;        // [context][head_size]
  uint16_t* key_scales;  // [context]
  uint16_t* value_scales;
};

// Writes position's key and value, as QuantizeHeads stores them.
struct Int8KeyValue {
  const int8_t* key;
  const int8_t* value;
  float key_scale, value_scale;
};
void WriteKv(const Int8KeyValue& from, size_t head_size, size_t position, const Int8KvHead& cache);

// Positions [0, count) of a key head's cache as bytes in the order of positions, without padding, at any
// address: floats as keys [count][head_size], values [count][head_size]; int8 as keys and values of the same
// shapes, key scales [count], value scales [count], where there are values. Each returns the end of the
// bytes.
uint8_t* PackKv(const KvHead& cache, size_t head_size, size_t count, uint8_t* to);
uint8_t* PackKv(const Int8KvHead& cache, size_t head_size, size_t count, uint8_t* to);
// And back, whatever the bytes are; the keys after the last position in its panel become zeros.
const uint8_t* UnpackKv(const uint8_t* from, size_t head_size, size_t count, const KvHead& cache);
const uint8_t* UnpackKv(const uint8_t* from, size_t head_size, size_t count, const Int8KvHead& cache);

// Queries in int8, the cache in int8 or on the lattice. A score is (float(query . key, exact) * key_scale) *
// query scale, where the latter has the factor of the softmax in it; a value's scale multiplies its weight,
// after the sum of exponentials. All else as for floats, class A.
struct Int8Attention {
  const int8_t* queries;   // QuantizeHeads: PaddedRow(head_size) apart for heads, `query_stride` for rows
  const RowScale* scales;  // of each head, or `scale_stride` apart for rows
  size_t query_stride, scale_stride;
  Int8KvHead cache;  // of key head 0, or of the rows' head
  size_t context;    // positions from one key head's cache to the next, a multiple of 16
  LatticeHead lattice_keys = {}, lattice_values = {};  // instead of the cache's, if there are words
};

// For heads [begin, end) of one query position:
// out[d] = sum over t <= position of softmax(scale * query . key[t]) * value[t][d].
// The order: scores with d upwards; per block the maximum, then exp(score - maximum) added to 16 lanes (lane
// t mod 16) and, times value[t], to out, t upwards; before that lanes and out are scaled by
// exp(old maximum - new) if the maximum rose; last, out times the reciprocal of the tree sum of the lanes.
struct AttentionHeads {
  const float* queries;  // head h at + h * head_size, as in out
  KvHead cache;          // of key head 0; head h reads that of key head h / group
  size_t head_stride;    // floats from one key head's cache to the next
  size_t group;
  size_t begin, end;
  size_t head_size;
  size_t position;
  float scale;
  Arithmetic arithmetic;
  float* out;
  // Of the scaled scores, for the backward pass, head h at + h * the stride; or nullptr.
  float* log_sum_exp;
  size_t log_sum_exp_stride = 1;
  const Int8Attention* int8 = nullptr;  // instead of queries, cache, head_stride, scale and arithmetic
  float softcap = 0.0f;                 // scaled scores s become softcap tanh(s / softcap); 0: they stay
  size_t window = 0;                    // only t > position - window are seen; 0: all
};
void AttendHeads(const AttentionHeads& attention);

// The same, bit for bit, for `rows` queries of one head at positions first_position, first_position + 1, ...:
// faster, because keys and values are read once for several queries. Row r of the queries at
// queries + r * query_stride, of out at out + r * out_stride; log_sum_exp [rows] or nullptr.
struct AttentionRows {
  const float* queries;
  size_t query_stride;
  KvHead cache;
  size_t head_size;
  size_t first_position, rows;
  float scale;
  Arithmetic arithmetic;
  float* out;
  size_t out_stride;
  float* log_sum_exp;
  const Int8Attention* int8 = nullptr;  // instead of queries, query_stride, cache, scale and arithmetic
  float softcap = 0.0f;
  size_t window = 0;
};
void Attend(const AttentionRows& attention);

// Row-major rows [length][head_size], row t at rows + t * stride, as panels of 16 positions
// [length/16][head_size][16]; positions past the end become zeros.
void PackPositions(const float* rows, size_t stride, size_t head_size, size_t length, float* panels);

// Gradients of one query head over a whole sequence of `length` positions, query position t attending to
// 0..t; probabilities are computed again from log_sum_exp (Dao et al., arXiv 2205.14135). Class B.
// queries, keys, d_queries, d_keys, d_values: row t at + t * stride; outputs, d_outputs: at + t * out_stride.
// d_queries is written; d_keys and d_values are added to, so that the query heads of a group run one after
// the other, in order. Sums over keys and over queries run upwards.
struct AttentionGradient {
  const float* queries;
  const float* keys;
  const float* key_panels;    // PackPositions of the keys
  const float* value_panels;  // and of the values
  size_t stride;
  const float* outputs;
  const float* d_outputs;
  size_t out_stride;
  const float* log_sum_exp;  // [length]
  float* d_queries;
  float* d_keys;
  float* d_values;
  size_t head_size, length;
  float scale;
  float softcap = 0.0f;
};
void AttentionBackward(const AttentionGradient& gradient);

}  // namespace cllm

#endif  // CLLM_KERNELS_ATTENTION_H_
