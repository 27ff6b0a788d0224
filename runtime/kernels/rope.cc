#include "kernels/rope.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rope.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void RopeAngles(const uint64_t* turns, size_t pairs, uint32_t position, float* cos_sin) {
  const RowTag d;
  const hn::RebindToSigned<RowTag> di;
  // Phases are split in integers: the nearest quarter turn, and the rest in units of 2^-34 turns, which
  // fills an int32.
  const RowVector unit = hn::Set(d, 1.0f / 17179869184.0f);
  for (size_t begin = 0; begin < pairs; begin += 16) {
    const size_t count = pairs - begin < 16 ? pairs - begin : 16;
    alignas(64) int32_t quadrant[16] = {}, rest[16] = {};
    for (size_t i = 0; i < count; ++i) {
      const uint64_t phase = turns[begin + i] * position;
      const uint64_t quarter = (phase + (uint64_t{1} << 61)) >> 62;
      quadrant[i] = static_cast<int32_t>(quarter);
      rest[i] = static_cast<int32_t>(static_cast<int64_t>(phase - (quarter << 62)) >> 30);
    }
    alignas(64) float cosine[16], sine[16];
    for (size_t i = 0; i < 16; i += hn::Lanes(d)) {
      RowVector c, s;
      CosSin(d, hn::Load(di, quadrant + i), hn::Mul(hn::ConvertTo(d, hn::Load(di, rest + i)), unit), c, s);
      hn::Store(c, d, cosine + i);
      hn::Store(s, d, sine + i);
    }
    for (size_t i = 0; i < count; ++i) {
      cos_sin[begin + i] = cosine[i];
      cos_sin[pairs + begin + i] = sine[i];
    }
  }
}

// (a, b) -> (a c - b s, b c + a s), both products rounded on their own.
HWY_INLINE void RotatePair(float c, float s, float& a, float& b) {
  const float rotated = a * c - b * s;
  b = b * c + a * s;
  a = rotated;
}

HWY_INLINE void RotateVectors(RowVector c, RowVector s, RowVector& a, RowVector& b) {
  const RowVector rotated = hn::Sub(hn::Mul(a, c), hn::Mul(b, s));
  b = hn::Add(hn::Mul(b, c), hn::Mul(a, s));
  a = rotated;
}

void RopeHalves(float* x, size_t heads, size_t head_size, size_t pairs, const float* cosine,
                const float* sine, float sign) {
  const RowTag d;
  const size_t lanes = hn::Lanes(d);
  const RowVector signs = hn::Set(d, sign);
  for (size_t head = 0; head < heads; ++head, x += head_size) {
    size_t i = 0;
    for (; i + lanes <= pairs; i += lanes) {
      RowVector a = hn::LoadU(d, x + i), b = hn::LoadU(d, x + pairs + i);
      RotateVectors(hn::LoadU(d, cosine + i), hn::Mul(hn::LoadU(d, sine + i), signs), a, b);
      hn::StoreU(a, d, x + i);
      hn::StoreU(b, d, x + pairs + i);
    }
    for (; i < pairs; ++i) RotatePair(cosine[i], sine[i] * sign, x[i], x[pairs + i]);
  }
}

void RopeAdjacent(float* x, size_t heads, size_t head_size, size_t pairs, const float* cosine,
                  const float* sine, float sign) {
  const RowTag d;
  const size_t lanes = hn::Lanes(d);
  const RowVector signs = hn::Set(d, sign);
  for (size_t head = 0; head < heads; ++head, x += head_size) {
    size_t i = 0;
    for (; i + lanes <= pairs; i += lanes) {
      RowVector a, b;
      hn::LoadInterleaved2(d, x + 2 * i, a, b);
      RotateVectors(hn::LoadU(d, cosine + i), hn::Mul(hn::LoadU(d, sine + i), signs), a, b);
      hn::StoreInterleaved2(a, b, d, x + 2 * i);
    }
    for (; i < pairs; ++i) RotatePair(cosine[i], sine[i] * sign, x[2 * i], x[2 * i + 1]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(RopeAngles);
HWY_EXPORT(RopeHalves);
HWY_EXPORT(RopeAdjacent);

void RopeAngles(const uint64_t* turns, size_t pairs, uint32_t position, float* cos_sin) {
  HWY_DYNAMIC_DISPATCH(RopeAngles)(turns, pairs, position, cos_sin);
}

void Rope(float* x, size_t heads, size_t head_size, size_t pairs, bool halves, const float* cos_sin,
          bool inverse) {
  const float sign = inverse ? -1.0f : 1.0f;
  if (halves) {
    HWY_DYNAMIC_DISPATCH(RopeHalves)(x, heads, head_size, pairs, cos_sin, cos_sin + pairs, sign);
  } else {
    HWY_DYNAMIC_DISPATCH(RopeAdjacent)(x, heads, head_size, pairs, cos_sin, cos_sin + pairs, sign);
  }
}

}  // namespace cllm
#endif  // HWY_ONCE
