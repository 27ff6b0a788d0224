#include "kernels/hadamard.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/hadamard.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

#if HWY_TARGET == HWY_SCALAR

void TransformBlock(float* x, size_t block, float factor) {
  for (size_t step = 1; step < block; step *= 2) {
    for (size_t i = 0; i < block; ++i) {
      if ((i & step) != 0) continue;
      const float a = x[i], b = x[i + step];
      x[i] = a + b;
      x[i + step] = a - b;
    }
  }
  for (size_t i = 0; i < block; ++i) x[i] *= factor;
}

#else

// Four numbers a vector: the first two steps within each, the others between vectors.
void TransformBlock(float* HWY_RESTRICT x, size_t block, float factor) {
  const hn::FixedTag<float, 4> d;
  for (size_t i = 0; i < block; i += 4) {
    auto v = hn::LoadU(d, x + i);
    const auto pairs = hn::Shuffle2301(v);
    v = hn::OddEven(hn::Sub(pairs, v), hn::Add(v, pairs));
    const auto halves = hn::Shuffle1032(v);
    hn::StoreU(hn::ConcatUpperLower(d, hn::Sub(halves, v), hn::Add(v, halves)), d, x + i);
  }
  for (size_t step = 4; step < block; step *= 2) {
    for (size_t first = 0; first < block; first += 2 * step) {
      for (size_t i = first; i < first + step; i += 4) {
        const auto a = hn::LoadU(d, x + i), b = hn::LoadU(d, x + i + step);
        hn::StoreU(hn::Add(a, b), d, x + i);
        hn::StoreU(hn::Sub(a, b), d, x + i + step);
      }
    }
  }
  for (size_t i = 0; i < block; i += 4) {
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), d, x + i);
  }
}

#endif

void TransformAll(float* x, size_t count, size_t size, float factor) {
  const size_t block = HadamardBlock(size);
  for (size_t i = 0; i < count * size; i += block) TransformBlock(x + i, block, factor);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(TransformAll);

void WalshHadamard(float* x, size_t count, size_t size, float factor) {
  HWY_DYNAMIC_DISPATCH(TransformAll)(x, count, size, factor);
}

}  // namespace cllm
#endif  // HWY_ONCE
