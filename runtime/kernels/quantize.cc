#include "kernels/quantize.h"

#include <cstring>

#include "base/bf16.h"
#include "base/features.h"
#include "base/layout.h"
#include "kernels/activation.h"
#include "kernels/norm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantize.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

// Of finite floats the larger one has the larger bits; a NaN's are above infinity's.
constexpr int32_t kMagnitude = 0x7FFFFFFF, kInfinity = 0x7F800000, kLeast = 0x1E3CE508;  // 1e-20

int32_t FloatBits(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

float BitsFloat(int32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

int32_t QuantizeOutOfRange(float t) { return t > 0.0f ? 127 : t < 0.0f ? -127 : 0; }

// What q is multiplied by, and what makes q.
struct Scale {
  float scale, factor;
};

HWY_INLINE Scale ScaleOf(float magnitude, bool stored) {
  const float exact = magnitude / 127.0f;
  if (!stored) return {exact, 127.0f / magnitude};
  const float scale = Bf16ToFloat(Bf16RoundUp(exact));
  return {scale, 1.0f / scale};
}

// Any row. By the bits of the floats: machines without SIMD, and more so those without a floating-point unit,
// take long to compare floats.
RowScale QuantizeAnyRow(const float* x, size_t count, bool stored, int8_t* q) {
  int32_t largest = kLeast;
  for (size_t k = 0; k < count; ++k) {
    const int32_t bits = FloatBits(x[k]) & kMagnitude;
    if (bits > largest && bits <= kInfinity) largest = bits;
  }
  const Scale scale = ScaleOf(BitsFloat(largest), stored);
  int32_t sum = 0;
  for (size_t k = 0; k < count; ++k) {
    const float t = x[k] * scale.factor;
    // Right where it lies within [-127, 127]; only infinities and NaN do not.
    auto rounded = static_cast<int32_t>(static_cast<uint32_t>(FloatBits(t + kRoundingMagic)) -
                                        static_cast<uint32_t>(kRoundingMagicBits));
    if (static_cast<uint32_t>(rounded) + 127 > 254) rounded = QuantizeOutOfRange(t);
    q[k] = static_cast<int8_t>(rounded);
    sum += rounded;
  }
  std::memset(q + count, 0, PaddedRow(count) - count);
  return {scale.scale, sum};
}

#if HWY_TARGET == HWY_SCALAR

HWY_INLINE int32_t SumOf16(const int8_t* q) {
  int32_t sum = 0;
  for (size_t k = 0; k < 16; ++k) sum += q[k];
  return sum;
}

#else

HWY_INLINE int32_t SumOf16(const int8_t* q) {
  const hn::FixedTag<uint8_t, 16> d;
  const auto bytes = hn::Xor(hn::LoadU(d, reinterpret_cast<const uint8_t*>(q)), hn::Set(d, uint8_t{128}));
  const auto sums = hn::SumsOf8(bytes);
  const auto sum = hn::ExtractLane(sums, 0) + hn::ExtractLane(sums, 1);
  return static_cast<int32_t>(sum) - 16 * 128;
}

#endif

// Row r of to.group_sums, of a row that lies in to.q already.
HWY_INLINE void SumGroups(const QuantizedRows& to, size_t r, size_t count) {
  if (to.group_sums == nullptr) return;
  int8_t* q = to.q + r * to.stride;
  int16_t* offsets = to.group_sums + r * 2 * to.groups();
  const size_t padded = PaddedRow(count);
  if (kHasLattice && padded % kLatticeBlock != 0) std::memset(q + padded, 0, kPanel);
  for (size_t group = 0; group < I4Groups(count); ++group) {
    int32_t sum = 0;
    for (size_t k = group * kI4Group; k < padded && k < (group + 1) * kI4Group; k += 16)
      sum += SumOf16(q + k);
    offsets[group] = static_cast<int16_t>(-8 * sum);
    offsets[group + to.groups()] = static_cast<int16_t>(sum);
  }
}

#if HWY_TARGET == HWY_SCALAR

void QuantizeAllRows(const float* x, size_t x_stride, size_t rows, size_t count, const QuantizedRows& to) {
  for (size_t r = 0; r < rows; ++r) {
    to.scales[r] = QuantizeAnyRow(x + r * x_stride, count, false, to.q + r * to.stride);
    SumGroups(to, r, count);
  }
}

RowScale QuantizeHead(const float* x, size_t count, bool stored, int8_t* q) {
  return QuantizeAnyRow(x, count, stored, q);
}

void NormAndQuantize(const float* x, const float* weight, float epsilon, size_t rows, size_t count, float* y,
                     const QuantizedRows& to) {
  RmsNorm(x, weight, epsilon, rows, count, y, nullptr);
  QuantizeAllRows(y, PaddedRow(count), rows, count, to);
}

void ActivateAndQuantize(const float* gate_up, size_t rows, size_t count, float* h, const QuantizedRows& to) {
  Activate(Variant(), gate_up, rows, PaddedRow(count), h);
  QuantizeAllRows(h, PaddedRow(count), rows, count, to);
}

#else

using IntTag = hn::RebindToSigned<RowTag>;

// A row of finite numbers whose largest magnitude has the bits `largest`: no product leaves [-127, 127].
HWY_INLINE RowScale QuantizeFinite(const float* HWY_RESTRICT x, int32_t largest, size_t padded,
                                   int8_t* HWY_RESTRICT q) {
  const RowTag d;
  const IntTag di;
  const hn::Rebind<int8_t, RowTag> d8;
  const float magnitude = BitsFloat(HWY_MAX(largest, kLeast));
  const RowVector factor = hn::Set(d, 127.0f / magnitude);
  auto sum = hn::Zero(di);
  for (size_t k = 0; k < padded; k += hn::Lanes(d)) {
    const auto rounded = RoundToInt(d, hn::Mul(hn::LoadU(d, x + k), factor));
    hn::StoreU(hn::DemoteTo(d8, rounded), d8, q + k);
    sum = hn::Add(sum, rounded);
  }
  return {magnitude / 127.0f, hn::ReduceSum(di, sum)};
}

// Rows go through each step side by side, some at a time: a row by itself is mostly waiting, for its sum, its
// square root, its maximum. No more than the first cache holds.
constexpr size_t kBlockRows = 16;

HWY_INLINE size_t RowsAtOnce(size_t rows, size_t padded) {
  return rows == 1 ? 1 : HWY_MAX(1, HWY_MIN(kBlockRows, 4096 / padded));
}

// Writes term(d, r, k, at), elements k and on of row r, to `at` in y, unless they are there already, and
// quantises them: `rows` rows of y as rows `first` and on of `to`.
template <class Term>
HWY_INLINE void QuantizeBlock(const Term& term, size_t first, size_t rows, size_t count,
                              float* HWY_RESTRICT y, size_t stride, const QuantizedRows& to) {
  const RowTag d;
  const IntTag di;
  const auto mask = hn::Set(di, kMagnitude);
  const size_t padded = PaddedRow(count);
  int32_t bits[kBlockRows];
  for (size_t r = 0; r < rows; ++r) {
    auto largest = hn::Zero(di);
    for (size_t k = 0; k < padded; k += hn::Lanes(d)) {
      largest = hn::Max(largest, hn::And(hn::BitCast(di, term(d, r, k, y + r * stride + k)), mask));
    }
    bits[r] = hn::ReduceMax(di, largest);
  }
  for (size_t r = 0; r < rows; ++r) {
    const float* row = y + r * stride;
    int8_t* q = to.q + (first + r) * to.stride;
    to.scales[first + r] =
        bits[r] < kInfinity ? QuantizeFinite(row, bits[r], padded, q) : QuantizeAnyRow(row, count, false, q);
    SumGroups(to, first + r, count);
  }
}

// Calls body(first, rows) for blocks of rows.
template <class Body>
HWY_INLINE void ForBlocks(size_t rows, size_t count, const Body& body) {
  const size_t step = RowsAtOnce(rows, PaddedRow(count));
  for (size_t first = 0; first < rows; first += step) body(first, HWY_MIN(step, rows - first));
}

void QuantizeAllRows(const float* x, size_t x_stride, size_t rows, size_t count, const QuantizedRows& to) {
  const auto load = [](RowTag d, size_t /*r*/, size_t /*k*/, const float* at)
                        HWY_ATTR { return hn::LoadU(d, at); };
  ForBlocks(rows, count, [&](size_t first, size_t block) HWY_ATTR {
    // Read only, since `load` writes nothing.
    QuantizeBlock(load, first, block, count, const_cast<float*>(x + first * x_stride), x_stride, to);
  });
}

void NormAndQuantize(const float* x, const float* weight, float epsilon, size_t rows, size_t count, float* y,
                     const QuantizedRows& to) {
  const size_t stride = PaddedRow(count);
  ForBlocks(rows, count, [&](size_t first, size_t block) HWY_ATTR {
    const float* from = x + first * stride;
    float factors[kBlockRows];
    for (size_t r = 0; r < block; ++r) factors[r] = NormFactor(from + r * stride, epsilon, count);
    const auto term = [&](RowTag d, size_t r, size_t k, float* at) HWY_ATTR {
      const RowVector scaled = hn::Mul(hn::LoadU(d, from + r * stride + k), hn::Set(d, factors[r]));
      const RowVector value = hn::Mul(scaled, hn::LoadU(d, weight + k));
      hn::StoreU(value, d, at);
      return value;
    };
    QuantizeBlock(term, first, block, count, y + first * stride, stride, to);
  });
}

void ActivateAndQuantize(const float* gate_up, size_t rows, size_t count, float* h, const QuantizedRows& to) {
  const size_t stride = PaddedRow(count);
  ForBlocks(rows, count, [&](size_t first, size_t block) HWY_ATTR {
    const auto term = [&](RowTag d, size_t r, size_t k, float* at) HWY_ATTR {
      const float* gate = gate_up + (first + r) * 2 * stride + k / 16 * 32 + k % 16;
      const RowVector value = SiluTimes(d, hn::LoadU(d, gate), hn::LoadU(d, gate + 16));
      hn::StoreU(value, d, at);
      return value;
    };
    QuantizeBlock(term, first, block, count, h + first * stride, stride, to);
  });
}

// A head is not padded: what a vector reads of the next one is masked.
RowScale QuantizeHead(const float* HWY_RESTRICT x, size_t count, bool stored, int8_t* HWY_RESTRICT q) {
  const RowTag d;
  const IntTag di;
  const hn::Rebind<int8_t, RowTag> d8;
  const size_t n = hn::Lanes(d), padded = PaddedRow(count);
  const auto load = [&](size_t k) HWY_ATTR { return hn::LoadN(d, x + k, HWY_MIN(n, count - k)); };
  auto largest = hn::Zero(di);
  for (size_t k = 0; k < count; k += n) {
    largest = hn::Max(largest, hn::And(hn::BitCast(di, load(k)), hn::Set(di, kMagnitude)));
  }
  const int32_t bits = hn::ReduceMax(di, largest);
  if (bits >= kInfinity) return QuantizeAnyRow(x, count, stored, q);
  const Scale scale = ScaleOf(BitsFloat(HWY_MAX(bits, kLeast)), stored);
  const RowVector factor = hn::Set(d, scale.factor);
  auto sum = hn::Zero(di);
  for (size_t k = 0; k < padded; k += n) {
    const auto rounded = k < count ? RoundToInt(d, hn::Mul(load(k), factor)) : hn::Zero(di);
    hn::StoreU(hn::DemoteTo(d8, rounded), d8, q + k);
    sum = hn::Add(sum, rounded);
  }
  return {scale.scale, hn::ReduceSum(di, sum)};
}

#endif

void QuantizeAllHeads(const float* x, size_t heads, size_t stored, size_t head_size,
                      const QuantizedHeads& to) {
  for (size_t h = 0; h < heads; ++h) {
    to.scales[h] = QuantizeHead(x + h * head_size, head_size, h >= stored, to.q + h * PaddedRow(head_size));
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(QuantizeAllRows);
HWY_EXPORT(QuantizeAllHeads);
HWY_EXPORT(NormAndQuantize);
HWY_EXPORT(ActivateAndQuantize);

void QuantizeRows(const float* x, size_t x_stride, size_t rows, size_t count, const QuantizedRows& to) {
  HWY_DYNAMIC_DISPATCH(QuantizeAllRows)(x, x_stride, rows, count, to);
}

void QuantizeHeads(const float* x, size_t heads, size_t stored, size_t head_size, const QuantizedHeads& to) {
  HWY_DYNAMIC_DISPATCH(QuantizeAllHeads)(x, heads, stored, head_size, to);
}

void RmsNormQuantize(const float* x, const float* weight, float epsilon, size_t rows, size_t count, float* y,
                     const QuantizedRows& to) {
  HWY_DYNAMIC_DISPATCH(NormAndQuantize)(x, weight, epsilon, rows, count, y, to);
}

void SwiGluQuantize(const float* gate_up, size_t rows, size_t count, float* h, const QuantizedRows& to) {
  HWY_DYNAMIC_DISPATCH(ActivateAndQuantize)(gate_up, rows, count, h, to);
}

}  // namespace cllm
#endif  // HWY_ONCE
