// Attention over an int8 cache against its definition in plain code, on every target.
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/bf16.h"
#include "base/layout.h"
#include "doctest/doctest.h"
#include "kernels/attention.h"
#include "kernels/every_target.h"

namespace cllm {
namespace {

using Floats = std::vector<float>;

// Key heads of `length` positions, and as many query heads times `group`, each position with its queries.
struct Int8Heads {
  size_t head_size, length, kv_heads, group, context, padded, row_heads;
  Floats rows;  // [length][row_heads][head_size]: queries, keys, values
  std::vector<int8_t> q;
  std::vector<RowScale> scales;
  std::vector<uint8_t> keys;
  std::vector<int8_t> values;
  std::vector<uint16_t> key_scales, value_scales;

  Int8Heads(size_t size, size_t positions, size_t key_heads, size_t each, uint32_t seed)
      : head_size(size),
        length(positions),
        kv_heads(key_heads),
        group(each),
        context(PaddedRow(positions)),
        padded(PaddedRow(size)),
        row_heads(key_heads * (each + 2)) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    rows.resize(length * row_heads * head_size);
    for (float& x : rows) x = normal(random);
  }
  size_t heads() const { return kv_heads * group; }

  // As a session does it.
  void Store() {
    q.assign(length * row_heads * padded, 99);
    scales.assign(length * row_heads, {});
    keys.assign(kv_heads * context * RoundUp(head_size, 4), 77);
    values.assign(kv_heads * context * head_size, 77);
    key_scales.assign(kv_heads * context, 0x7FC0);  // not a number
    value_scales.assign(kv_heads * context, 0x7FC0);
    for (size_t t = 0; t < length; ++t) {
      const QuantizedHeads to = {&q[t * row_heads * padded], &scales[t * row_heads]};
      QuantizeHeads(&rows[t * row_heads * head_size], row_heads, heads(), head_size, to);
      for (size_t h = 0; h < heads(); ++h) to.scales[h].scale *= 0.3f;
      for (size_t h = 0; h < kv_heads; ++h) {
        const size_t key = heads() + h, value = key + kv_heads;
        WriteKv({to.q + key * padded, to.q + value * padded, to.scales[key].scale, to.scales[value].scale},
                head_size, t, Head(h));
      }
    }
  }
  Int8KvHead Head(size_t h) {
    return {&keys[h * context * RoundUp(head_size, 4)], &values[h * context * head_size],
            &key_scales[h * context], &value_scales[h * context]};
  }

  // Attended rows [length][heads][head_size], `at_once` of them a call.
  Floats Run(size_t at_once, size_t window = 0) {
    Store();
    const size_t stride = heads() * head_size;
    Floats out(length * stride, 5.0f);
    for (size_t t = 0; t < length; t += at_once) {
      const size_t count = std::min(at_once, length - t);
      const int8_t* queries = &q[t * row_heads * padded];
      if (at_once == 1) {
        const Int8Attention int8 = {queries, &scales[t * row_heads], 0, 0, Head(0), context};
        AttendHeads({nullptr,
                     {},
                     0,
                     group,
                     0,
                     heads(),
                     head_size,
                     t,
                     0.0f,
                     Arithmetic::kFused,
                     &out[t * stride],
                     nullptr,
                     1,
                     &int8,
                     0.0f,
                     window});
        continue;
      }
      for (size_t h = 0; h < heads(); ++h) {
        const Int8Attention int8 = {queries + h * padded, &scales[t * row_heads + h],
                                    row_heads * padded,   row_heads,
                                    Head(h / group),      context};
        Attend({nullptr,
                0,
                {},
                head_size,
                t,
                count,
                0.0f,
                Arithmetic::kFused,
                &out[t * stride + h * head_size],
                stride,
                nullptr,
                &int8,
                0.0f,
                window});
      }
    }
    return out;
  }
};

// One head's q and scale by the definition: the largest magnitude over 127, for the cache rounded up to a
// bfloat16; to nearest, ties to even.
RowScale Quantize(const float* x, size_t count, bool stored, int* q) {
  float largest = 1e-20f;
  for (size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(x[i]));
  float scale = largest / 127.0f, factor = 127.0f / largest;
  if (stored) {
    scale = Bf16ToFloat(Bf16RoundUp(scale));
    factor = 1.0f / scale;
  }
  int sum = 0;
  for (size_t i = 0; i < count; ++i) sum += q[i] = static_cast<int>(std::nearbyint(x[i] * factor));
  return {scale, sum};
}

// The definition, query by query: blocks of 64 positions, 16 sums of exponentials. The exponential itself is
// the kernels' own (math_test.cc), so this one is near, not equal.
std::vector<double> Near(const Int8Heads& in, size_t t, size_t head, size_t window) {
  const size_t size = in.head_size;
  const auto row = [&](size_t position, size_t h) { return &in.rows[(position * in.row_heads + h) * size]; };
  std::vector<int> q(size), k(size);
  const RowScale query = Quantize(row(t, head), size, false, q.data());
  const size_t key_head = in.heads() + head / in.group;
  std::vector<double> out(size);
  double sum = 0;
  for (size_t s = window != 0 && t >= window ? t - window + 1 : 0; s <= t; ++s) {
    const RowScale key = Quantize(row(s, key_head), size, true, k.data());
    int dot = 0;
    for (size_t i = 0; i < size; ++i) dot += q[i] * k[i];
    const float score = static_cast<float>(dot) * key.scale * (query.scale * 0.3f);
    const double weight = std::exp(double{score});
    const RowScale value = Quantize(row(s, key_head + in.kv_heads), size, true, k.data());
    sum += weight;
    for (size_t i = 0; i < size; ++i) out[i] += weight * double{value.scale} * k[i];
  }
  for (double& x : out) x /= sum;
  return out;
}

void CheckHeads(Int8Heads& heads, size_t window) {
  CAPTURE(window);
  const size_t head_size = heads.head_size;
  UseTarget("SCALAR");
  const Floats expected = heads.Run(1, window);
  double worst = 0;
  for (size_t t = 0; t < heads.length; t += 7) {
    for (size_t h = 0; h < heads.heads(); ++h) {
      const std::vector<double> near = Near(heads, t, h, window);
      for (size_t i = 0; i < head_size; ++i) {
        worst = std::max(worst, std::abs(expected[(t * heads.heads() + h) * head_size + i] - near[i]));
      }
    }
  }
  CHECK(worst < 1e-5);
  testing::OnEveryTarget([&](const std::string& /*name*/) {
    for (const size_t at_once : {1, 3, 4, 16, 50, 140}) {
      CAPTURE(at_once);
      const Floats got = heads.Run(at_once, window);
      CHECK(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)) == 0);
    }
  });
}

TEST_CASE("int8 attention: near the definition, and the same bits on every target for any number at once") {
  for (const size_t head_size : {2, 6, 8, 16, 18, 32, 48, 64, 128, 258}) {
    CAPTURE(head_size);
    Int8Heads heads(head_size, 140, 2, head_size % 3 + 1, 3 + head_size);
    CheckHeads(heads, 0);
    if (head_size <= 16) CheckHeads(heads, 5 * head_size);
  }
}

TEST_CASE("int8 heads: quantised as defined on every target, and infinities and NaN stay integers") {
  std::mt19937 random(6);
  std::normal_distribution<float> normal;
  for (const size_t size : {2, 4, 6, 8, 14, 16, 18, 31, 32, 34, 80}) {
    for (int trial = 0; trial < 8; ++trial) {
      CAPTURE(size);
      Floats x(3 * size + 40, 1e9f);
      for (size_t i = 0; i < 3 * size; ++i) x[i] = trial == 0 ? 0.0f : normal(random);
      if (trial > 5) x[size + 1] = std::numeric_limits<float>::infinity();
      if (trial > 6) x[0] = std::numeric_limits<float>::quiet_NaN();
      testing::OnEveryTarget([&](const std::string& /*name*/) {
        std::vector<int8_t> q(3 * PaddedRow(size) + 1, 55);
        RowScale scales[3];
        QuantizeHeads(x.data(), 3, 1, size, {q.data(), scales});
        CHECK(q.back() == 55);
        for (size_t h = 0; h < 3; ++h) {
          std::vector<int> want(PaddedRow(size));
          const int8_t* got = &q[h * PaddedRow(size)];
          int sum = 0;
          for (size_t i = 0; i < PaddedRow(size); ++i) sum += got[i];
          CHECK(scales[h].sum == sum);
          if (trial > 5 && h < 2) continue;
          const RowScale scale = Quantize(&x[h * size], size, h >= 1, want.data());
          CHECK(scales[h].scale == scale.scale);
          for (size_t i = 0; i < PaddedRow(size); ++i) CHECK(got[i] == want[i]);
        }
      });
    }
  }
}

}  // namespace
}  // namespace cllm
