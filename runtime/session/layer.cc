#include "session/layer.h"

#include <cstring>

#include "base/features.h"
#include "base/layout.h"
#include "base/square_root.h"
#include "kernels/activation.h"
#include "kernels/int4.h"
#include "kernels/norm.h"
#include "kernels/vector.h"
#include "session/attend.h"

namespace cllm {
namespace {

void CopyRows(const float* from, float* to, size_t floats) {
  if (from != to) std::memcpy(to, from, floats * sizeof(float));
}

void ClearPadding(float* x, size_t rows, size_t count, size_t stride) {
  if (count == stride) return;
  for (size_t r = 0; r < rows; ++r) {
    std::memset(x + r * stride + count, 0, (stride - count) * sizeof(float));
  }
}

bool IsRms(const Variant& variant) { return variant.norm == Norm::kRms; }

// The norm of rows [begin, end).
void NormRange(const float* norm, const LayerShape& shape, const NormBuffers& buffers, size_t begin,
               size_t end) {
  const size_t at = begin * shape.width_stride, rows = end - begin;
  const bool kept = buffers.inverse != nullptr;
  float* mean = kept ? buffers.mean + begin : nullptr;
  float* inverse = kept ? buffers.inverse + begin : nullptr;
  if (kHasVariants && norm == nullptr) {
    CopyRows(buffers.x + at, buffers.normed + at, rows * shape.width_stride);
  } else if (IsRms(shape.variant)) {
    RmsNorm(buffers.x + at, norm, shape.norm_epsilon, rows, shape.width, buffers.normed + at, inverse);
  } else if (shape.variant.norm == Norm::kLayer) {
    LayerNorm(buffers.x + at, norm, shape.norm_epsilon, rows, shape.width, buffers.normed + at, mean,
              inverse);
  } else {
    AffineNorm(buffers.x + at, norm, rows, shape.width, buffers.normed + at, mean, inverse);
  }
}

// And what the weights that follow want of the normed rows.
void NormFor(const Tensor& weights, const float* norm, const LayerShape& shape, const NormBuffers& buffers,
             const Prepared& prepared, size_t begin, size_t end) {
  const size_t rows = end - begin, at = begin * shape.width_stride;
  const bool fused = IsInteger(weights.dtype) && IsRms(shape.variant) && (!kHasVariants || norm != nullptr);
  if (!fused) NormRange(norm, shape, buffers, begin, end);
  if (IsInteger(weights.dtype)) {
    const QuantizedRows to = RowsFor(weights, prepared.quantized, begin);
    if (fused) {
      RmsNormQuantize(buffers.x + at, norm, shape.norm_epsilon, rows, shape.width, buffers.normed + at, to);
    } else {
      QuantizeRows(buffers.normed + at, shape.width_stride, rows, shape.width, to);
    }
  }
  PrepareAdapter(weights, buffers.normed, shape.width_stride, prepared.adapters, begin, end);
}

// Whether hidden units go to the last product as SwiGLU gives them.
bool IsPlainSwiGlu(const Variant& variant) {
  return variant.activation == Activation::kSilu && variant.gated && variant.residual_scale == 1.0f;
}

// Whether a share of the key heads can go from the projection through the attention in one step: each share
// needs as many, and panels of its own. Other caches quantise a row's heads together.
bool TakesWholeHeads(const LayerShape& shape, const KvCache& cache, size_t shares) {
  return cache.floats.keys != nullptr && shape.kv_heads % shares == 0 &&
         shape.kv_heads / shares * shape.head_size % kPanel == 0;
}

// Queries, keys and values of some of the heads from the normed rows, into the cache.
void ProjectHeads(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                  const AttentionBuffers& buffers, const HeadRange& heads) {
  const LinearShape linear = {rows.count(), shape.width_stride, shape.qkv_stride, shape.qkv_stride / kPanel};
  const size_t group = shape.heads / shape.kv_heads, all = shape.kv_heads, count = heads.end - heads.begin;
  const size_t first[3] = {heads.begin * group, all * group + heads.begin, all * (group + 1) + heads.begin};
  for (size_t part = 0; part < 3; ++part) {
    const size_t last = first[part] + (part == 0 ? count * group : count);
    MultiplyWithBias(weights.query_key_value, weights.query_key_value_bias, linear, buffers.norm.normed,
                     buffers.query_key_value, buffers.prepared, first[part] * shape.head_size / kPanel,
                     last * shape.head_size / kPanel);
  }
  RotateAndStore(weights, shape, rows, buffers, 0, rows.count(), heads);
}

bool IsAside(const Variant& variant) { return variant.norms_after() || variant.parallel_block; }

// x_out += residual scale times the norm of `added`, or without a norm `added` itself.
void AddNormed(const LayerShape& shape, size_t rows, const HalfBuffers& half, Crew& crew) {
  const size_t stride = shape.width_stride;
  crew.Step(rows, stride * 4, [&](size_t begin, size_t end) {
    const size_t floats = (end - begin) * stride;
    float* added = half.added + begin * stride;
    if (half.post_norm != nullptr) {
      NormRange(half.post_norm, shape, {half.added, half.added, nullptr, nullptr}, begin, end);
    }
    if (shape.variant.residual_scale != 1.0f) Scale(shape.variant.residual_scale, floats, added);
    Add(added, floats, half.x_out + begin * stride);
  });
}

// `added` = the projection of `attended`; in a block that is not parallel it is added, too.
void SetAsideAttended(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                      const AttentionBuffers& buffers, Crew& crew) {
  const LinearShape linear = {rows.count(), shape.query_stride, shape.width_stride,
                              shape.width_stride / kPanel};
  Linear(weights.attention_output, weights.attention_output_bias, linear, buffers.attended, buffers.added,
         buffers.prepared, crew);
  if (shape.variant.parallel_block) return;
  CopyRows(buffers.norm.x, buffers.x_out, rows.count() * shape.width_stride);
  AddNormed(shape, rows.count(), buffers, crew);
}

// x_out = x + the projection of `attended`.
void AddAttended(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                 const AttentionBuffers& buffers, Crew& crew) {
  if (IsAside(shape.variant)) return SetAsideAttended(weights, shape, rows, buffers, crew);
  const float scale = shape.variant.residual_scale;
  const float* attended = buffers.attended;
  if (scale != 1.0f) {
    crew.Step(rows.count(), shape.query_stride, [&](size_t begin, size_t end) {
      const size_t at = begin * shape.query_stride, floats = (end - begin) * shape.query_stride;
      CopyRows(buffers.attended + at, buffers.scaled + at, floats);
      Scale(scale, floats, buffers.scaled + at);
    });
    attended = buffers.scaled;
  }
  CopyRows(buffers.norm.x, buffers.x_out, rows.count() * shape.width_stride);
  const LinearShape linear = {rows.count(), shape.query_stride, shape.width_stride,
                              shape.width_stride / kPanel};
  LinearAdd(weights.attention_output, {weights.attention_output_bias, scale}, linear, attended, buffers.x_out,
            buffers.prepared, crew);
}

}  // namespace

LayerWeights FindLayer(const Model& model, uint32_t layer) {
  const auto vector = [&](Role role) {
    return static_cast<const float*>(FindTensor(model, role, layer).data);
  };
  const auto variant_vector = [&](Role role) { return kHasVariants ? vector(role) : nullptr; };
  return {FindTensor(model, Role::kQueryKeyValue, layer),
          FindTensor(model, Role::kAttentionOutput, layer),
          FindTensor(model, Role::kGateUp, layer),
          FindTensor(model, Role::kDown, layer),
          vector(Role::kAttentionNorm),
          vector(Role::kFeedForwardNorm),
          variant_vector(Role::kQueryNorm),
          variant_vector(Role::kKeyNorm),
          variant_vector(Role::kQueryKeyValueBias),
          variant_vector(Role::kAttentionOutputBias),
          variant_vector(Role::kGateUpBias),
          variant_vector(Role::kDownBias)};
}

LayerShape::LayerShape(const Config& config)
    : width(config.width),
      width_stride(PaddedRow(config.width)),
      heads(config.heads),
      kv_heads(config.kv_heads),
      head_size(config.head_size),
      query_width(heads * head_size),
      query_stride(PaddedRow(query_width)),
      qkv_stride(PaddedRow((heads + 2 * kv_heads) * head_size)),
      hidden(config.hidden),
      hidden_stride(PaddedRow(config.hidden)),
      norm_epsilon(config.norm_epsilon),
      attention_scale(config.variant.attention_scale != 0.0f ? config.variant.attention_scale
                                                             : 1.0f / SquareRoot(config.head_size)),
      rope_halves(config.rope_pairs == RopePairs::kHalves),
      arithmetic(IsInteger(config.weights) ? Arithmetic::kSeparate : Arithmetic::kFused),
      variant(config.variant) {}

void NormRows(const float* norm, const LayerShape& shape, size_t rows, const NormBuffers& buffers,
              Crew& crew) {
  crew.Step(rows, shape.width * 2,
            [&](size_t begin, size_t end) { NormRange(norm, shape, buffers, begin, end); });
}

void NormLinear(const float* norm, const Tensor& weights, const float* bias, const LayerShape& shape,
                size_t rows, const NormBuffers& buffers, float* y, size_t y_stride, const Prepared& prepared,
                Crew& crew) {
  const LinearShape linear = {rows, shape.width_stride, y_stride, y_stride / kPanel};
  const auto prepare = [&](size_t begin, size_t end) {
    NormFor(weights, norm, shape, buffers, prepared, begin, end);
  };
  crew.Step(rows, shape.width * 4, prepare, linear.panels, PanelMacs(weights, rows),
            [&](size_t begin, size_t end) {
              MultiplyWithBias(weights, bias, linear, buffers.normed, y, prepared, begin, end);
            });
}

void ProjectAndStore(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                     const AttentionBuffers& buffers, Crew& crew) {
  NormLinear(weights.attention_norm, weights.query_key_value, weights.query_key_value_bias, shape,
             rows.count(), buffers.norm, buffers.query_key_value, shape.qkv_stride, buffers.prepared, crew);
  crew.Step(rows.count(), shape.qkv_stride * 4, [&](size_t begin, size_t end) {
    RotateAndStore(weights, shape, rows, buffers, begin, end, {0, shape.kv_heads});
  });
}

void AttendAndAdd(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                  const AttentionBuffers& buffers, Crew& crew) {
  const size_t items = rows.count() * shape.heads;
  crew.Step(items, MeanContext(rows) * shape.head_size * 2, [&](size_t begin, size_t end) {
    if (end == items) {
      ClearPadding(buffers.attended, rows.count(), shape.query_width, shape.query_stride);
    }
    AttendRange(shape, rows, buffers, begin, end);
  });
  AddAttended(weights, shape, rows, buffers, crew);
}

void AttentionHalf(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                   const AttentionBuffers& buffers, Crew& crew) {
  const Tensor& matrix = weights.query_key_value;
  const size_t count = rows.count(), heads = shape.kv_heads;
  const size_t macs = PanelMacs(matrix, count) * (shape.qkv_stride / kPanel) / heads;
  const size_t shares = crew.RangesOf(heads, macs);
  if (shares == 1 || !TakesWholeHeads(shape, buffers.cache, shares)) {
    ProjectAndStore(weights, shape, rows, buffers, crew);
    return AttendAndAdd(weights, shape, rows, buffers, crew);
  }
  const auto prepare = [&](size_t begin, size_t end) {
    NormFor(matrix, weights.attention_norm, shape, buffers.norm, buffers.prepared, begin, end);
  };
  crew.Step(count, shape.width * 4, prepare, heads, macs, [&](size_t begin, size_t end) {
    ProjectHeads(weights, shape, rows, buffers, {begin, end});
    if (end == heads) ClearPadding(buffers.attended, count, shape.query_width, shape.query_stride);
    AttendHeads(shape, rows, buffers, {begin, end});
  });
  AddAttended(weights, shape, rows, buffers, crew);
}

namespace {

// x_out = x + the product of the hidden units, which with `fused` are still gates and ups.
void AddHidden(const LayerWeights& weights, const LayerShape& shape, size_t rows,
               const FeedForwardBuffers& buffers, bool fused, Crew& crew) {
  const size_t stride = shape.hidden_stride;
  const LinearShape out = {rows, stride, shape.width_stride, shape.width_stride / kPanel};
  const auto prepare = [&](size_t begin, size_t end) {
    if (IsInteger(weights.down.dtype)) {
      float* hidden = buffers.hidden + begin * stride;
      const QuantizedRows to = RowsFor(weights.down, buffers.prepared.quantized, begin);
      if (fused) {
        SwiGluQuantize(buffers.gate_up + begin * 2 * stride, end - begin, shape.hidden, hidden, to);
      } else {
        QuantizeRows(hidden, stride, end - begin, shape.hidden, to);
      }
    }
    PrepareAdapter(weights.down, buffers.hidden, stride, buffers.prepared.adapters, begin, end);
  };
  CopyRows(buffers.norm.x, buffers.x_out, rows * shape.width_stride);
  crew.Step(IsPrepared(weights.down) ? rows : 0, shape.hidden * 16, prepare, out.panels,
            PanelMacs(weights.down, rows), [&](size_t begin, size_t end) {
              if (shape.variant.norms_after()) {
                return MultiplyWithBias(weights.down, weights.down_bias, out, buffers.hidden, buffers.added,
                                        buffers.prepared, begin, end);
              }
              MultiplyAndAdd(weights.down, {weights.down_bias, shape.variant.residual_scale}, out,
                             buffers.hidden, buffers.x_out, buffers.prepared, begin, end);
            });
  if (IsAside(shape.variant)) AddNormed(shape, rows, buffers, crew);
}

}  // namespace

void FeedForwardHalf(const LayerWeights& weights, const LayerShape& shape, size_t rows,
                     const FeedForwardBuffers& buffers, Crew& crew) {
  const size_t stride = shape.hidden_stride, panels = stride / kPanel, inputs = shape.inputs();
  const LinearShape in = {rows, shape.width_stride, inputs * stride, inputs * panels};
  const size_t macs = inputs * PanelMacs(weights.gate_up, rows);
  const float scale = shape.variant.norms_after() ? 1.0f : shape.variant.residual_scale;
  const bool fused =
      IsInteger(weights.down.dtype) && IsPlainSwiGlu(shape.variant) && crew.RangesOf(panels, macs) == 1;
  const auto prepare = [&](size_t begin, size_t end) {
    NormFor(weights.gate_up, weights.feed_forward_norm, shape, buffers.norm, buffers.prepared, begin, end);
  };
  // Gate and up of a panel of hidden units lie side by side, so that who multiplied them goes on with them;
  // unless one does it all, and quantises them, too.
  crew.Step(rows, shape.width * 4, prepare, panels, macs, [&](size_t begin, size_t end) {
    MultiplyWithBias(weights.gate_up, weights.gate_up_bias, in, buffers.norm.normed, buffers.gate_up,
                     buffers.prepared, inputs * begin, inputs * end);
    for (size_t r = 0; r < rows && !fused; ++r) {
      const size_t at = r * stride + begin * kPanel, units = (end - begin) * kPanel;
      Activate(shape.variant, buffers.gate_up + inputs * at, 1, units, buffers.hidden + at);
      if (scale != 1.0f) Scale(scale, units, buffers.hidden + at);
    }
  });
  AddHidden(weights, shape, rows, buffers, fused, crew);
}

namespace {

// Row `row` of an embedding as floats.
void GatherAny(const Tensor& embedding, size_t row, float* x) {
  const auto* bytes = static_cast<const uint8_t*>(embedding.data);
  const size_t columns = embedding.columns;
  if (kHasBf16 && embedding.dtype == Dtype::kBf16) {
    GatherBf16Row(static_cast<const uint16_t*>(embedding.data), columns, row, x);
  } else if (embedding.dtype == Dtype::kI8) {
    DequantizeRow(bytes, embedding.scales, columns, row, x);
  } else if (IsLattice(embedding.dtype)) {
    DequantizeLatticeRow(LatticeOf(embedding, embedding.rows), row, x);
  } else if (embedding.dtype == Dtype::kI4) {
    const uint8_t* groups = bytes + static_cast<size_t>(I4PanelBytes(embedding.rows, columns));
    DequantizeInt4Row(bytes, groups, embedding.scales, columns, row, x);
  } else {
    GatherRow(static_cast<const float*>(embedding.data), columns, row, x);
  }
}

}  // namespace

void EmbedToken(const Embeddings& embeddings, const LayerShape& shape, uint32_t token, size_t position,
                float* x, float* row) {
  GatherAny(embeddings.tokens, token, x);
  const float scale = shape.variant.embedding_scale;
  if (scale != 1.0f) Scale(scale, shape.width_stride, x);
  if (!shape.variant.learned_positions) return;
  GatherAny(embeddings.positions, position, row);
  Add(row, shape.width_stride, x);
}

}  // namespace cllm
