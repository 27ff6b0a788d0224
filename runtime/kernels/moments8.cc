#include "kernels/moments8.h"

#include "base/bf16.h"

namespace cllm {
namespace {

constexpr size_t kBlock = 16, kAtOnce = 64;
constexpr float kLeast = 1e-18f;

void Load(const Moments8& from, size_t count, float* m, float* v) {
  for (size_t i = 0; i < count; ++i) {
    const float root = static_cast<float>(from.roots[i]) * Bf16ToFloat(from.scales[i / kBlock * 2 + 1]);
    m[i] = static_cast<float>(from.means[i]) * Bf16ToFloat(from.scales[i / kBlock * 2]);
    v[i] = root * root;
  }
}

float Magnitude(float x) { return x < 0.0f ? -x : x; }

// The scale of a block whose largest number becomes `most`; 0 if that number is next to nothing.
uint16_t ScaleOf(float largest, float most) { return largest < kLeast ? 0 : Bf16RoundUp(largest / most); }

void StoreBlock(const float* m, float* v, int8_t* means, uint8_t* roots, uint16_t* scales) {
  float mean = 0.0f, root = 0.0f;
  for (size_t i = 0; i < kBlock; ++i) {
    v[i] = __builtin_sqrtf(v[i]);
    mean = Magnitude(m[i]) > mean ? Magnitude(m[i]) : mean;
    root = v[i] > root ? v[i] : root;
  }
  scales[0] = ScaleOf(mean, 127.0f);
  scales[1] = ScaleOf(root, 255.0f);
  const float mean_scale = Bf16ToFloat(scales[0]), root_scale = Bf16ToFloat(scales[1]);
  for (size_t i = 0; i < kBlock; ++i) {
    const float q = scales[0] != 0 ? m[i] / mean_scale : 0.0f;
    const float u = scales[1] != 0 ? v[i] / root_scale : 0.0f;
    means[i] = static_cast<int8_t>(q < 0.0f ? q - 0.5f : q + 0.5f);
    const auto whole = static_cast<int32_t>(u);
    roots[i] = static_cast<uint8_t>(whole < 255 && static_cast<float>(whole) < u ? whole + 1 : whole);
  }
}

}  // namespace

void AdamW8(const AdamWStep& step, size_t n, float* p, float* gradient, const Moments8& moments) {
  float m[kAtOnce], v[kAtOnce];
  for (size_t k = 0; k < n; k += kAtOnce) {
    const size_t count = n - k < kAtOnce ? n - k : kAtOnce;
    const Moments8 part = {moments.means + k, moments.roots + k, moments.scales + k / kBlock * 2};
    Load(part, count, m, v);
    AdamW(step, count, p + k, gradient + k, m, v);
    for (size_t i = 0; i < count; i += kBlock) {
      StoreBlock(m + i, v + i, part.means + i, part.roots + i, part.scales + i / kBlock * 2);
    }
  }
}

}  // namespace cllm
