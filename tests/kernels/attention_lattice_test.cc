// Attention over a cache on the lattice against its definition in plain code, on every target.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "doctest/doctest.h"
#include "kernels/attention.h"
#include "kernels/every_target.h"
#include "kernels/lattice_cache.h"

namespace cllm {
namespace {

using testing::Cache;
using testing::Coordinates;
using testing::Floats;
using testing::Rows;

// Key heads of `length` positions, `group` query heads each, every position with its queries. Keys in int8,
// or on the lattice as the values.
struct Heads {
  size_t head_size, length, kv_heads, group, padded;
  bool int8_keys;
  Floats rows;  // [length][heads + 2 kv_heads][head_size]
  Cache keys, values;
  std::vector<int8_t> q;  // queries, and keys
  std::vector<RowScale> scales;
  std::vector<uint8_t> key_panels;
  std::vector<uint16_t> key_scales;

  Heads(size_t size, size_t positions, size_t key_heads, size_t each, bool in_int8)
      : head_size(size),
        length(positions),
        kv_heads(key_heads),
        group(each),
        padded(PaddedRow(size)),
        int8_keys(in_int8),
        rows(Rows(positions * key_heads * (each + 2) * size, static_cast<uint32_t>(size))),
        keys(key_heads, size, positions),
        values(keys) {}
  size_t heads() const { return kv_heads * group; }
  size_t stored() const { return heads() + kv_heads; }

  Int8KvHead Int8Head(size_t head) {
    if (!int8_keys) return {};
    const size_t at = head * keys.context;
    return {&key_panels[at * head_size], nullptr, &key_scales[at], nullptr};
  }

  // As a session does it.
  void Store() {
    keys = values = Cache(kv_heads, head_size, length);
    q.assign(length * stored() * padded, 99);
    scales.assign(length * stored(), {});
    key_panels.assign(kv_heads * keys.context * head_size, 77);
    key_scales.assign(kv_heads * keys.context, 0x7FC0);  // not a number
    const size_t stride = (heads() + 2 * kv_heads) * head_size;
    for (size_t t = 0; t < length; ++t) {
      int8_t* to = &q[t * stored() * padded];
      RowScale* scale = &scales[t * stored()];
      QuantizeHeads(&rows[t * stride], stored(), heads(), head_size, {to, scale});
      for (size_t h = 0; h < heads(); ++h) scale[h].scale *= 0.05f;
      for (size_t h = 0; h < kv_heads && int8_keys; ++h) {
        WriteKv({to + (heads() + h) * padded, nullptr, scale[heads() + h].scale, 0.0f}, head_size, t,
                Int8Head(h));
      }
    }
    const float* from = &rows[heads() * head_size];
    if (!int8_keys) WriteLattice({from, stride, kv_heads, head_size, 0, length}, keys.Head(0), keys.context);
    from += kv_heads * head_size;
    WriteLattice({from, stride, kv_heads, head_size, 0, length}, values.Head(0), values.context);
  }

  Int8Attention Small(size_t t, size_t head, bool of_rows) {
    const size_t key_head = head / group;
    return {&q[(t * stored() + head) * padded],
            &scales[t * stored() + head],
            of_rows ? stored() * padded : 0,
            of_rows ? stored() : 0,
            Int8Head(key_head),
            keys.context,
            int8_keys ? LatticeHead() : keys.Head(key_head),
            values.Head(key_head)};
  }

  // Attended rows [length][heads][head_size], `at_once` of them a call.
  Floats Run(size_t at_once, size_t window) {
    Store();
    const size_t stride = heads() * head_size;
    Floats out(length * stride, 5.0f);
    for (size_t t = 0; t < length; t += at_once) {
      for (size_t h = 0; h < heads() && at_once > 1; ++h) {
        const Int8Attention small = Small(t, h, true);
        AttentionRows attention = {};
        attention.head_size = head_size;
        attention.first_position = t;
        attention.rows = std::min(at_once, length - t);
        attention.out = &out[t * stride + h * head_size];
        attention.out_stride = stride;
        attention.int8 = &small;
        attention.window = window;
        Attend(attention);
      }
      if (at_once > 1) continue;
      const Int8Attention small = Small(t, 0, false);
      AttentionHeads attention = {};
      attention.group = group;
      attention.end = heads();
      attention.head_size = head_size;
      attention.position = t;
      attention.out = &out[t * stride];
      attention.int8 = &small;
      attention.window = window;
      AttendHeads(attention);
    }
    return out;
  }

  // The definition for one query. The exponential is the kernels' own (math_test.cc), so this one is near.
  std::vector<double> Near(size_t t, size_t head, size_t window) {
    const LatticeHead key = keys.Head(head / group), value = values.Head(head / group);
    std::vector<double> out(head_size);
    double sum = 0;
    for (size_t s = window != 0 && t >= window ? t - window + 1 : 0; s <= t; ++s) {
      const size_t stored_key = s * stored() + heads() + head / group;
      int dot = 0, x[8];
      for (size_t i = 0; i < head_size; ++i) {
        if (i % 8 == 0 && !int8_keys) Coordinates(key.words, head_size, s, i / 8, x);
        dot += q[(t * stored() + head) * padded + i] * (int8_keys ? q[stored_key * padded + i] : x[i % 8]);
      }
      const float key_scale = int8_keys ? scales[stored_key].scale : LatticeScale(key.scales[s]);
      const float score = static_cast<float>(dot) * key_scale * scales[t * stored() + head].scale;
      const double weight = std::exp(double{score});
      sum += weight;
      for (size_t i = 0; i < head_size; ++i) {
        if (i % 8 == 0) Coordinates(value.words, head_size, s, i / 8, x);
        out[i] += weight * double{LatticeScale(value.scales[s])} * x[i % 8];
      }
    }
    for (double& x : out) x /= sum;
    return out;
  }
};

void CheckHeads(Heads& heads, size_t window) {
  CAPTURE(window);
  REQUIRE(UseTarget("SCALAR"));
  const Floats expected = heads.Run(1, window);
  double worst = 0;
  for (size_t t = 0; t < heads.length; t += 7) {
    for (size_t h = 0; h < heads.heads(); ++h) {
      const std::vector<double> near = heads.Near(t, h, window);
      for (size_t i = 0; i < heads.head_size; ++i) {
        worst = std::max(worst, std::abs(expected[(t * heads.heads() + h) * heads.head_size + i] - near[i]));
      }
    }
  }
  CHECK(worst < 3e-5);
  testing::OnEveryTarget([&](const std::string& /*name*/) {
    for (const size_t at_once : {1, 3, 4, 16, 50, 140}) {
      CAPTURE(at_once);
      const Floats got = heads.Run(at_once, window);
      CHECK(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)) == 0);
    }
  });
}

TEST_CASE("attention: near the definition, and the same bits on every target for any number at once") {
  for (const size_t head_size : {8, 16, 24, 64, 264}) {
    CAPTURE(head_size);
    for (const bool int8_keys : {false, true}) {
      CAPTURE(int8_keys);
      Heads heads(head_size, 140, 2, head_size / 8 % 3 + 1, int8_keys);
      CheckHeads(heads, 0);
      if (head_size <= 16) CheckHeads(heads, 5 * head_size);
    }
  }
}

}  // namespace
}  // namespace cllm
