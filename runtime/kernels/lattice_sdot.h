// Room: kernels. Products with decoded lattice weights on 64-bit ARM with the dot product instructions, which
// Highway's NEON target does without. Exact, as everywhere.
#ifndef CLLM_KERNELS_LATTICE_SDOT_H_
#define CLLM_KERNELS_LATTICE_SDOT_H_

#include <cstddef>
#include <cstdint>

#include "kernels/int8_sdot.h"
#include "kernels/quantize.h"

#if CLLM_INT8_SDOT

namespace cllm {

// `count` blocks from block `first` of a panel on: weights [count][8][16][4] plus 128, multipliers
// [count][16].
struct DecodedBlocks {
  const uint8_t* weights;
  const int32_t* multipliers;
  size_t first, count;
};

// sums [rows][16] += the products of the blocks with `rows` rows of x.
void AddBlocksSdot(const DecodedBlocks& blocks, const QuantizedRows& x, size_t rows, int32_t* sums);

}  // namespace cllm

#endif

#endif  // CLLM_KERNELS_LATTICE_SDOT_H_
