// Room: kernels. The products of mixed-precision training (Micikevicius et al., arXiv 1710.03740): bfloat16
// factors, float32 sums.
// The arithmetic is class B of DESIGN.md section 5 on rounded factors, and the order is that of VDPBF16PS:
//   - A factor is rounded to the nearest bfloat16, ties to even; what is then below 2^-55 becomes 0. Products
//     are thus multiples of 2^-124, and so are their sums: no subnormal number arises, which that instruction
//     would flush and others would not.
//   - k goes in blocks of kMixedDepth, and in pairs within a block. A block's sum starts at 0; a pair adds
//   the
//     product of its odd k, then that of its even k, each addition rounded once (fused multiply-add). The
//     blocks' sums are added upwards.
// Where the machine has VDPBF16PS (AVX-512 BF16) it does a pair; elsewhere two fused multiply-adds do, bit
// for bit the same, but at half the speed of GemmF32 or less.
#ifndef CLLM_KERNELS_MIXED_H_
#define CLLM_KERNELS_MIXED_H_

#include <cstddef>
#include <cstdint>

#include "base/bf16.h"
#include "kernels/gemm.h"

namespace cllm {

inline constexpr size_t kMixedDepth = 256;
inline constexpr float kMixedSmallest = 2.77555756e-17f;  // 2^-55

// A factor's bits.
inline uint16_t MixedFactor(float value) {
  const uint16_t bits = Bf16Nearest(value);
  return (bits & 0x7FFFu) < (uint32_t{127 - 55} << 7) ? uint16_t{0} : bits;
}

// bfloat16 in a panel of pairs [depth / 2 rounded up][16][2], a zero behind the last k if depth is odd.
inline constexpr size_t MixedPanel(size_t depth) { return (depth + 1) / 2 * 32; }

// Panels [panel_begin, panel_end) of [][depth][16] as factors: panel p of the result at + p
// MixedPanel(depth).
void RoundPanels(const float* panels, size_t depth, size_t panel_begin, size_t panel_end, uint16_t* factors);

// The same of the transposed matrix, as TransposePanels counts: W [rows / 16][columns][16], rows a multiple
// of 16, gives panels of depth `rows`.
void RoundTransposedPanels(const float* panels, size_t rows, size_t columns, size_t panel_begin,
                           size_t panel_end, uint16_t* factors);

// As GemmF32 with the arithmetic above, depth at least 1: rows of A (a_k is 1) times panels of pairs, b_panel
// from one to the next. b_k is not used.
void GemmMixed(const Bf16Gemm& gemm);

// Columns of A (a_row is 1), B [k][16]: both are rounded here. For gradients of weights.
void GemmMixedColumns(const Gemm& gemm);

}  // namespace cllm

#endif  // CLLM_KERNELS_MIXED_H_
