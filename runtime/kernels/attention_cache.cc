#include "base/layout.h"
#include "kernels/attention.h"

namespace cllm {

void WriteKv(const float* key, const float* value, size_t head_size, size_t position, bool clear,
             const KvHead& cache) {
  const size_t lane = position % kPanel;
  float* panel = cache.keys + (position - lane) * head_size;
  for (size_t i = 0; i < head_size; ++i) {
    panel[i * kPanel + lane] = key[i];
    cache.values[position * head_size + i] = value[i];
  }
  for (size_t i = 0; clear && i < head_size; ++i) {
    for (size_t after = lane + 1; after < kPanel; ++after) panel[i * kPanel + after] = 0.0f;
  }
}

void PackPositions(const float* rows, size_t stride, size_t head_size, size_t length, float* panels) {
  for (size_t begin = 0; begin < length; begin += kPanel) {
    const size_t count = length - begin < kPanel ? length - begin : kPanel;
    float* panel = panels + begin * head_size;
    for (size_t i = 0; i < head_size; ++i) {
      for (size_t t = 0; t < count; ++t) panel[i * kPanel + t] = rows[(begin + t) * stride + i];
      for (size_t t = count; t < kPanel; ++t) panel[i * kPanel + t] = 0.0f;
    }
  }
}

}  // namespace cllm
