#include "kernels/kv_lattice.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/kv_lattice.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/reduce-inl.h"
#include "kernels/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

using IntTag = hn::RebindToSigned<RowTag>;
using IntVector = hn::VFromD<IntTag>;

// Each lane of a vector is a group. Where a vector is one float, a microcontroller spares the stack.
constexpr size_t kGroups = HWY_TARGET == HWY_SCALAR ? 1 : 16;

// Targets count in these parts of a coordinate; two coordinates are from one integer to the next.
constexpr int32_t kParts = 64, kStep = 2 * kParts;
constexpr float kLargestTarget = 2048.0f;
constexpr int32_t kLeastInteger = -8, kLargestInteger = 7;

constexpr int32_t kMagnitude = 0x7FFFFFFF, kInfinity = 0x7F800000;

// Number i of group j at [i][j].
struct Groups {
  alignas(64) float numbers[kLatticeGroup * kGroups];
  alignas(64) float factors[kGroups];
  alignas(64) int32_t integers[2][kLatticeGroup * kGroups];  // of the closest point of each coset
  alignas(64) uint32_t words[kGroups];
};

// The bits of the largest magnitude that is a number.
HWY_INLINE int32_t LargestBits(const float* x, size_t count) {
  const hn::CappedTag<int32_t, kLatticeGroup> d;
  auto largest = hn::Zero(d);
  for (size_t k = 0; k < count; k += hn::Lanes(d)) {
    const auto bits = hn::LoadU(hn::RebindToFloat<decltype(d)>(), x + k);
    const auto magnitude = hn::And(hn::BitCast(d, bits), hn::Set(d, kMagnitude));
    largest = hn::Max(largest, hn::IfThenElseZero(hn::Le(magnitude, hn::Set(d, kInfinity)), magnitude));
  }
  return hn::ReduceMax(d, largest);
}

// The targets of groups [j, j + Lanes), in place.
HWY_INLINE void ScaleToTargets(size_t j, Groups& groups) {
  const RowTag d;
  const RowVector factor = hn::Load(d, groups.factors + j), most = hn::Set(d, kLargestTarget);
  for (size_t i = 0; i < kLatticeGroup; ++i) {
    float* at = groups.numbers + i * kGroups + j;
    RowVector x = hn::Mul(hn::Load(d, at), factor);
    x = hn::IfThenElseZero(hn::Eq(x, x), x);
    x = hn::Max(hn::Min(x, most), hn::Neg(most));
    hn::Store(hn::BitCast(d, RoundToInt(d, x)), d, at);
  }
}

// The integers of the coset's closest point, and its squared distance. Each coordinate to its nearest
// integer; if the sum then has the wrong parity, the one to its second nearest that this costs least.
HWY_INLINE IntVector ClosestInCoset(size_t j, int32_t parity, Groups& groups) {
  const IntTag d;
  const IntVector zero = hn::Zero(d), one = hn::Set(d, 1), least = hn::Set(d, kLeastInteger),
                  most = hn::Set(d, kLargestInteger);
  IntVector distance = zero, sum = hn::Set(d, parity), gain = hn::Set(d, -0x7FFFFFFF), step = zero,
            where = zero;
  int32_t* integers = groups.integers[parity] + j;
  for (size_t i = 0; i < kLatticeGroup; ++i) {
    const float* at = groups.numbers + i * kGroups + j;
    const IntVector target = hn::BitCast(d, hn::Load(RowTag(), at));
    const IntVector shifted = hn::Sub(target, hn::Set(d, parity * kParts));
    const IntVector nearest = hn::ShiftRight<7>(hn::Add(shifted, hn::Set(d, kParts)));
    const IntVector n = hn::Max(hn::Min(nearest, most), least);
    const IntVector rest = hn::Sub(shifted, hn::ShiftLeft<7>(n));
    const IntVector towards = hn::IfThenElse(hn::Lt(rest, zero), hn::Neg(one), one);
    const IntVector next = hn::Add(n, towards);
    const auto outside = hn::Or(hn::Gt(next, most), hn::Lt(next, least));
    const IntVector second = hn::IfThenElse(outside, hn::Neg(towards), towards);
    const IntVector gained = hn::IfThenElse(hn::Lt(second, zero), hn::Neg(rest), rest);
    const auto better = hn::Gt(gained, gain);
    gain = hn::Max(gained, gain);
    step = hn::IfThenElse(better, second, step);
    where = hn::IfThenElse(better, hn::Set(d, static_cast<int32_t>(i)), where);
    distance = hn::Add(distance, hn::Mul(rest, rest));
    sum = hn::Add(sum, n);
    hn::Store(n, d, integers + i * kGroups);
  }
  const auto odd = hn::Eq(hn::And(sum, one), one);
  step = hn::IfThenElseZero(odd, step);
  for (size_t i = 0; i < kLatticeGroup; ++i) {
    const auto here = hn::Eq(where, hn::Set(d, static_cast<int32_t>(i)));
    int32_t* at = integers + i * kGroups;
    hn::Store(hn::Add(hn::Load(d, at), hn::IfThenElseZero(here, step)), d, at);
  }
  // (rest - kStep)^2 - rest^2, or the same with both signs turned.
  const IntVector cost = hn::Sub(hn::Set(d, kStep * kStep), hn::ShiftLeft<8>(gain));
  static_assert(2 * kStep == 1 << 8 && kStep == 1 << 7, "shifts above");
  return hn::Add(distance, hn::IfThenElseZero(odd, cost));
}

void ClosestPoints(Groups& groups) {
  const IntTag d;
  for (size_t j = 0; j < kGroups; j += hn::Lanes(d)) {
    ScaleToTargets(j, groups);
    const IntVector even = ClosestInCoset(j, 0, groups);
    const auto closer = hn::Lt(ClosestInCoset(j, 1, groups), even);
    IntVector word = hn::Zero(d);
    for (size_t i = kLatticeGroup; i-- > 0;) {
      // The halves of the word from the highest on: 7, 3, 6, 2 and so on.
      const size_t at = (i / 2 + i % 2 * 4) * kGroups + j;
      const IntVector n =
          hn::IfThenElse(closer, hn::Load(d, groups.integers[1] + at), hn::Load(d, groups.integers[0] + at));
      word = hn::Add(hn::ShiftLeft<4>(word), hn::Sub(n, hn::Set(d, kLeastInteger)));
    }
    hn::Store(hn::BitCast(hn::RebindToUnsigned<IntTag>(), word), hn::RebindToUnsigned<IntTag>(),
              groups.words + j);
  }
}

// Where a group is; Next goes on without divisions.
struct Place {
  size_t row = 0, head = 0, group = 0;

  HWY_INLINE void Next(const LatticeRows& rows) {
    if (++group != rows.head_size / kLatticeGroup) return;
    group = 0;
    if (++head != rows.heads) return;
    head = 0;
    ++row;
  }
};

// Writes a head's scale. Returns what makes targets of its numbers.
HWY_INLINE float WriteScale(const float* x, size_t head_size, uint8_t* scale) {
  const int32_t magnitude = LargestBits(x, head_size);
  float largest;
  std::memcpy(&largest, &magnitude, sizeof(largest));
  largest /= 15.0f;
  uint32_t bits;
  std::memcpy(&bits, &largest, sizeof(bits));
  *scale = NearestLatticeScale(bits);
  return static_cast<float>(kParts) / LatticeScale(*scale);
}

void WriteAllLattice(const LatticeRows& rows, const LatticeHead& to, size_t context) {
  const size_t all = rows.count * rows.heads * rows.head_size / kLatticeGroup;
  Groups groups;
  std::memset(&groups, 0, sizeof(groups));
  float factor = 0.0f;
  Place at, to_write;
  for (size_t first = 0; first < all; first += kGroups) {
    const size_t count = HWY_MIN(kGroups, all - first);
    for (size_t j = 0; j < count; ++j, at.Next(rows)) {
      const float* x = rows.x + at.row * rows.stride + at.head * rows.head_size;
      const size_t position = rows.first_position + at.row;
      if (at.group == 0) factor = WriteScale(x, rows.head_size, to.scales + at.head * context + position);
      groups.factors[j] = factor;
      Transpose(x + at.group * kLatticeGroup, 0, 1, kLatticeGroup, groups.numbers + j, kGroups);
    }
    ClosestPoints(groups);
    for (size_t j = 0; j < count; ++j, to_write.Next(rows)) {
      uint8_t* words = to.From(to_write.head * context, rows.head_size).words;
      words += LatticeWordAt(rows.head_size, rows.first_position + to_write.row, to_write.group);
      std::memcpy(words, &groups.words[j], sizeof(uint32_t));
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(WriteAllLattice);

void WriteLattice(const LatticeRows& rows, const LatticeHead& to, size_t context) {
  HWY_DYNAMIC_DISPATCH(WriteAllLattice)(rows, to, context);
}

uint8_t* PackLattice(const LatticeHead& head, size_t head_size, size_t count, uint8_t* to) {
  for (size_t t = 0; t < count; ++t) {
    for (size_t group = 0; group < head_size / kLatticeGroup; ++group, to += 4) {
      std::memcpy(to, head.words + LatticeWordAt(head_size, t, group), 4);
    }
  }
  std::memcpy(to, head.scales, count);
  return to + count;
}

const uint8_t* UnpackLattice(const uint8_t* from, size_t head_size, size_t count, const LatticeHead& head) {
  for (size_t t = 0; t < count; ++t) {
    for (size_t group = 0; group < head_size / kLatticeGroup; ++group, from += 4) {
      std::memcpy(head.words + LatticeWordAt(head_size, t, group), from, 4);
    }
  }
  std::memcpy(head.scales, from, count);
  return from + count;
}

}  // namespace cllm
#endif  // HWY_ONCE
