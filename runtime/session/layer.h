// Room: session. The one transformer layer: inference runs it with buffers that every layer shares, the
// trainer with buffers that it keeps for the backward pass. Touches the buffers it is given. The members of a
// crew have `normed` and `prepared` of their own, the other buffers in common, and work in place.
#ifndef CLLM_SESSION_LAYER_H_
#define CLLM_SESSION_LAYER_H_

#include <cstddef>
#include <cstdint>

#include "base/crew.h"
#include "kernels/attention.h"
#include "kernels/int8.h"
#include "model/model.h"
#include "session/linear.h"

namespace cllm {

struct LayerWeights {
  Tensor query_key_value, attention_output, gate_up, down;
  const float *attention_norm, *feed_forward_norm;  // vectors, padded; or nullptr, as the next ones
  const float *query_norm, *key_norm;
  const float *query_key_value_bias, *attention_output_bias, *gate_up_bias, *down_bias;
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
  float attention_scale;
  bool rope_halves;
  Arithmetic arithmetic;
  Variant variant;

  size_t rotary() const { return variant.rotary(static_cast<uint32_t>(head_size)); }  // elements of a head
  size_t inputs() const {
    return variant.feed_forward_inputs();
  }  // panels of gate_up for one of hidden units
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
// is `context` positions. Floats; or keys and values each in int8 or on the lattice. The other pointers are
// nullptr.
struct KvCache {
  KvHead floats;
  Int8KvHead int8;
  LatticeHead lattice_keys, lattice_values;
  size_t context;  // padded to 16
};

// Room for a row's heads as int8: q at + row * stride, scales at + row * scale_stride. Those of the queries,
// and of keys and values that the cache has as int8.
struct QuantizedHeadRows {
  int8_t* q;
  size_t stride;
  RowScale* scales;
  size_t scale_stride;
};

// normed = norm of x, or without a norm x itself, both [rows][width_stride]. A batch norm is the affine norm
// that its folded parameters give.
struct NormBuffers {
  const float* x;
  float* normed;
  float *mean, *inverse;  // [rows] each, for the backward pass, or nullptr; a RMS norm has no mean
};
void NormRows(const float* norm, const LayerShape& shape, size_t rows, const NormBuffers& buffers,
              Crew& crew);

// y [rows][y_stride] = the normed rows times the transposed matrix; panels as above.
// bias [y_stride] or nullptr.
void NormLinear(const float* norm, const Tensor& weights, const float* bias, const LayerShape& shape,
                size_t rows, const NormBuffers& buffers, float* y, size_t y_stride, const Prepared& prepared,
                Crew& crew);

// Row-major buffers with the strides of LayerShape. What both halves of a layer need: norm.x is the residual
// stream before the half, x_out, which may be norm.x, after it.
struct HalfBuffers {
  NormBuffers norm;
  float* x_out;
  Prepared prepared;
  // [rows][width_stride]: what a half adds, where its sum waits for a norm or for the layer's other half; or
  // nullptr.
  float* added;
  const float* post_norm;  // of what the half adds, or nullptr
};

struct AttentionBuffers : HalfBuffers {
  float* query_key_value;  // after the rotation
  float* unturned;  // what of them was before their norms and the rotation, for the backward pass; or nullptr
  float* attended;
  float* scaled;       // room for `attended` times the residual scale: itself, or where it must stay, another
  float* log_sum_exp;  // [runs][heads][length], or nullptr
  const float* angles;  // [][head_size], see Run
  KvCache cache;
  QuantizedHeadRows heads;  // unless the cache is one of floats
  size_t window;            // positions that a query sees; 0: all
};

// query_key_value of norm(x), rotated; puts the rows' keys and values into the cache.
void ProjectAndStore(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                     const AttentionBuffers& buffers, Crew& crew);

// x_out = x + residual scale times attention of the queries to what is in the cache. Where norms are after a
// half it is the norm of what is added; in a parallel block `added` keeps it for FeedForwardHalf, and x
// stays.
void AttendAndAdd(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                  const AttentionBuffers& buffers, Crew& crew);

// Both: x_out = x + attention(norm(x)).
void AttentionHalf(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                   const AttentionBuffers& buffers, Crew& crew);

struct FeedForwardBuffers : HalfBuffers {
  float* gate_up;
  float* hidden;
};

// x_out = x + residual scale times down(hidden), hidden = f(gate(norm(x))) * up(norm(x)) or without a gate
// f(up(norm(x))).
void FeedForwardHalf(const LayerWeights& weights, const LayerShape& shape, size_t rows,
                     const FeedForwardBuffers& buffers, Crew& crew);

// Embeddings as stored; positions has no data where they are not learned.
struct Embeddings {
  Tensor tokens, positions;
};

// A token's row of the embedding as floats, times the embedding's scale, plus its position's row; padded with
// zeros. `row`: room for a row.
void EmbedToken(const Embeddings& embeddings, const LayerShape& shape, uint32_t token, size_t position,
                float* x, float* row);

}  // namespace cllm

#endif  // CLLM_SESSION_LAYER_H_
