#include "session/layer.h"

#include <cstring>

#include "base/layout.h"
#include "base/ranges.h"
#include "base/square_root.h"
#include "kernels/activation.h"
#include "kernels/gemm.h"
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

// Rows from `begin` on, as the kernels of these weights want them.
QuantizedRows RowsFor(const Tensor& weights, const QuantizedRows& rows, size_t begin) {
  QuantizedRows from = rows.From(begin);
  if (weights.dtype != Dtype::kI4) from.group_sums = nullptr;
  return from;
}

// Linear, whose x is in `quantized` already where the weights are integers.
void Multiply(const Tensor& weights, const LinearShape& shape, const float* x, float* y, bool accumulate,
              const QuantizedRows& quantized, const cllm_workers* workers) {
  const auto* bytes = static_cast<const uint8_t*>(weights.data);
  const auto columns = static_cast<size_t>(weights.columns);
  const size_t macs = shape.rows * columns * kPanel / (IsInteger(weights.dtype) ? kInt8Speed : 1);
  ForRanges(workers, shape.panels, macs, [&](size_t begin, size_t end) {
    switch (weights.dtype) {
      case Dtype::kI8:
        return GemmInt8({quantized.q, quantized.stride, quantized.scales, bytes, weights.scales, y,
                         shape.y_stride, shape.rows, (columns + 3) / 4 * 4, begin, end, accumulate});
      case Dtype::kI4:
        return GemmInt4({quantized, bytes, bytes + I4PanelBytes(shape.panels * kPanel, columns),
                         weights.scales, y, shape.y_stride, shape.rows, (columns + 7) / 8 * 8, begin, end,
                         accumulate});
      default:
        GemmF32({x, shape.x_stride, 1, static_cast<const float*>(weights.data), columns * kPanel, kPanel, y,
                 shape.y_stride, kPanel, shape.rows, columns, begin, end, accumulate});
    }
  });
}

// down's input from gate_up, and as int8 where the weights are integers.
void Activate(const LayerShape& shape, size_t rows, const FeedForwardBuffers& buffers, const Tensor& down,
              const cllm_workers* workers) {
  const size_t stride = shape.hidden_stride;
  ForRanges(workers, rows, shape.hidden * 16, [&](size_t begin, size_t end) {
    const float* gate_up = buffers.gate_up + begin * 2 * stride;
    float* hidden = buffers.hidden + begin * stride;
    if (IsInteger(down.dtype)) {
      SwiGluQuantize(gate_up, end - begin, shape.hidden, hidden, RowsFor(down, buffers.quantized, begin));
    } else {
      SwiGlu(gate_up, end - begin, stride, hidden);
    }
  });
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
      arithmetic(config.weights == Dtype::kF32 ? Arithmetic::kFused : Arithmetic::kSeparate) {}

void Linear(const Tensor& weights, const LinearShape& shape, const float* x, float* y, bool accumulate,
            const QuantizedRows& quantized, const cllm_workers* workers) {
  if (IsInteger(weights.dtype)) {
    ForRanges(workers, shape.rows, weights.columns * 2, [&](size_t begin, size_t end) {
      QuantizeRows(x + begin * shape.x_stride, shape.x_stride, end - begin, weights.columns,
                   RowsFor(weights, quantized, begin));
    });
  }
  Multiply(weights, shape, x, y, accumulate, quantized, workers);
}

void NormLinear(const Tensor& norm, const Tensor& weights, const LayerShape& shape, size_t rows,
                const NormBuffers& buffers, float* y, size_t y_stride, const QuantizedRows& quantized,
                const cllm_workers* workers) {
  if (IsInteger(weights.dtype)) {
    ForRanges(workers, rows, shape.width * 4, [&](size_t begin, size_t end) {
      const size_t at = begin * shape.width_stride;
      RmsNormQuantize(buffers.x + at, static_cast<const float*>(norm.data), shape.norm_epsilon, end - begin,
                      shape.width, buffers.normed + at, RowsFor(weights, quantized, begin));
    });
  } else {
    NormRows(norm, shape, rows, buffers.x, buffers.normed, buffers.inverse, workers);
  }
  Multiply(weights, {rows, shape.width_stride, y_stride, y_stride / kPanel}, buffers.normed, y, false,
           quantized, workers);
}

void NormRows(const Tensor& weight, const LayerShape& shape, size_t rows, const float* x, float* y,
              float* inverse, const cllm_workers* workers) {
  ForRanges(workers, rows, shape.width * 2, [&](size_t begin, size_t end) {
    RmsNorm(x + begin * shape.width_stride, static_cast<const float*>(weight.data), shape.norm_epsilon,
            end - begin, shape.width, y + begin * shape.width_stride,
            inverse != nullptr ? inverse + begin : nullptr);
  });
}

void ProjectAndStore(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                     const AttentionBuffers& buffers, const cllm_workers* workers) {
  NormLinear(weights.attention_norm, weights.query_key_value, shape, rows.count(),
             {buffers.x_in, buffers.normed, buffers.inverse}, buffers.query_key_value, shape.qkv_stride,
             buffers.quantized, workers);
  ForRanges(workers, rows.count(), shape.qkv_stride * 4,
            [&](size_t begin, size_t end) { RotateAndStore(shape, rows, buffers, begin, end); });
}

void AttendAndAdd(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                  const AttentionBuffers& buffers, const cllm_workers* workers) {
  const size_t count = rows.count();
  ClearPadding(buffers.attended, count, shape.query_width, shape.query_stride);
  ForRanges(workers, count * shape.heads, MeanContext(rows) * shape.head_size * 2,
            [&](size_t begin, size_t end) { AttendRange(shape, rows, buffers, begin, end); });
  CopyRows(buffers.x_in, buffers.x_out, count * shape.width_stride);
  Linear(weights.attention_output,
         {count, shape.query_stride, shape.width_stride, shape.width_stride / kPanel}, buffers.attended,
         buffers.x_out, true, buffers.quantized, workers);
}

void AttentionHalf(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                   const AttentionBuffers& buffers, const cllm_workers* workers) {
  ProjectAndStore(weights, shape, rows, buffers, workers);
  AttendAndAdd(weights, shape, rows, buffers, workers);
}

void FeedForwardHalf(const LayerWeights& weights, const LayerShape& shape, size_t rows,
                     const FeedForwardBuffers& buffers, const cllm_workers* workers) {
  NormLinear(weights.feed_forward_norm, weights.gate_up, shape, rows,
             {buffers.x_in, buffers.normed, buffers.inverse}, buffers.gate_up, 2 * shape.hidden_stride,
             buffers.quantized, workers);
  Activate(shape, rows, buffers, weights.down, workers);
  CopyRows(buffers.x_in, buffers.x_out, rows * shape.width_stride);
  Multiply(weights.down, {rows, shape.hidden_stride, shape.width_stride, shape.width_stride / kPanel},
           buffers.hidden, buffers.x_out, true, buffers.quantized, workers);
}

void EmbedToken(const Tensor& embedding, uint32_t token, float* x) {
  const auto* bytes = static_cast<const uint8_t*>(embedding.data);
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
