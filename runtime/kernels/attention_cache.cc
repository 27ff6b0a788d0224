#include <cstring>

#include "base/bf16.h"
#include "base/layout.h"
#include "kernels/attention.h"

namespace cllm {

void WriteKv(const float* key, const float* value, size_t head_size, size_t position, bool clear,
             const KvHead& cache) {
  const size_t lane = position % kPanel;
  float* panel = cache.keys + (position - lane) * head_size;
  for (size_t i = 0; i < head_size; ++i) panel[i * kPanel + lane] = key[i];
  std::memcpy(cache.values + position * head_size, value, head_size * sizeof(float));
  for (size_t i = 0; clear && i < head_size; ++i) {
    for (size_t after = lane + 1; after < kPanel; ++after) panel[i * kPanel + after] = 0.0f;
  }
}

void WriteKv(const Int8KeyValue& from, size_t head_size, size_t position, const Int8KvHead& cache) {
  const size_t lane = position % kPanel, depth = static_cast<size_t>(RoundUp(head_size, 4));
  uint8_t* panel = cache.keys + (position - lane) * depth + lane * 4;
  for (size_t i = 0; i < depth; ++i) panel[i / 4 * 64 + i % 4] = static_cast<uint8_t>(from.key[i] + 128);
  for (size_t i = 0; i < head_size; ++i) cache.values[position * head_size + i] = from.value[i];
  cache.key_scales[position] = Bf16RoundUp(from.key_scale);
  cache.value_scales[position] = Bf16RoundUp(from.value_scale);
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
