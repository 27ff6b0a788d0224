#include <cstring>

#include "base/bf16.h"
#include "base/layout.h"
#include "kernels/attention.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention_cache.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace {

void WriteHeadKeys(const KvRows& rows, const float* HWY_RESTRICT keys, float* HWY_RESTRICT to) {
  for (size_t t = 0; t < rows.count;) {
    const size_t position = rows.first_position + t, lane = position % kPanel;
    const size_t count = HWY_MIN(kPanel - lane, rows.count - t);
    float* panel = to + (position - lane) * rows.head_size;
    Transpose(keys + t * rows.stride, rows.stride, count, rows.head_size, panel + lane, kPanel);
    t += count;
    if (t < rows.count || !rows.clear) continue;
    for (size_t i = 0; i < rows.head_size; ++i) {
      for (size_t after = lane + count; after < kPanel; ++after) panel[i * kPanel + after] = 0.0f;
    }
  }
}

void WriteKvRows(const KvRows& rows, const KvHead& cache, size_t head_stride) {
  for (size_t h = 0; h < rows.heads; ++h) {
    WriteHeadKeys(rows, rows.keys + h * rows.head_size, cache.keys + h * head_stride);
    float* to = cache.values + h * head_stride + rows.first_position * rows.head_size;
    const float* values = rows.values + h * rows.head_size;
    for (size_t t = 0; t < rows.count; ++t, to += rows.head_size, values += rows.stride) {
      std::memcpy(to, values, rows.head_size * sizeof(float));
    }
  }
}

void PackAllPositions(const float* rows, size_t stride, size_t head_size, size_t length, float* panels) {
  WriteHeadKeys({nullptr, nullptr, 1, head_size, stride, 0, length, true}, rows, panels);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {
namespace {

uint8_t* Append(const void* from, size_t bytes, uint8_t* to) {
  std::memcpy(to, from, bytes);
  return to + bytes;
}

const uint8_t* Take(const uint8_t* from, size_t bytes, void* to) {
  std::memcpy(to, from, bytes);
  return from + bytes;
}

// Element 0 of a position's key in panels of 16; the next ones are kPanel apart.
float* KeyAt(const KvHead& cache, size_t head_size, size_t position) {
  return cache.keys + position / kPanel * kPanel * head_size + position % kPanel;
}

uint8_t* KeyAt(const Int8KvHead& cache, size_t head_size, size_t position) {
  const auto depth = static_cast<size_t>(RoundUp(head_size, 4));
  return cache.keys + position / kPanel * kPanel * depth + position % kPanel * 4;
}

}  // namespace

uint8_t* PackKv(const KvHead& cache, size_t head_size, size_t count, uint8_t* to) {
  for (size_t t = 0; t < count; ++t) {
    const float* key = KeyAt(cache, head_size, t);
    for (size_t i = 0; i < head_size; ++i) to = Append(key + i * kPanel, sizeof(float), to);
  }
  return Append(cache.values, count * head_size * sizeof(float), to);
}

uint8_t* PackKv(const Int8KvHead& cache, size_t head_size, size_t count, uint8_t* to) {
  for (size_t t = 0; t < count; ++t) {
    const uint8_t* key = KeyAt(cache, head_size, t);
    for (size_t i = 0; i < head_size; ++i) *to++ = key[i / 4 * 64 + i % 4] ^ 0x80;
  }
  if (cache.values == nullptr) return Append(cache.key_scales, count * sizeof(uint16_t), to);
  to = Append(cache.values, count * head_size, to);
  to = Append(cache.key_scales, count * sizeof(uint16_t), to);
  return Append(cache.value_scales, count * sizeof(uint16_t), to);
}

const uint8_t* UnpackKv(const uint8_t* from, size_t head_size, size_t count, const KvHead& cache) {
  for (size_t t = 0; t < RoundUp(count, kPanel); ++t) {
    float* key = KeyAt(cache, head_size, t);
    for (size_t i = 0; i < head_size; ++i) {
      key[i * kPanel] = 0.0f;
      if (t < count) from = Take(from, sizeof(float), key + i * kPanel);
    }
  }
  return Take(from, count * head_size * sizeof(float), cache.values);
}

const uint8_t* UnpackKv(const uint8_t* from, size_t head_size, size_t count, const Int8KvHead& cache) {
  for (size_t t = 0; t < count; ++t) {
    uint8_t* key = KeyAt(cache, head_size, t);
    for (size_t i = 0; i < RoundUp(head_size, 4); ++i) {
      key[i / 4 * 64 + i % 4] = i < head_size ? *from++ ^ 0x80 : 0x80;
    }
  }
  if (cache.values == nullptr) return Take(from, count * sizeof(uint16_t), cache.key_scales);
  from = Take(from, count * head_size, cache.values);
  from = Take(from, count * sizeof(uint16_t), cache.key_scales);
  return Take(from, count * sizeof(uint16_t), cache.value_scales);
}

HWY_EXPORT(WriteKvRows);
HWY_EXPORT(PackAllPositions);

void WriteKv(const KvRows& rows, const KvHead& cache, size_t head_stride) {
  HWY_DYNAMIC_DISPATCH(WriteKvRows)(rows, cache, head_stride);
}

void WriteKv(const Int8KeyValue& from, size_t head_size, size_t position, const Int8KvHead& cache) {
  const size_t lane = position % kPanel, depth = static_cast<size_t>(RoundUp(head_size, 4));
  uint8_t* panel = cache.keys + (position - lane) * depth + lane * 4;
  for (size_t i = 0; i < depth; ++i) panel[i / 4 * 64 + i % 4] = static_cast<uint8_t>(from.key[i] + 128);
  cache.key_scales[position] = Bf16RoundUp(from.key_scale);
  if (cache.values == nullptr) return;
  for (size_t i = 0; i < head_size; ++i) cache.values[position * head_size + i] = from.value[i];
  cache.value_scales[position] = Bf16RoundUp(from.value_scale);
}

void PackPositions(const float* rows, size_t stride, size_t head_size, size_t length, float* panels) {
  HWY_DYNAMIC_DISPATCH(PackAllPositions)(rows, stride, head_size, length, panels);
}

}  // namespace cllm
#endif  // HWY_ONCE
