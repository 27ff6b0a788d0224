#include "kernels/lattice_sdot.h"

#if CLLM_INT8_SDOT

#include <arm_neon.h>

#include "base/layout.h"

#define CLLM_SDOT_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))

namespace cllm {
namespace {

// Step kLane of the four whose inputs a register holds.
template <size_t kRows, int kLane>
CLLM_SDOT_TARGET inline void AddStep(const uint8_t* weights, const int8x16_t (&inputs)[kRows],
                                     int32x4_t (&products)[kRows][4]) {
  for (size_t v = 0; v < 4; ++v) {
    const int8x16_t w = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(weights + 16 * v), vdupq_n_u8(128)));
    for (size_t r = 0; r < kRows; ++r) products[r][v] = vdotq_laneq_s32(products[r][v], w, inputs[r], kLane);
  }
}

template <size_t kRows>
CLLM_SDOT_TARGET void SdotTile(const DecodedBlocks& blocks, const QuantizedRows& x, int32_t* sums) {
  const uint8_t* weights = blocks.weights;
  for (size_t i = 0; i < blocks.count; ++i) {
    int32x4_t products[kRows][4];
    for (auto& row : products) {
      for (int32x4_t& product : row) product = vdupq_n_s32(0);
    }
    const int8_t* q = x.q + (blocks.first + i) * kLatticeBlock;
    for (size_t half = 0; half < 2; ++half, weights += 4 * 64, q += 16) {
      int8x16_t inputs[kRows];
      for (size_t r = 0; r < kRows; ++r) inputs[r] = vld1q_s8(q + r * x.stride);
      AddStep<kRows, 0>(weights, inputs, products);
      AddStep<kRows, 1>(weights + 64, inputs, products);
      AddStep<kRows, 2>(weights + 128, inputs, products);
      AddStep<kRows, 3>(weights + 192, inputs, products);
    }
    for (size_t v = 0; v < 4; ++v) {
      const int32x4_t multipliers = vld1q_s32(blocks.multipliers + i * kPanel + 4 * v);
      for (size_t r = 0; r < kRows; ++r) {
        int32_t* sum = sums + r * kPanel + 4 * v;
        vst1q_s32(sum, vmlaq_s32(vld1q_s32(sum), products[r][v], multipliers));
      }
    }
  }
}

}  // namespace

void AddBlocksSdot(const DecodedBlocks& blocks, const QuantizedRows& x, size_t rows, int32_t* sums) {
  size_t row = 0;
  for (; row + 4 <= rows; row += 4) SdotTile<4>(blocks, x.From(row), sums + row * kPanel);
  for (; row + 2 <= rows; row += 2) SdotTile<2>(blocks, x.From(row), sums + row * kPanel);
  if (row < rows) SdotTile<1>(blocks, x.From(row), sums + row * kPanel);
}

}  // namespace cllm

#endif  // CLLM_INT8_SDOT
