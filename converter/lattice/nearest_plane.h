// Room: converter/lattice. Rows of floats as points of the lattice code: Babai's nearest plane on the lattice
// of the inputs' second moments, group by group (Chen et al., "The geometry of LLM quantization",
// arXiv 2507.18553; with a vector code as in QuIP#, arXiv 2402.04396), then descent. Numbers only.
#ifndef CLLM_CONVERTER_LATTICE_NEAREST_PLANE_H_
#define CLLM_CONVERTER_LATTICE_NEAREST_PLANE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cllm/cllm.h"
#include "converter/lattice/hessian.h"

namespace cllm {

// One row as kernels/lattice_code.h says it.
struct RoundedRow {
  std::vector<int8_t> n;             // [columns padded to 32], by place (LatticePlaceColumn)
  std::vector<uint8_t> multipliers;  // [columns padded to 32 / 32], indices 0 to 3
  uint16_t scale = 0;                // bf16
};

struct RoundingOptions {
  int fine_bits = 2;                      // 0, 1, 2
  int sweeps = 4;                         // of descent
  int scales = 3;                         // row scales that are tried
  const cllm_workers* workers = nullptr;  // the result does not depend on them
};

// rows * columns weights, row-major, finite. Rows do not depend on each other.
std::vector<RoundedRow> RoundRows(const float* weights, size_t rows, size_t columns,
                                  const NearestPlaneBasis& basis, const RoundingOptions& options);

// Weights [columns] of a row.
void DequantizeRow(const RoundedRow& row, size_t columns, float* weights);

// The same by place, padding included: [columns padded to 32].
void DequantizePlaces(const RoundedRow& row, float* weights);
std::vector<float> ByPlace(const float* weights, size_t columns);

// e^T H e of a row and its rounding.
double WeightedError(const float* weights, const RoundedRow& row, size_t columns,
                     const NearestPlaneBasis& basis);

}  // namespace cllm

#endif  // CLLM_CONVERTER_LATTICE_NEAREST_PLANE_H_
