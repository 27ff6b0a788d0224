#include "kernels/int4_sdot.h"

#if CLLM_INT8_SDOT

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/layout.h"

#define CLLM_SDOT_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))

namespace cllm {
namespace {

constexpr size_t kSteps = 4;  // of 8 inputs in a group

// For 4 rows: 2 g and g (9 - z) of the two groups of a pair.
struct PairScales {
  int32x4_t doubles[2], zeros[2];
};

CLLM_SDOT_TARGET inline PairScales LoadPairScales(const uint8_t* bytes) {
  const int32x4_t pair = vreinterpretq_s32_u32(vmovl_u16(vreinterpret_u16_u8(vld1_u8(bytes))));
  const int32x4_t mask = vdupq_n_s32(15), nine = vdupq_n_s32(9);
  const int32x4_t g0 = vandq_s32(pair, mask), g1 = vandq_s32(vshrq_n_s32(pair, 8), mask);
  const int32x4_t z0 = vandq_s32(vshrq_n_s32(pair, 4), mask), z1 = vshrq_n_s32(pair, 12);
  return {{vaddq_s32(g0, g0), vaddq_s32(g1, g1)},
          {vmulq_s32(g0, vsubq_s32(nine, z0)), vmulq_s32(g1, vsubq_s32(nine, z1))}};
}

CLLM_SDOT_TARGET inline int8x16_t LoadInputs(const int8_t* q) {
  int32_t word;
  std::memcpy(&word, q, sizeof(word));
  return vreinterpretq_s8_s32(vdupq_n_s32(word));
}

// Group `group` of kRows rows, `steps` steps of it, for the 16 rows of a panel.
template <size_t kRows>
CLLM_SDOT_TARGET inline void AddGroup(const uint8_t* w, const uint8_t* bytes, const QuantizedRows& x,
                                      size_t group, size_t steps, int32x4_t (&sums)[kRows][4]) {
  int32x4_t products[kRows][4];
  for (size_t r = 0; r < kRows; ++r) {
    const int32x4_t start = vdupq_n_s32(x.group_sums[r * 2 * x.groups() + group]);
    for (int32x4_t& product : products[r]) product = start;
  }
  const uint8x16_t mask = vdupq_n_u8(15);
  const int8_t* q = x.q + group * kI4Group;
  for (size_t s = 0; s < steps; ++s, w += 64, q += 8) {
    int8x16_t first[kRows], second[kRows];
    for (size_t r = 0; r < kRows; ++r) {
      first[r] = LoadInputs(q + r * x.stride);
      second[r] = LoadInputs(q + r * x.stride + 4);
    }
    for (size_t v = 0; v < 4; ++v) {
      const uint8x16_t both = vld1q_u8(w + 16 * v);
      const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(both, mask));
      const int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(both, 4));
      for (size_t r = 0; r < kRows; ++r) {
        products[r][v] = vdotq_s32(vdotq_s32(products[r][v], low, first[r]), high, second[r]);
      }
    }
  }
  for (size_t v = 0; v < 4; ++v) {
    const PairScales scales = LoadPairScales(bytes + 8 * v);
    const int32x4_t doubles = scales.doubles[group % 2], zeros = scales.zeros[group % 2];
    for (size_t r = 0; r < kRows; ++r) {
      sums[r][v] = vmlaq_s32(sums[r][v], products[r][v], doubles);
      sums[r][v] = vmlaq_n_s32(sums[r][v], zeros, x.group_sums[(2 * r + 1) * x.groups() + group]);
    }
  }
}

// Rows [row, row + kRows) of a panel.
template <size_t kRows>
CLLM_SDOT_TARGET void SdotTile(const Int4Gemm& g, size_t row, size_t panel) {
  const size_t units = g.depth / 8;
  const uint8_t* w = g.weights + panel * 64 * units;
  const uint8_t* bytes = g.group_scales + panel * kPanel * I4Groups(g.depth);
  const QuantizedRows x = g.x.From(row);
  int32x4_t sums[kRows][4];
  for (auto& row_sums : sums) {
    for (int32x4_t& sum : row_sums) sum = vdupq_n_s32(0);
  }
  for (size_t group = 0; group * kSteps < units; ++group) {
    const size_t left = units - group * kSteps;
    AddGroup<kRows>(w + group * 64 * kSteps, bytes + group / 2 * 32, x, group, left < kSteps ? left : kSteps,
                    sums);
  }
  for (size_t r = 0; r < kRows; ++r) {
    const float32x4_t scale = vdupq_n_f32(x.scales[r].scale);
    float* y = g.y + (row + r) * g.y_stride + panel * kPanel;
    const uint16_t* weight_scales = g.weight_scales + panel * kPanel;
    for (size_t v = 0; v < 4; ++v, y += 4, weight_scales += 4) {
      const uint32x4_t bits = vshll_n_u16(vld1_u16(weight_scales), 16);
      const float32x4_t scaled = vmulq_f32(vcvtq_f32_s32(sums[r][v]), vreinterpretq_f32_u32(bits));
      const float32x4_t value = vmulq_f32(scaled, scale);
      vst1q_f32(y, g.accumulate ? vaddq_f32(vld1q_f32(y), value) : value);
    }
  }
}

}  // namespace

void GemmInt4Sdot(const Int4Gemm& g) {
  for (size_t panel = g.panel_begin; panel < g.panel_end; ++panel) {
    size_t row = 0;
    for (; row + 2 <= g.rows; row += 2) SdotTile<2>(g, row, panel);
    if (row < g.rows) SdotTile<1>(g, row, panel);
  }
}

}  // namespace cllm

#endif  // CLLM_INT8_SDOT
