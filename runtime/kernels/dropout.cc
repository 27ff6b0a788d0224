#include "kernels/dropout.h"

#include "base/random.h"

namespace cllm {
namespace {

// Calls body(i, factor) for i < n.
template <class Body>
void ForEach(const Dropout& dropout, uint64_t counter, size_t n, const Body& body) {
  const uint64_t key = RandomKey(dropout.seed, RandomStream::kDropout);
  const float factors[2] = {dropout.scale, 0.0f};
  for (size_t i = 0; i < n; i += 4, ++counter) {
    const uint64_t bits = RandomAt(key, counter);
    const size_t count = n - i < 4 ? n - i : 4;
    for (size_t j = 0; j < count; ++j) {
      body(i + j, factors[static_cast<uint32_t>(bits >> (16 * j) & 0xFFFF) < dropout.threshold]);
    }
  }
}

}  // namespace

Dropout MakeDropout(uint64_t seed, float dropout) {
  uint32_t threshold = static_cast<uint32_t>(dropout * 65536.0f + 0.5f);
  if (threshold > 65535) threshold = 65535;
  return {seed, threshold, 65536.0f / static_cast<float>(65536 - threshold)};
}

void DropRow(const Dropout& dropout, uint64_t counter, const float* x, size_t n, float* y) {
  ForEach(dropout, counter, n, [&](size_t i, float factor) { y[i] = factor != 0.0f ? x[i] * factor : 0.0f; });
}

void DropChange(const Dropout& dropout, uint64_t counter, const float* x, size_t n, float* y) {
  ForEach(dropout, counter, n,
          [&](size_t i, float factor) { y[i] = factor != 0.0f ? x[i] + (y[i] - x[i]) * factor : x[i]; });
}

}  // namespace cllm
