#include "kernels/int8_sdot.h"

#if CLLM_INT8_SDOT

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/layout.h"

// From the C library; its header is not the runtime's to include.
extern "C" unsigned long getauxval(unsigned long type);  // NOLINT(google-runtime-int)

#define CLLM_SDOT_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))

namespace cllm {
namespace {

// From the kernel's <linux/auxvec.h> and <asm/hwcap.h>.
constexpr unsigned long kAtHwcap = 16;              // NOLINT(google-runtime-int)
constexpr unsigned long kHwcapAsimdDp = 1ul << 20;  // NOLINT(google-runtime-int)

CLLM_SDOT_TARGET inline void StoreSums(const Int8Gemm& g, size_t row, size_t column, const int32x4_t* sums) {
  const float32x4_t scale = vdupq_n_f32(g.scales[row].scale);
  float* y = g.y + row * g.y_stride + column;
  for (size_t v = 0; v < 4; ++v, y += 4) {
    const uint32x4_t bits = vshll_n_u16(vld1_u16(g.weight_scales + column + 4 * v), 16);
    const float32x4_t scaled = vmulq_f32(vcvtq_f32_s32(sums[v]), vreinterpretq_f32_u32(bits));
    const float32x4_t value = vmulq_f32(scaled, scale);
    vst1q_f32(y, g.accumulate ? vaddq_f32(vld1q_f32(y), value) : value);
  }
}

// Rows [row, row + kRows) of kPanels panels, all sums in registers: a step takes 4 inputs of each row.
template <size_t kRows, size_t kPanels>
CLLM_SDOT_TARGET void SdotTile(const Int8Gemm& g, size_t row, size_t panel) {
  int32x4_t sums[kRows][kPanels * 4];
  for (auto& row_sums : sums) {
    for (int32x4_t& sum : row_sums) sum = vdupq_n_s32(0);
  }
  const uint8x16_t offset = vdupq_n_u8(128);
  const uint8_t* weights = g.weights + panel * kPanel * g.depth;
  const int8_t* q = g.q + row * g.q_stride;
  for (size_t k = 0; k < g.depth; k += 4, weights += 4 * kPanel) {
    int8x16_t inputs[kRows];
    for (size_t r = 0; r < kRows; ++r) {
      int32_t word;
      std::memcpy(&word, q + r * g.q_stride + k, sizeof(word));
      inputs[r] = vreinterpretq_s8_s32(vdupq_n_s32(word));
    }
    for (size_t v = 0; v < kPanels * 4; ++v) {
      const uint8_t* at = weights + v / 4 * kPanel * g.depth + v % 4 * 16;
      const int8x16_t w = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(at), offset));
      for (size_t r = 0; r < kRows; ++r) sums[r][v] = vdotq_s32(sums[r][v], w, inputs[r]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t p = 0; p < kPanels; ++p) StoreSums(g, row + r, (panel + p) * kPanel, sums[r] + 4 * p);
  }
}

}  // namespace

bool HasSdot() { return (getauxval(kAtHwcap) & kHwcapAsimdDp) != 0; }

void GemmInt8Sdot(const Int8Gemm& g) {
  size_t panel = g.panel_begin;
  if (g.rows == 1) {
    for (; panel + 2 <= g.panel_end; panel += 2) SdotTile<1, 2>(g, 0, panel);
  }
  for (; panel < g.panel_end; ++panel) {
    size_t row = 0;
    for (; row + 4 <= g.rows; row += 4) SdotTile<4, 1>(g, row, panel);
    for (; row + 2 <= g.rows; row += 2) SdotTile<2, 1>(g, row, panel);
    if (row < g.rows) SdotTile<1, 1>(g, row, panel);
  }
}

}  // namespace cllm

#endif  // CLLM_INT8_SDOT
