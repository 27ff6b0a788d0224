// Room: converter/quantize. Rows of floats as 4-bit weights (runtime/kernels/int4.h says what they mean).
#ifndef CLLM_CONVERTER_QUANTIZE_INT4_H_
#define CLLM_CONVERTER_QUANTIZE_INT4_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cllm {

struct Int4Row {
  std::vector<uint8_t> halves;  // [columns], 0 to 15
  std::vector<uint8_t> groups;  // a byte for each 32 columns: the scale below, the zero above
  uint16_t scale = 0;           // bf16, at least 2^-50
};

// The smallest sum of squared errors of a search over the row's scale and, within a group, over its scale and
// zero. No product with int8 inputs leaves 32 bits. weights: finite. Equal weights give equal rows
// everywhere.
Int4Row QuantizeInt4Row(const float* weights, size_t columns);

// What half n stands for in a group of this byte, in units of the row's scale: (2 n - 7 - zero) * scale.
int Int4Value(uint8_t half, uint8_t group);

}  // namespace cllm

#endif  // CLLM_CONVERTER_QUANTIZE_INT4_H_
