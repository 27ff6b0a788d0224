#include "session/attend.h"

#include <cstring>

#include "base/layout.h"
#include "base/workers.h"
#include "kernels/hadamard.h"
#include "kernels/norm.h"
#include "kernels/rope.h"

namespace cllm {
namespace {

// The part of a run within a range of rows: its row `first`, in the buffers' count, is the run's row
// `skipped`.
struct Part {
  const Run& run;
  size_t first, skipped, length;
  size_t position() const { return run.start + skipped; }
};

// Calls body(part) for what there is of each run in the buffers' rows [begin, end).
template <class Body>
void ForParts(const Rows& rows, size_t begin, size_t end, const Body& body) {
  for (size_t i = 0; i < rows.run_count; ++i) {
    const Run& run = rows.runs[i];
    const size_t from = run.row > rows.begin + begin ? run.row : rows.begin + begin;
    const size_t to = run.row + run.length < rows.begin + end ? run.row + run.length : rows.begin + end;
    if (from < to) body(Part{run, from - rows.begin, from - run.row, to - from});
  }
}

bool HasInt8Keys(const KvCache& cache) { return kHasInt8Cache && cache.int8.keys != nullptr; }
bool HasLatticeKeys(const KvCache& cache) { return kHasLatticeCache && cache.lattice_keys.words != nullptr; }
bool HasLatticeValues(const KvCache& cache) {
  return kHasLatticeCache && cache.lattice_values.words != nullptr;
}
// Whether queries are int8.
bool IsSmall(const KvCache& cache) { return HasInt8Keys(cache) || HasLatticeKeys(cache); }

// What row t of a part attends to where queries are int8: those from head `head` on, keys from `kv_head` on.
Int8Attention Int8Of(const LayerShape& shape, const AttentionBuffers& buffers, const Part& part, size_t t,
                     size_t head, size_t kv_head) {
  const KvCache& cache = buffers.cache;
  if (!IsSmall(cache)) return {};
  const QuantizedHeadRows& rows = buffers.heads;
  const size_t row = part.first + t, sequence = part.run.sequence;
  return {rows.q + row * rows.stride + head * PaddedRow(shape.head_size),
          rows.scales + row * rows.scale_stride + head,
          rows.stride,
          rows.scale_stride,
          Int8Head(shape, cache, sequence, kv_head),
          cache.context,
          LatticeOf(cache.lattice_keys, shape, cache, sequence, kv_head),
          LatticeOf(cache.lattice_values, shape, cache, sequence, kv_head)};
}

// A row's queries as int8, and its keys and values where the cache has them so.
void StoreInt8(const LayerShape& shape, const AttentionBuffers& buffers, const Run& run, size_t row,
               const float* queries, size_t position) {
  const size_t heads = shape.heads, kv_heads = shape.kv_heads, stride = PaddedRow(shape.head_size);
  const size_t all = buffers.heads.scale_stride;
  const QuantizedHeads to = {buffers.heads.q + row * buffers.heads.stride, buffers.heads.scales + row * all};
  QuantizeHeads(queries, all, heads, shape.head_size, to);
  for (size_t h = 0; h < heads; ++h) to.scales[h].scale *= shape.attention_scale;
  for (size_t key = heads; key < heads + kv_heads && HasInt8Keys(buffers.cache); ++key) {
    const size_t value = key + kv_heads;
    Int8KeyValue from = {to.q + key * stride, nullptr, to.scales[key].scale, 0.0f};
    if (value < all) from.value = to.q + value * stride, from.value_scale = to.scales[value].scale;
    WriteKv(from, shape.head_size, position, Int8Head(shape, buffers.cache, run.sequence, key - heads));
  }
}

// 1 over the block of the transform that heads go through for a lattice.
float InverseBlock(const LayerShape& shape) {
  return 1.0f / static_cast<float>(HadamardBlock(shape.head_size));
}

// Rows of a part that go onto the lattice, transformed: outliers are spread over a head, and products of
// transformed queries and keys stay what they were. Attended values are transformed back.
void TransformRow(const LayerShape& shape, const KvCache& cache, float* queries) {
  if (HasLatticeKeys(cache)) {
    WalshHadamard(queries, shape.heads, shape.head_size, InverseBlock(shape));
    WalshHadamard(queries + shape.query_width, shape.kv_heads, shape.head_size, 1.0f);
  }
  if (HasLatticeValues(cache)) {
    WalshHadamard(queries + shape.query_width + shape.kv_heads * shape.head_size, shape.kv_heads,
                  shape.head_size, 1.0f);
  }
}

void TransformAttended(const LayerShape& shape, const AttentionBuffers& buffers, size_t row, size_t begin,
                       size_t end) {
  if (!HasLatticeValues(buffers.cache)) return;
  WalshHadamard(buffers.attended + row * shape.query_stride + begin * shape.head_size, end - begin,
                shape.head_size, InverseBlock(shape));
}

void StoreLattice(const LayerShape& shape, const AttentionBuffers& buffers, const Part& part) {
  const size_t size = shape.head_size;
  const KvCache& cache = buffers.cache;
  const float* keys = buffers.query_key_value + part.first * shape.qkv_stride + shape.query_width;
  LatticeRows rows = {keys, shape.qkv_stride, shape.kv_heads, size, part.position(), part.length};
  if (HasLatticeKeys(cache)) {
    WriteLattice(rows, LatticeOf(cache.lattice_keys, shape, cache, part.run.sequence, 0), cache.context);
  }
  rows.x += shape.kv_heads * size;
  WriteLattice(rows, LatticeOf(cache.lattice_values, shape, cache, part.run.sequence, 0), cache.context);
}

// Row t of a part, heads [begin, end).
void AttendRow(const LayerShape& shape, const AttentionBuffers& buffers, const Part& part, size_t t,
               size_t begin, size_t end) {
  const size_t row = part.first + t;
  const bool int8 = IsSmall(buffers.cache);
  const Int8Attention in_int8 = Int8Of(shape, buffers, part, t, 0, 0);
  cllm::AttendHeads(
      {buffers.query_key_value + row * shape.qkv_stride,
       FloatHead(shape, buffers.cache, part.run.sequence, 0), buffers.cache.context * shape.head_size,
       shape.heads / shape.kv_heads, begin, end, shape.head_size, part.position() + t, shape.attention_scale,
       shape.arithmetic, buffers.attended + row * shape.query_stride,
       buffers.log_sum_exp != nullptr ? buffers.log_sum_exp + part.first * shape.heads + t : nullptr,
       part.length, int8 ? &in_int8 : nullptr, shape.variant.attention_softcap, buffers.window});
  TransformAttended(shape, buffers, row, begin, end);
}

// Items [begin, end) of a part of several rows: (head, t), t fastest.
[[maybe_unused]] void AttendPart(const LayerShape& shape, const AttentionBuffers& buffers, const Part& part,
                                 size_t begin, size_t end) {
  const size_t group = shape.heads / shape.kv_heads;
  for (size_t item = begin; item < end;) {
    const size_t t = item % part.length, head = item / part.length, row = part.first + t;
    const size_t rows = part.length - t < end - item ? part.length - t : end - item;
    float* log_sum_exp = buffers.log_sum_exp;
    const bool int8 = IsSmall(buffers.cache);
    const Int8Attention in_int8 = Int8Of(shape, buffers, part, t, head, head / group);
    Attend({buffers.query_key_value + row * shape.qkv_stride + head * shape.head_size, shape.qkv_stride,
            FloatHead(shape, buffers.cache, part.run.sequence, head / group), shape.head_size,
            part.position() + t, rows, shape.attention_scale, shape.arithmetic,
            buffers.attended + row * shape.query_stride + head * shape.head_size, shape.query_stride,
            log_sum_exp != nullptr ? log_sum_exp + part.first * shape.heads + item : nullptr,
            int8 ? &in_int8 : nullptr, shape.variant.attention_softcap, buffers.window});
    for (size_t r = 0; r < rows; ++r) TransformAttended(shape, buffers, row + r, head, head + 1);
    item += rows;
  }
}

}  // namespace

KvHead FloatHead(const LayerShape& shape, const KvCache& cache, size_t sequence, size_t kv_head) {
  const size_t at = (sequence * shape.kv_heads + kv_head) * cache.context * shape.head_size;
  if (cache.floats.keys == nullptr) return {nullptr, nullptr};
  return {cache.floats.keys + at, cache.floats.values + at};
}

Int8KvHead Int8Head(const LayerShape& shape, const KvCache& cache, size_t sequence, size_t kv_head) {
  const size_t at = (sequence * shape.kv_heads + kv_head) * cache.context;
  if (cache.int8.keys == nullptr) return {};
  const bool values = cache.int8.values != nullptr;
  return {cache.int8.keys + at * RoundUp(shape.head_size, 4),
          values ? cache.int8.values + at * shape.head_size : nullptr, cache.int8.key_scales + at,
          values ? cache.int8.value_scales + at : nullptr};
}

LatticeHead LatticeOf(const LatticeHead& first, const LayerShape& shape, const KvCache& cache,
                      size_t sequence, size_t kv_head) {
  return first.From((sequence * shape.kv_heads + kv_head) * cache.context, shape.head_size);
}

void RotateAndStore(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                    const AttentionBuffers& buffers, size_t begin, size_t end, const HeadRange& heads) {
  const size_t size = shape.head_size, group = shape.heads / shape.kv_heads, count = heads.end - heads.begin;
  ForParts(rows, begin, end, [&](const Part& part) {
    const Run& run = part.run;
    for (size_t t = part.skipped; t < part.skipped + part.length; ++t) {
      float* queries = buffers.query_key_value + (part.first + t - part.skipped) * shape.qkv_stride;
      const float* angles = buffers.angles + (run.angles + t) * size;
      const bool normed = shape.variant.query_key_norm;
      const auto turn = [&](float* x, size_t n, const float* norm) {
        if (normed && buffers.unturned != nullptr) {
          std::memcpy(buffers.unturned + (x - buffers.query_key_value), x, n * size * sizeof(float));
        }
        if (normed) RmsNormHeads(norm, shape.norm_epsilon, n, size, x);
        Rope(x, n, size, shape.rotary() / 2, shape.rope_halves, angles, false);
      };
      if ((!kHasWorkers || count == shape.kv_heads) && !normed) {
        turn(queries, shape.heads + shape.kv_heads, nullptr);
      } else {
        turn(queries + heads.begin * group * size, count * group, weights.query_norm);
        turn(queries + shape.query_width + heads.begin * size, count, weights.key_norm);
      }
      TransformRow(shape, buffers.cache, queries);
      if (IsSmall(buffers.cache)) {
        StoreInt8(shape, buffers, run, part.first + t - part.skipped, queries, run.start + t);
      }
    }
    if (HasLatticeValues(buffers.cache)) StoreLattice(shape, buffers, part);
    if (IsSmall(buffers.cache)) return;
    const bool last = part.skipped + part.length == run.length;
    const bool clear = last && (run.length > 1 || run.start % kPanel == 0);
    const float* keys = buffers.query_key_value + part.first * shape.qkv_stride + shape.query_width;
    const float* values = keys + shape.kv_heads * size;
    WriteKv({keys + heads.begin * size, values + heads.begin * size, count, size, shape.qkv_stride,
             part.position(), part.length, clear},
            FloatHead(shape, buffers.cache, run.sequence, heads.begin), buffers.cache.context * size);
  });
}

void AttendHeads(const LayerShape& shape, const Rows& rows, const AttentionBuffers& buffers,
                 const HeadRange& heads) {
  const size_t group = shape.heads / shape.kv_heads;
  ForParts(rows, 0, rows.count(), [&](const Part& part) {
    const size_t begin = heads.begin * group, end = heads.end * group;
    if (part.length == 1) return AttendRow(shape, buffers, part, 0, begin, end);
    AttendPart(shape, buffers, part, begin * part.length, end * part.length);
  });
}

void AttendRange(const LayerShape& shape, const Rows& rows, const AttentionBuffers& buffers, size_t begin,
                 size_t end) {
  ForParts(rows, 0, rows.count(), [&](const Part& part) {
    const size_t first = part.first * shape.heads, last = first + part.length * shape.heads;
    const size_t from = first > begin ? first : begin, to = last < end ? last : end;
    if (from >= to) return;
    if (kHasWorkers && part.length > 1) return AttendPart(shape, buffers, part, from - first, to - first);
    // One row, cut into heads; or, in firmware, any number of rows, never cut: it has no SIMD to gain by
    // several.
    const bool whole = part.length > 1;
    for (size_t t = 0; t < part.length; ++t) {
      AttendRow(shape, buffers, part, t, whole ? 0 : from - first, whole ? shape.heads : to - first);
    }
  });
}

size_t MeanContext(const Rows& rows) {
  size_t sum = 0;
  ForParts(rows, 0, rows.count(),
           [&](const Part& part) { sum += (part.position() + part.length) * part.length; });
  return sum / rows.count();
}

}  // namespace cllm
