#include "session/layer.h"

#include <cstring>

#include "base/features.h"
#include "base/layout.h"
#include "base/square_root.h"
#include "kernels/activation.h"
#include "kernels/gemm.h"
#include "kernels/int4.h"
#include "kernels/low_rank.h"
#include "kernels/mixed.h"
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

// Rows from `begin` on, as the kernels of these weights want them.
QuantizedRows RowsFor(const Tensor& weights, const QuantizedRows& rows, size_t begin) {
  QuantizedRows from = rows.From(begin);
  if (weights.dtype != Dtype::kI4) from.group_sums = nullptr;
  return from;
}

bool HasAdapter(const Tensor& weights) { return kHasDeltas && weights.adapter != 0; }

// Whether something is made of the rows before the products: integers, or what an adapter multiplies.
bool IsPrepared(const Tensor& weights) { return IsInteger(weights.dtype) || HasAdapter(weights); }

// The inner products of rows [begin, end) with the adapter.
void PrepareAdapter(const Tensor& weights, const float* x, size_t x_stride, const AdapterSpace& adapters,
                    size_t begin, size_t end) {
  if (!HasAdapter(weights)) return;
  const Adapter& adapter = adapters.all[weights.adapter - 1];
  InnerProducts({x + begin * x_stride, x_stride, adapter.inner(),
                 static_cast<size_t>(PaddedRow(weights.columns)), adapter.rank, adapter.scale},
                end - begin, adapters.products + begin * adapter.rank);
}

// Panels [begin, end) of the product with the matrix itself.
void MultiplyMatrix(const Tensor& weights, const LinearShape& shape, const float* x, float* y,
                    bool accumulate, const QuantizedRows& quantized, size_t begin, size_t end) {
  const auto* bytes = static_cast<const uint8_t*>(weights.data);
  const auto columns = static_cast<size_t>(weights.columns);
  if (kHasBf16 && weights.dtype == Dtype::kBf16) {
    return GemmBf16({x, shape.x_stride, 1, static_cast<const uint16_t*>(weights.data), columns * kPanel,
                     kPanel, y, shape.y_stride, kPanel, shape.rows, columns, begin, end, accumulate});
  }
  if (kHasBf16 && weights.dtype == Dtype::kFactors) {
    return GemmMixed({x, shape.x_stride, 1, static_cast<const uint16_t*>(weights.data), MixedPanel(columns),
                      0, y, shape.y_stride, kPanel, shape.rows, columns, begin, end, accumulate});
  }
  switch (weights.dtype) {
    case Dtype::kI8:
      return GemmInt8({quantized.q, quantized.stride, quantized.scales, bytes, weights.scales, y,
                       shape.y_stride, shape.rows, (columns + 3) / 4 * 4, begin, end, accumulate});
    case Dtype::kI4:
      return GemmInt4({quantized, bytes, bytes + I4PanelBytes(shape.panels * kPanel, columns), weights.scales,
                       y, shape.y_stride, shape.rows, (columns + 7) / 8 * 8, begin, end, accumulate});
    default:
      GemmF32({x, shape.x_stride, 1, static_cast<const float*>(weights.data), columns * kPanel, kPanel, y,
               shape.y_stride, kPanel, shape.rows, columns, begin, end, accumulate});
  }
}

// Panels [begin, end) of Linear, whose x is in `quantized` already where the weights are integers, and in the
// products of `adapters` where they have one.
void MultiplyPanels(const Tensor& weights, const LinearShape& shape, const float* x, float* y,
                    bool accumulate, const QuantizedRows& quantized, const AdapterSpace& adapters,
                    size_t begin, size_t end) {
  MultiplyMatrix(weights, shape, x, y, accumulate, quantized, begin, end);
  if (!HasAdapter(weights)) return;
  const Adapter& adapter = adapters.all[weights.adapter - 1];
  AddOuterProducts({adapter.outer(weights.columns), shape.panels * kPanel, adapter.rank, begin, end},
                   adapters.products, shape.rows, y, shape.y_stride);
}

// What a panel costs, in multiply-adds of floats.
size_t PanelMacs(const Tensor& weights, size_t rows) {
  return rows * weights.columns * kPanel / (IsInteger(weights.dtype) ? kInt8Speed : 1);
}

// The norm of rows [begin, end), and as integers where the weights that follow are.
void NormFor(const Tensor& weights, const Tensor& norm, const LayerShape& shape, const NormBuffers& buffers,
             const QuantizedRows& quantized, size_t begin, size_t end) {
  const size_t at = begin * shape.width_stride;
  const auto* weight = static_cast<const float*>(norm.data);
  if (IsInteger(weights.dtype)) {
    RmsNormQuantize(buffers.x + at, weight, shape.norm_epsilon, end - begin, shape.width, buffers.normed + at,
                    RowsFor(weights, quantized, begin));
  } else {
    RmsNorm(buffers.x + at, weight, shape.norm_epsilon, end - begin, shape.width, buffers.normed + at,
            buffers.inverse != nullptr ? buffers.inverse + begin : nullptr);
  }
  PrepareAdapter(weights, buffers.normed, shape.width_stride, buffers.adapters, begin, end);
}

// Whether a share of the key heads can go from the projection through the attention in one step: each share
// needs as many, and panels of its own. An int8 cache quantises a row's heads together.
bool TakesWholeHeads(const LayerShape& shape, const KvCache& cache, size_t shares) {
  return cache.floats.keys != nullptr && shape.kv_heads % shares == 0 &&
         shape.kv_heads / shares * shape.head_size % kPanel == 0;
}

// Queries, keys and values of some heads from the normed rows, into the cache.
void ProjectHeads(const Tensor& weights, const LayerShape& shape, const Rows& rows,
                  const AttentionBuffers& buffers, const HeadRange& heads) {
  const LinearShape linear = {rows.count(), shape.width_stride, shape.qkv_stride, shape.qkv_stride / kPanel};
  const size_t group = shape.heads / shape.kv_heads, all = shape.kv_heads, count = heads.end - heads.begin;
  const size_t first[3] = {heads.begin * group, all * group + heads.begin, all * (group + 1) + heads.begin};
  for (size_t part = 0; part < 3 && count < all; ++part) {
    const size_t last = first[part] + (part == 0 ? count * group : count);
    MultiplyPanels(weights, linear, buffers.normed, buffers.query_key_value, false, buffers.quantized,
                   buffers.adapters, first[part] * shape.head_size / kPanel, last * shape.head_size / kPanel);
  }
  if (count == all) {
    MultiplyPanels(weights, linear, buffers.normed, buffers.query_key_value, false, buffers.quantized,
                   buffers.adapters, 0, linear.panels);
  }
  RotateAndStore(shape, rows, buffers, 0, rows.count(), heads);
}

// x_out = x_in + the projection of `attended`.
void AddAttended(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                 const AttentionBuffers& buffers, Crew& crew) {
  CopyRows(buffers.x_in, buffers.x_out, rows.count() * shape.width_stride);
  Linear(weights.attention_output,
         {rows.count(), shape.query_stride, shape.width_stride, shape.width_stride / kPanel},
         buffers.attended, buffers.x_out, true, buffers.quantized, crew, buffers.adapters);
}

}  // namespace

LayerWeights FindLayer(const Model& model, uint32_t layer) {
  return {FindTensor(model, Role::kAttentionNorm, layer),   FindTensor(model, Role::kQueryKeyValue, layer),
          FindTensor(model, Role::kAttentionOutput, layer), FindTensor(model, Role::kFeedForwardNorm, layer),
          FindTensor(model, Role::kGateUp, layer),          FindTensor(model, Role::kDown, layer)};
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
      attention_scale(1.0f / SquareRoot(config.head_size)),
      rope_halves(config.rope_pairs == RopePairs::kHalves),
      arithmetic(IsInteger(config.weights) ? Arithmetic::kSeparate : Arithmetic::kFused) {}

void Linear(const Tensor& weights, const LinearShape& shape, const float* x, float* y, bool accumulate,
            const QuantizedRows& quantized, Crew& crew, const AdapterSpace& adapters) {
  const auto prepare = [&](size_t begin, size_t end) {
    if (IsInteger(weights.dtype)) {
      QuantizeRows(x + begin * shape.x_stride, shape.x_stride, end - begin, weights.columns,
                   RowsFor(weights, quantized, begin));
    }
    PrepareAdapter(weights, x, shape.x_stride, adapters, begin, end);
  };
  crew.Step(IsPrepared(weights) ? shape.rows : 0, weights.columns * 2, prepare, shape.panels,
            PanelMacs(weights, shape.rows), [&](size_t begin, size_t end) {
              MultiplyPanels(weights, shape, x, y, accumulate, quantized, adapters, begin, end);
            });
}

void NormLinear(const Tensor& norm, const Tensor& weights, const LayerShape& shape, size_t rows,
                const NormBuffers& buffers, float* y, size_t y_stride, const QuantizedRows& quantized,
                Crew& crew) {
  const LinearShape linear = {rows, shape.width_stride, y_stride, y_stride / kPanel};
  const auto prepare = [&](size_t begin, size_t end) {
    NormFor(weights, norm, shape, buffers, quantized, begin, end);
  };
  crew.Step(
      rows, shape.width * 4, prepare, linear.panels, PanelMacs(weights, rows), [&](size_t begin, size_t end) {
        MultiplyPanels(weights, linear, buffers.normed, y, false, quantized, buffers.adapters, begin, end);
      });
}

void NormRows(const Tensor& weight, const LayerShape& shape, size_t rows, const float* x, float* y,
              float* inverse, Crew& crew) {
  crew.Step(rows, shape.width * 2, [&](size_t begin, size_t end) {
    RmsNorm(x + begin * shape.width_stride, static_cast<const float*>(weight.data), shape.norm_epsilon,
            end - begin, shape.width, y + begin * shape.width_stride,
            inverse != nullptr ? inverse + begin : nullptr);
  });
}

void ProjectAndStore(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                     const AttentionBuffers& buffers, Crew& crew) {
  NormLinear(weights.attention_norm, weights.query_key_value, shape, rows.count(),
             {buffers.x_in, buffers.normed, buffers.inverse, buffers.adapters}, buffers.query_key_value,
             shape.qkv_stride, buffers.quantized, crew);
  crew.Step(rows.count(), shape.qkv_stride * 4, [&](size_t begin, size_t end) {
    RotateAndStore(shape, rows, buffers, begin, end, {0, shape.kv_heads});
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
  const NormBuffers norm = {buffers.x_in, buffers.normed, buffers.inverse, buffers.adapters};
  const auto prepare = [&](size_t begin, size_t end) {
    NormFor(matrix, weights.attention_norm, shape, norm, buffers.quantized, begin, end);
  };
  crew.Step(count, shape.width * 4, prepare, heads, macs, [&](size_t begin, size_t end) {
    ProjectHeads(matrix, shape, rows, buffers, {begin, end});
    if (end == heads) ClearPadding(buffers.attended, count, shape.query_width, shape.query_stride);
    AttendHeads(shape, rows, buffers, {begin, end});
  });
  AddAttended(weights, shape, rows, buffers, crew);
}

void FeedForwardHalf(const LayerWeights& weights, const LayerShape& shape, size_t rows,
                     const FeedForwardBuffers& buffers, Crew& crew) {
  const size_t stride = shape.hidden_stride, panels = stride / kPanel;
  const LinearShape in = {rows, shape.width_stride, 2 * stride, 2 * panels};
  const LinearShape out = {rows, stride, shape.width_stride, shape.width_stride / kPanel};
  const size_t macs = 2 * PanelMacs(weights.gate_up, rows);
  const bool integer = IsInteger(weights.down.dtype), whole = crew.RangesOf(panels, macs) == 1;
  const NormBuffers norm = {buffers.x_in, buffers.normed, buffers.inverse, buffers.adapters};
  const auto prepare = [&](size_t begin, size_t end) {
    NormFor(weights.gate_up, weights.feed_forward_norm, shape, norm, buffers.quantized, begin, end);
  };
  // Gate and up of a panel of hidden units lie side by side, so that who multiplied them goes on with them;
  // unless one does it all, and quantises them, too.
  crew.Step(rows, shape.width * 4, prepare, panels, macs, [&](size_t begin, size_t end) {
    MultiplyPanels(weights.gate_up, in, buffers.normed, buffers.gate_up, false, buffers.quantized,
                   buffers.adapters, 2 * begin, 2 * end);
    for (size_t r = 0; r < rows && !(whole && integer); ++r) {
      const size_t at = r * stride + begin * kPanel;
      SwiGlu(buffers.gate_up + 2 * at, 1, (end - begin) * kPanel, buffers.hidden + at);
    }
  });
  CopyRows(buffers.x_in, buffers.x_out, rows * shape.width_stride);
  const auto prepare_hidden = [&](size_t begin, size_t end) {
    float* hidden = buffers.hidden + begin * stride;
    const QuantizedRows to = RowsFor(weights.down, buffers.quantized, begin);
    if (whole && integer) {
      SwiGluQuantize(buffers.gate_up + begin * 2 * stride, end - begin, shape.hidden, hidden, to);
    } else if (integer) {
      QuantizeRows(hidden, stride, end - begin, shape.hidden, to);
    }
    PrepareAdapter(weights.down, buffers.hidden, stride, buffers.adapters, begin, end);
  };
  crew.Step(IsPrepared(weights.down) ? rows : 0, shape.hidden * 16, prepare_hidden, out.panels,
            PanelMacs(weights.down, rows), [&](size_t begin, size_t end) {
              MultiplyPanels(weights.down, out, buffers.hidden, buffers.x_out, true, buffers.quantized,
                             buffers.adapters, begin, end);
            });
}

void EmbedToken(const Tensor& embedding, uint32_t token, float* x) {
  const auto* bytes = static_cast<const uint8_t*>(embedding.data);
  if (kHasBf16 && embedding.dtype == Dtype::kBf16) {
    return GatherBf16Row(static_cast<const uint16_t*>(embedding.data), embedding.columns, token, x);
  }
  switch (embedding.dtype) {
    case Dtype::kI8: return DequantizeRow(bytes, embedding.scales, embedding.columns, token, x);
    case Dtype::kI4: {
      const uint8_t* groups = bytes + static_cast<size_t>(I4PanelBytes(embedding.rows, embedding.columns));
      return DequantizeInt4Row(bytes, groups, embedding.scales, embedding.columns, token, x);
    }
    default: GatherRow(static_cast<const float*>(embedding.data), embedding.columns, token, x);
  }
}

}  // namespace cllm
