// Room: session. Products of rows with a matrix of any type of weights, plus a bias where there is one.
// Touches the buffers it is given.
#ifndef CLLM_SESSION_LINEAR_H_
#define CLLM_SESSION_LINEAR_H_

#include <cstddef>

#include "base/crew.h"
#include "base/features.h"
#include "base/layout.h"
#include "kernels/int8.h"
#include "kernels/lattice.h"
#include "model/model.h"

namespace cllm {

// Multiply-adds of int8 weights take about this much less time than those of floats, for base/ranges.h.
inline constexpr size_t kInt8Speed = 2;

// x [rows][x_stride], y [rows][y_stride]; `panels` whole panels of y are written.
struct LinearShape {
  size_t rows, x_stride, y_stride, panels;
};

// Where matrices have adapters: all of the model, by number - 1, and space for inner products
// [rows][the largest rank].
struct AdapterSpace {
  const Adapter* all = nullptr;
  float* products = nullptr;
};

// Space for what a product makes of its rows first: x as integers where the weights are, and what an adapter
// multiplies. Its pointers may be null where neither is so.
struct Prepared {
  QuantizedRows quantized;
  AdapterSpace adapters = {};
};

// bias [y_stride], or nullptr: none.
struct ScaledBias {
  const float* bias;
  float scale;
};

// What a panel costs, in multiply-adds of floats.
inline size_t PanelMacs(const Tensor& weights, size_t rows) {
  return rows * weights.columns * kPanel / (IsInteger(weights.dtype) ? kInt8Speed : 1);
}

// A matrix of lattice weights as its kernels take it.
inline LatticeMatrix LatticeOf(const Tensor& weights, size_t stored_rows) {
  const auto* bytes = static_cast<const uint8_t*>(weights.data);
  const int fine_bits = FineBits(weights.dtype);
  return {fine_bits, bytes,
          bytes + static_cast<size_t>(LatticePanelBytes(stored_rows, weights.columns, fine_bits)),
          weights.scales, weights.columns};
}

// Rows from `begin` on, as the kernels of these weights want them.
inline QuantizedRows RowsFor(const Tensor& weights, const QuantizedRows& rows, size_t begin) {
  QuantizedRows from = rows.From(begin);
  if (!TakesGroupSums(weights.dtype)) from.group_sums = nullptr;
  return from;
}

inline bool HasAdapter(const Tensor& weights) { return kHasDeltas && weights.adapter != 0; }

// Whether anything is prepared of the rows before the product.
inline bool IsPrepared(const Tensor& weights) { return IsInteger(weights.dtype) || HasAdapter(weights); }

// What the matrix's adapter, if it has one, makes of rows [begin, end) of x.
void PrepareAdapter(const Tensor& weights, const float* x, size_t x_stride, const AdapterSpace& adapters,
                    size_t begin, size_t end);

// Panels [begin, end) of y = x times the transposed matrix, or with `accumulate` y +=; with its adapter. What
// is prepared of x is there already.
void MultiplyPanels(const Tensor& weights, const LinearShape& shape, const float* x, float* y,
                    bool accumulate, const Prepared& prepared, size_t begin, size_t end);

// Panels [begin, end) of each row of y become the bias, or grow by it.
void SetBias(const float* bias, const LinearShape& shape, size_t begin, size_t end, float* y);
void AddBias(const ScaledBias& bias, const LinearShape& shape, size_t begin, size_t end, float* y);

// MultiplyPanels, plus a bias, or nullptr.
inline void MultiplyWithBias(const Tensor& weights, const float* bias, const LinearShape& shape,
                             const float* x, float* y, const Prepared& prepared, size_t begin, size_t end) {
  const bool biased = kHasVariants && bias != nullptr;
  if (biased) SetBias(bias, shape, begin, end, y);
  MultiplyPanels(weights, shape, x, y, biased, prepared, begin, end);
}

// The same of y += x times the transposed matrix plus scale times a bias: bias first.
inline void MultiplyAndAdd(const Tensor& weights, const ScaledBias& bias, const LinearShape& shape,
                           const float* x, float* y, const Prepared& prepared, size_t begin, size_t end) {
  if (kHasVariants && bias.bias != nullptr) AddBias(bias, shape, begin, end, y);
  MultiplyPanels(weights, shape, x, y, true, prepared, begin, end);
}

// All panels, x as floats; `prepared` is written.
void Linear(const Tensor& weights, const float* bias, const LinearShape& shape, const float* x, float* y,
            const Prepared& prepared, Crew& crew);
void LinearAdd(const Tensor& weights, const ScaledBias& bias, const LinearShape& shape, const float* x,
               float* y, const Prepared& prepared, Crew& crew);

}  // namespace cllm

#endif  // CLLM_SESSION_LINEAR_H_
