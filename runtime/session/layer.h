// Room: session. The one transformer layer: inference runs it with buffers that every layer shares, the
// trainer with buffers that it keeps for the backward pass. Touches the buffers it is given. The members of a
// crew have `normed` and `quantized` of their own, the other buffers in common, and work in place.
#ifndef CLLM_SESSION_LAYER_H_
#define CLLM_SESSION_LAYER_H_

#include <cstddef>
#include <cstdint>

#include "base/crew.h"
#include "kernels/attention.h"
#include "kernels/int8.h"
#include "model/model.h"

namespace cllm {

// Multiply-adds of int8 weights take about this much less time than those of floats, for base/ranges.h.
inline constexpr size_t kInt8Speed = 2;

struct LayerWeights {
  Tensor attention_norm;
  Tensor query_key_value;
  Tensor attention_output;
  Tensor feed_forward_norm;
  Tensor gate_up;
  Tensor down;
};

LayerWeights FindLayer(const Model& model, uint32_t layer);

// The numbers that the steps need, derived from the configuration once. Strides are padded to 16.
struct LayerShape {
  explicit LayerShape(const Config& config);
  size_t width, width_stride;
  size_t heads, kv_heads, head_size;
  size_t query_width, query_stride;  // of heads * head_size
  size_t qkv_stride;
  size_t hidden, hidden_stride;
  float norm_epsilon;
  float attention_scale;  // 1 / sqrt(head_size)
  bool rope_halves;
  Arithmetic arithmetic;
};

// Rows [row, row + length) of a batch: positions start, start + 1, ... of a sequence, their RopeAngles from
// row `angles` on. A sequence has one run in a batch, which ends where its tokens in this call do.
struct Run {
  uint32_t sequence, start, row, length, angles;
};

// Rows [begin, end) of the batch that the runs cut up, in order. Buffers start with row `begin`.
struct Rows {
  const Run* runs;
  size_t run_count, begin, end;
  size_t count() const { return end - begin; }
};

// One layer's keys and values: head h of sequence s at + (s * kv_heads + h) times what one head takes, which
// is `context` positions. Either floats or int8; the other pointers are nullptr.
struct KvCache {
  KvHead floats;
  Int8KvHead int8;
  size_t context;  // padded to 16
};

// Room for a row's heads as int8: q at + row * stride, scales [rows][heads + 2 * kv_heads].
struct QuantizedHeadRows {
  int8_t* q;
  size_t stride;
  RowScale* scales;
};

// y [rows][y_stride] (+)= x [rows][x_stride] times the transposed matrix; `panels` whole panels are written.
// `quantized` has space for x as int8; with float weights it is unused, and its pointers may be null.
struct LinearShape {
  size_t rows, x_stride, y_stride, panels;
};

// Where matrices have adapters: all of the model, by number - 1, and space for inner products
// [rows][the largest rank].
struct AdapterSpace {
  const Adapter* all = nullptr;
  float* products = nullptr;
};
void Linear(const Tensor& weights, const LinearShape& shape, const float* x, float* y, bool accumulate,
            const QuantizedRows& quantized, Crew& crew, const AdapterSpace& adapters = {});

// y [rows][y_stride] = RMS norm of x [rows][width_stride] times the transposed matrix; panels as above.
// normed is written, too; inverse may be nullptr.
struct NormBuffers {
  const float* x;
  float* normed;
  float* inverse;
  AdapterSpace adapters = {};
};
void NormLinear(const Tensor& norm, const Tensor& weights, const LayerShape& shape, size_t rows,
                const NormBuffers& buffers, float* y, size_t y_stride, const QuantizedRows& quantized,
                Crew& crew);

// y = RMS norm of x [rows][width_stride]; inverse may be nullptr.
void NormRows(const Tensor& weight, const LayerShape& shape, size_t rows, const float* x, float* y,
              float* inverse, Crew& crew);

// Row-major buffers with the strides of LayerShape. x_out may be x_in.
struct AttentionBuffers {
  const float* x_in;
  float* x_out;
  float* normed;
  float* inverse;          // [rows], or nullptr
  float* query_key_value;  // after the rotation
  float* attended;
  float* log_sum_exp;   // [runs][heads][length], or nullptr
  const float* angles;  // [][head_size], see Run
  KvCache cache;
  QuantizedRows quantized;
  QuantizedHeadRows heads;  // of an int8 cache
  AdapterSpace adapters = {};
};

// query_key_value of norm(x_in), rotated; puts the rows' keys and values into the cache.
void ProjectAndStore(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                     const AttentionBuffers& buffers, Crew& crew);

// x_out = x_in + attention of the queries to all that is in the cache.
void AttendAndAdd(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                  const AttentionBuffers& buffers, Crew& crew);

// Both: x_out = x_in + attention(norm(x_in)).
void AttentionHalf(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                   const AttentionBuffers& buffers, Crew& crew);

struct FeedForwardBuffers {
  const float* x_in;
  float* x_out;
  float* normed;
  float* inverse;  // [rows], or nullptr
  float* gate_up;
  float* hidden;
  QuantizedRows quantized;
  AdapterSpace adapters = {};
};

// x_out = x_in + down(silu(gate(norm(x_in))) * up(norm(x_in))).
void FeedForwardHalf(const LayerWeights& weights, const LayerShape& shape, size_t rows,
                     const FeedForwardBuffers& buffers, Crew& crew);

// Row `token` of the embedding as floats, padded with zeros.
void EmbedToken(const Tensor& embedding, uint32_t token, float* x);

}  // namespace cllm

#endif  // CLLM_SESSION_LAYER_H_
