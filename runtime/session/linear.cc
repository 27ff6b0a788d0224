#include "session/linear.h"

#include <cstring>

#include "base/features.h"
#include "base/layout.h"
#include "kernels/gemm.h"
#include "kernels/int4.h"
#include "kernels/low_rank.h"
#include "kernels/mixed.h"

namespace cllm {
namespace {

// Panels [begin, end) of y = x times the matrix itself, or with `accumulate` y +=.
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
  if (IsLattice(weights.dtype)) {
    const LatticeMatrix matrix = LatticeOf(weights, shape.panels * kPanel);
    return GemmLattice({quantized, matrix.fine_bits, matrix.weights, matrix.multipliers, matrix.weight_scales,
                        y, shape.y_stride, shape.rows, static_cast<size_t>(RoundUp(columns, kLatticeBlock)),
                        begin, end, accumulate});
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

// Calls body(begin, end) for ranges of the panels, after what is prepared of x [rows][x_stride] is there.
template <class Body>
void StepOf(const Tensor& weights, const LinearShape& shape, const float* x, const Prepared& prepared,
            Crew& crew, const Body& body) {
  const auto prepare = [&](size_t begin, size_t end) {
    if (IsInteger(weights.dtype)) {
      QuantizeRows(x + begin * shape.x_stride, shape.x_stride, end - begin, weights.columns,
                   RowsFor(weights, prepared.quantized, begin));
    }
    PrepareAdapter(weights, x, shape.x_stride, prepared.adapters, begin, end);
  };
  crew.Step(IsPrepared(weights) ? shape.rows : 0, weights.columns * 2, prepare, shape.panels,
            PanelMacs(weights, shape.rows), body);
}

}  // namespace

void PrepareAdapter(const Tensor& weights, const float* x, size_t x_stride, const AdapterSpace& adapters,
                    size_t begin, size_t end) {
  if (!HasAdapter(weights)) return;
  const Adapter& adapter = adapters.all[weights.adapter - 1];
  InnerProducts({x + begin * x_stride, x_stride, adapter.inner(),
                 static_cast<size_t>(PaddedRow(weights.columns)), adapter.rank, adapter.scale},
                end - begin, adapters.products + begin * adapter.rank);
}

void MultiplyPanels(const Tensor& weights, const LinearShape& shape, const float* x, float* y,
                    bool accumulate, const Prepared& prepared, size_t begin, size_t end) {
  MultiplyMatrix(weights, shape, x, y, accumulate, prepared.quantized, begin, end);
  if (!HasAdapter(weights)) return;
  const Adapter& adapter = prepared.adapters.all[weights.adapter - 1];
  AddOuterProducts({adapter.outer(weights.columns), shape.panels * kPanel, adapter.rank, begin, end},
                   prepared.adapters.products, shape.rows, y, shape.y_stride);
}

void SetBias(const float* bias, const LinearShape& shape, size_t begin, size_t end, float* y) {
  for (size_t r = 0; r < shape.rows; ++r) {
    const size_t at = begin * kPanel;
    std::memcpy(y + r * shape.y_stride + at, bias + at, (end - begin) * kPanel * sizeof(float));
  }
}

void AddBias(const ScaledBias& bias, const LinearShape& shape, size_t begin, size_t end, float* y) {
  for (size_t r = 0; r < shape.rows; ++r) {
    for (size_t k = begin * kPanel; k < end * kPanel; ++k) {
      y[r * shape.y_stride + k] += bias.scale * bias.bias[k];
    }
  }
}

void Linear(const Tensor& weights, const float* bias, const LinearShape& shape, const float* x, float* y,
            const Prepared& prepared, Crew& crew) {
  StepOf(weights, shape, x, prepared, crew, [&](size_t begin, size_t end) {
    MultiplyWithBias(weights, bias, shape, x, y, prepared, begin, end);
  });
}

void LinearAdd(const Tensor& weights, const ScaledBias& bias, const LinearShape& shape, const float* x,
               float* y, const Prepared& prepared, Crew& crew) {
  StepOf(weights, shape, x, prepared, crew,
         [&](size_t begin, size_t end) { MultiplyAndAdd(weights, bias, shape, x, y, prepared, begin, end); });
}

}  // namespace cllm
