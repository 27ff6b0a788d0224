#include "kernels/input_gradient.h"

#include "base/bf16.h"
#include "base/features.h"
#include "base/layout.h"
#include "kernels/int4.h"
#include "kernels/lattice_code.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/input_gradient.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/arithmetic-inl.h"
#include "kernels/reduce-inl.h"

#ifndef CLLM_KERNELS_INPUT_GRADIENT_TILE_  // this file is read once for each SIMD target
#define CLLM_KERNELS_INPUT_GRADIENT_TILE_
namespace cllm {

// 16 rows by 16 columns of a matrix as floats.
struct WeightTile {
  alignas(64) float at[kPanel][kPanel];  // [row][column]
};

// Rows of panel `panel`, columns from `column` on.
void LoadTile(const StoredMatrix& matrix, size_t panel, size_t column, WeightTile* tile);

}  // namespace cllm
#endif

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The sums of a vector of columns go on over the 16 rows of the tile, for kRows rows of dy.
template <size_t kRows>
HWY_INLINE void AddTile(const WeightTile& tile, const float* dy, size_t dy_stride, size_t j, bool first,
                        float* dx, size_t dx_stride) {
  static_assert(kRows == 1 || kRows == 4, "sums have names: vectors without a size make no arrays");
  const RowTag d;
  const auto start = [&](size_t r)
                         HWY_ATTR { return first ? hn::Zero(d) : hn::LoadU(d, dx + r * dx_stride); };
  RowVector s0 = start(0), s1 = s0, s2 = s0, s3 = s0;
  if constexpr (kRows == 4) s1 = start(1), s2 = start(2), s3 = start(3);
  for (size_t n = 0; n < kPanel; ++n) {
    const RowVector weights = hn::LoadU(d, tile.at[n] + j);
    s0 = FusedMulAdd(d, hn::Set(d, dy[n]), weights, s0);
    if constexpr (kRows == 4) {
      s1 = FusedMulAdd(d, hn::Set(d, dy[dy_stride + n]), weights, s1);
      s2 = FusedMulAdd(d, hn::Set(d, dy[2 * dy_stride + n]), weights, s2);
      s3 = FusedMulAdd(d, hn::Set(d, dy[3 * dy_stride + n]), weights, s3);
    }
  }
  hn::StoreU(s0, d, dx);
  if constexpr (kRows == 4) {
    hn::StoreU(s1, d, dx + dx_stride);
    hn::StoreU(s2, d, dx + 2 * dx_stride);
    hn::StoreU(s3, d, dx + 3 * dx_stride);
  }
}

void MultiplyTransposed(const StoredMatrix& matrix, const InputGradient& g) {
  WeightTile tile;
  for (size_t p = g.panel_begin; p < g.panel_end; ++p) {
    for (size_t n = 0; n < matrix.stored_rows; n += kPanel) {
      LoadTile(matrix, n / kPanel, p * kPanel, &tile);
      for (size_t j = 0; j < kPanel; j += hn::Lanes(RowTag())) {
        const float* dy = g.dy + n;
        float* dx = g.dx + p * kPanel + j;
        size_t r = 0;
#if HWY_TARGET != HWY_SCALAR
        for (; r + 4 <= g.rows; r += 4) {
          AddTile<4>(tile, dy + r * g.dy_stride, g.dy_stride, j, n == 0, dx + r * g.dx_stride, g.dx_stride);
        }
#endif
        for (; r < g.rows; ++r) {
          AddTile<1>(tile, dy + r * g.dy_stride, g.dy_stride, j, n == 0, dx + r * g.dx_stride, g.dx_stride);
        }
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {
namespace {

// Weight (row, column) of a panel at `panel`; j: row within it.
float Int8At(const StoredMatrix& m, size_t panel, size_t j, size_t column) {
  const auto* bytes = static_cast<const uint8_t*>(m.weights) + panel * kPanel * RoundUp(m.columns, 4);
  return static_cast<float>(bytes[(column / 4 * kPanel + j) * 4 + column % 4] - 128) *
         Bf16ToFloat(m.scales[panel * kPanel + j]);
}

float Int4At(const StoredMatrix& m, size_t panel, size_t j, size_t column) {
  const auto* bytes = static_cast<const uint8_t*>(m.weights) + panel * kPanel / 2 * RoundUp(m.columns, 8);
  const uint8_t* groups = m.group_scales + panel * kPanel * I4Groups(m.columns);
  const int half = bytes[(column / 8 * kPanel + j) * 4 + column % 4] >> (column & 4) & 15;
  const size_t group = column / kI4Group;
  const int byte = groups[(group / 2 * kPanel + j) * 2 + group % 2];
  return static_cast<float>((2 * half - kI4ZeroBias - (byte >> 4)) * (byte & 15)) *
         Bf16ToFloat(m.scales[panel * kPanel + j]);
}

float WeightAt(const StoredMatrix& m, size_t panel, size_t j, size_t column) {
  const size_t at = (panel * m.columns + column) * kPanel + j;
  switch (m.format) {
    case StoredFormat::kI8: return Int8At(m, panel, j, column);
    case StoredFormat::kI4: return Int4At(m, panel, j, column);
    case StoredFormat::kBf16:
      return kHasBf16 ? Bf16ToFloat(static_cast<const uint16_t*>(m.weights)[at]) : 0.0f;
    default: return static_cast<const float*>(m.weights)[at];
  }
}

bool IsLattice(const StoredMatrix& m) { return kHasLattice && m.format >= StoredFormat::kLattice2; }

// 16 columns are half of a block, and of each of its groups.
void LoadLatticeTile(const StoredMatrix& m, size_t panel, size_t column, WeightTile* tile) {
  const int fine_bits = static_cast<int>(m.format) - static_cast<int>(StoredFormat::kLattice2);
  const size_t blocks = static_cast<size_t>(LatticeBlocks(m.columns)), block = column / kLatticeBlock;
  const auto* from =
      static_cast<const uint8_t*>(m.weights) + (panel * blocks + block) * LatticeBlockBytes(fine_bits);
  const uint8_t* indices =
      m.group_scales + (panel * static_cast<size_t>(LatticeMultiplierBytes(m.columns)) + block / 4) * kPanel;
  for (size_t j = 0; j < kPanel; ++j) {
    const int multiplier = kLatticeMultipliers[indices[j] >> block % 4 * 2 & 3];
    const float scale = Bf16ToFloat(m.scales[panel * kPanel + j]);
    for (size_t group = 0; group < 4; ++group) {
      int8_t n[kLatticeGroup], point[kLatticeGroup];
      LatticeIntegers(UnpackLatticeGroup(from, fine_bits, j, group), fine_bits, n);
      LatticePoint(n, point);
      for (size_t k = group; k < kPanel; k += 4) {
        const int weight = point[(column % kLatticeBlock + k) / 4] * multiplier;
        tile->at[j][k] = column + k < m.columns ? static_cast<float>(weight) * scale : 0.0f;
      }
    }
  }
}

}  // namespace

void LoadTile(const StoredMatrix& matrix, size_t panel, size_t column, WeightTile* tile) {
  if (IsLattice(matrix)) return LoadLatticeTile(matrix, panel, column, tile);
  for (size_t j = 0; j < kPanel; ++j) {
    for (size_t k = 0; k < kPanel; ++k) {
      tile->at[j][k] = column + k < matrix.columns ? WeightAt(matrix, panel, j, column + k) : 0.0f;
    }
  }
}

void ToFloatPanels(const StoredMatrix& matrix, float* panels) {
  for (size_t panel = 0; panel < matrix.stored_rows / kPanel; ++panel) {
    WeightTile tile;
    for (size_t column = 0; column < matrix.columns; ++column) {
      if (column % kPanel == 0) LoadTile(matrix, panel, column, &tile);
      for (size_t j = 0; j < kPanel; ++j) *panels++ = tile.at[j][column % kPanel];
    }
  }
}

HWY_EXPORT(MultiplyTransposed);

void MultiplyTransposed(const StoredMatrix& matrix, const InputGradient& gradient) {
  HWY_DYNAMIC_DISPATCH(MultiplyTransposed)(matrix, gradient);
}

}  // namespace cllm
#endif  // HWY_ONCE
