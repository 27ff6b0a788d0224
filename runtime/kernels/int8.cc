#include "kernels/int8.h"

#include <cstring>

#include "base/bf16.h"
#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/int8.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/int8_sdot.h"
#include "kernels/int8_tile-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

uint32_t FloatBits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

int32_t QuantizeOutOfRange(float t) { return t > 0.0f ? 127 : t < 0.0f ? -127 : 0; }

// By the bits of the floats: machines without SIMD, and more so those without a floating-point unit, take
// long to compare floats. Of finite floats the larger one has the larger bits; a NaN's are above infinity's.
RowScale QuantizeRow(const float* x, size_t count, int8_t* q, size_t q_stride) {
  constexpr uint32_t kMagnitude = 0x7FFFFFFF, kInfinity = 0x7F800000, kLeast = 0x1E3CE508;  // 1e-20
  uint32_t largest = kLeast;
  for (size_t k = 0; k < count; ++k) {
    const uint32_t bits = FloatBits(x[k]) & kMagnitude;
    if (bits > largest && bits <= kInfinity) largest = bits;
  }
  float magnitude;
  std::memcpy(&magnitude, &largest, sizeof(magnitude));
  const float factor = 127.0f / magnitude;
  int32_t sum = 0;
  for (size_t k = 0; k < count; ++k) {
    const float t = x[k] * factor;
    // Right where it lies within [-127, 127]; only infinities and NaN do not.
    auto rounded =
        static_cast<int32_t>(FloatBits(t + kRoundingMagic) - static_cast<uint32_t>(kRoundingMagicBits));
    if (static_cast<uint32_t>(rounded) + 127 > 254) rounded = QuantizeOutOfRange(t);
    q[k] = static_cast<int8_t>(rounded);
    sum += rounded;
  }
  std::memset(q + count, 0, q_stride - count);
  return {magnitude / 127.0f, sum};
}

#else

struct MagnitudeTerm {
  const float* x;
  HWY_INLINE RowVector operator()(RowTag d, size_t k) const { return hn::Abs(hn::LoadU(d, x + k)); }
};

// One vector: the integers to q, their sum returned lane by lane.
HWY_INLINE hn::VFromD<hn::RebindToSigned<RowTag> > Quantize(RowTag d, RowVector x, RowVector factor,
                                                            int8_t* q) {
  const RowVector limit = hn::Set(d, 127.0f);
  RowVector t = hn::Mul(x, factor);
  t = hn::IfThenElse(hn::Gt(t, limit), limit, t);
  t = hn::IfThenElse(hn::Lt(t, hn::Neg(limit)), hn::Neg(limit), t);
  // A NaN becomes 0: the row is lost, but the sum stays that of q.
  t = hn::IfThenElse(hn::Eq(t, t), t, hn::Zero(d));
  const auto rounded = RoundToInt(d, t);
  hn::StoreU(hn::DemoteTo(hn::Rebind<int8_t, RowTag>(), rounded), hn::Rebind<int8_t, RowTag>(), q);
  return rounded;
}

RowScale QuantizeRow(const float* x, size_t count, int8_t* q, size_t q_stride) {
  const RowTag d;
  const hn::RebindToSigned<RowTag> di;
  const size_t whole = count / 16 * 16;
  alignas(64) float tail[16] = {};
  alignas(64) int8_t q_tail[16];
  for (size_t i = whole; i < count; ++i) tail[i - whole] = x[i];

  VirtualLanes lanes = StartLanes<MaxOf>();
  TakeIntoLanes<MaxOf>(d, whole, MagnitudeTerm{x}, lanes);
  TakeIntoLanes<MaxOf>(d, 16, MagnitudeTerm{tail}, lanes);
  const float found = FinishLanes<MaxOf>(lanes);
  const float magnitude = found > 1e-20f ? found : 1e-20f;
  const RowVector factor = hn::Set(d, 127.0f / magnitude);

  auto sum = hn::Zero(di);
  for (size_t k = 0; k < whole; k += hn::Lanes(d)) {
    sum = hn::Add(sum, Quantize(d, hn::LoadU(d, x + k), factor, q + k));
  }
  for (size_t k = 0; k < 16; k += hn::Lanes(d)) {
    sum = hn::Add(sum, Quantize(d, hn::Load(d, tail + k), factor, q_tail + k));
  }
  for (size_t k = whole; k < q_stride; ++k) q[k] = k < count ? q_tail[k - whole] : int8_t{0};
  return {magnitude / 127.0f, hn::ReduceSum(di, sum)};
}

#endif

void QuantizeRows(const float* x, size_t x_stride, size_t rows, size_t count, int8_t* q, size_t q_stride,
                  RowScale* scales) {
  for (size_t r = 0; r < rows; ++r)
    scales[r] = QuantizeRow(x + r * x_stride, count, q + r * q_stride, q_stride);
}

#if !CLLM_INT8_VECTORS

void GemmInt8(const Int8Gemm& g) {
  for (size_t row = 0; row < g.rows; ++row) {
    for (size_t panel = g.panel_begin; panel < g.panel_end; ++panel) Int8Panel(g, row, panel);
  }
}

#elif HWY_HAVE_SCALABLE

void GemmInt8(const Int8Gemm& g) {
  for (size_t panel = g.panel_begin; panel < g.panel_end; ++panel) {
    size_t row = 0;
    for (; row + 4 <= g.rows; row += 4) Int8Tile<4>(g, row, panel);
    for (; row + 2 <= g.rows; row += 2) Int8Tile<2>(g, row, panel);
    for (; row < g.rows; ++row) Int8Tile<1>(g, row, panel);
  }
}

#else

using Int8TileFunction = void (*)(const Int8Gemm&, size_t, size_t);

// The tile for each number of rows from 1 to kInt8MaxRows.
template <size_t kCount>
struct Int8Tiles {
  template <size_t kRows>
  static constexpr Int8TileFunction Get() {
    if constexpr (kRows <= kInt8MaxRows) {
      return &Int8Tile<kRows, kCount, 1>;
    } else {
      return nullptr;
    }
  }
  static constexpr Int8TileFunction kOfRows[12] = {Get<1>(), Get<2>(),  Get<3>(),  Get<4>(),
                                                   Get<5>(), Get<6>(),  Get<7>(),  Get<8>(),
                                                   Get<9>(), Get<10>(), Get<11>(), Get<12>()};
};

// All rows of kCount panels, in as few tiles as there can be, and those as even as they can be.
template <size_t kCount>
HWY_INLINE void AllInt8Rows(const Int8Gemm& g, size_t panel) {
  const size_t tiles = (g.rows + kInt8MaxRows - 1) / kInt8MaxRows;
  const size_t small = g.rows / tiles, large_count = g.rows % tiles;
  size_t row = 0;
  for (size_t tile = 0; tile < tiles; ++tile) {
    const size_t rows = small + (tile < large_count ? 1 : 0);
    Int8Tiles<kCount>::kOfRows[rows - 1](g, row, panel);
    row += rows;
  }
}

void GemmInt8(const Int8Gemm& g) {
  if (g.rows == 0) return;
#if CLLM_INT8_SDOT && HWY_TARGET_IS_NEON
  if (HasSdot()) return GemmInt8Sdot(g);
#endif
  size_t panel = g.panel_begin;
  if (g.rows == 1) {
    for (; panel + kInt8RowPanels <= g.panel_end; panel += kInt8RowPanels) {
      Int8Tile<1, kInt8RowPanels, kInt8RowSteps>(g, 0, panel);
    }
  }
  for (; panel + kInt8Panels <= g.panel_end; panel += kInt8Panels) AllInt8Rows<kInt8Panels>(g, panel);
  for (; panel < g.panel_end; ++panel) AllInt8Rows<1>(g, panel);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(QuantizeRows);
HWY_EXPORT(GemmInt8);

void QuantizeRows(const float* x, size_t x_stride, size_t rows, size_t count, int8_t* q, size_t q_stride,
                  RowScale* scales) {
  HWY_DYNAMIC_DISPATCH(QuantizeRows)(x, x_stride, rows, count, q, q_stride, scales);
}

void GemmInt8(const Int8Gemm& gemm) { HWY_DYNAMIC_DISPATCH(GemmInt8)(gemm); }

void DequantizeRow(const uint8_t* weights, const uint16_t* weight_scales, size_t columns, size_t row,
                   float* out) {
  const uint8_t* from = weights + row / kPanel * kPanel * RoundUp(columns, 4) + row % kPanel * 4;
  const float scale = Bf16ToFloat(weight_scales[row]);
  for (size_t k = 0; k < columns; ++k) {
    out[k] = static_cast<float>(from[k / 4 * 4 * kPanel + k % 4] - 128) * scale;
  }
  for (size_t k = columns; k < PaddedRow(columns); ++k) out[k] = 0.0f;
}

}  // namespace cllm
#endif  // HWY_ONCE
