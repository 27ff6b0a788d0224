// Room: kernels. Rows of activations as int8, class A: alone, or together with the step that makes them.
#ifndef CLLM_KERNELS_QUANTIZE_H_
#define CLLM_KERNELS_QUANTIZE_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

// A row of activations as int8: x[k] is about scale * q[k], |q| <= 127. `sum` is the sum of q, for the
// weights' offset of 128.
struct RowScale {
  float scale;
  int32_t sum;
};

// Where they go: q [rows][stride], scales [rows]. stride: a multiple of 4, at least PaddedRow of the count.
// For int4 and lattice weights also the sums of q over groups of 32: group_sums [rows][2][stride / 32], first
// -8 times the sums, which take a weight's 8 off, then the sums; the stride is then a multiple of 64, and
// zeros go up to a multiple of 32. nullptr: none.
struct QuantizedRows {
  int8_t* q;
  size_t stride;
  RowScale* scales;
  int16_t* group_sums = nullptr;

  size_t groups() const { return stride / 32; }
  // The same buffers from row `row` on.
  QuantizedRows From(size_t row) const {
    return {q + row * stride, stride, scales + row,
            group_sums != nullptr ? group_sums + row * 2 * groups() : nullptr};
  }
};

// x [rows][x_stride], `count` elements a row, zeros up to PaddedRow(count), as in q.
// scale = max|x| / 127 with max|x| at least 1e-20; q = x * (127 / max|x|) to nearest, ties to even.
void QuantizeRows(const float* x, size_t x_stride, size_t rows, size_t count, const QuantizedRows& to);

// Heads [0, heads) of x, head_size elements each, one after the other. q [heads][PaddedRow(head_size)], zeros
// past the head; scales [heads]. Heads from `stored` on are for a cache: their scale is a bfloat16, the next
// one not below, and q = x * (1 / scale).
struct QuantizedHeads {
  int8_t* q;
  RowScale* scales;
};
void QuantizeHeads(const float* x, size_t heads, size_t stored, size_t head_size, const QuantizedHeads& to);

// QuantizeRows of y = RmsNorm of x (norm.h); y [rows][PaddedRow(count)] is written, too.
void RmsNormQuantize(const float* x, const float* weight, float epsilon, size_t rows, size_t count, float* y,
                     const QuantizedRows& to);

// QuantizeRows of h = SwiGLU of gate_up, which is Activate (activation.h) by the default variant, with stride
// = PaddedRow(count); h is written, too.
void SwiGluQuantize(const float* gate_up, size_t rows, size_t count, float* h, const QuantizedRows& to);

}  // namespace cllm

#endif  // CLLM_KERNELS_QUANTIZE_H_
