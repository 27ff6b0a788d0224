#include "session/attend.h"

#include <cstring>

#include "base/layout.h"
#include "base/workers.h"
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

bool IsInt8(const AttentionBuffers& buffers) { return kHasInt8Cache && buffers.cache.int8.keys != nullptr; }

// What row t of a part attends to where the cache is int8: queries from head `head` on, keys from `kv_head`
// on.
Int8Attention Int8Of(const LayerShape& shape, const AttentionBuffers& buffers, const Part& part, size_t t,
                     size_t head, size_t kv_head) {
  if (!IsInt8(buffers)) return {};
  const QuantizedHeadRows& rows = buffers.heads;
  const size_t row = part.first + t, scales = shape.heads + 2 * shape.kv_heads;
  return {rows.q + row * rows.stride + head * PaddedRow(shape.head_size),
          rows.scales + row * scales + head,
          rows.stride,
          scales,
          Int8Head(shape, buffers.cache, part.run.sequence, kv_head),
          buffers.cache.context};
}

// A row's queries, keys and values as int8, the latter two put into the cache.
void StoreInt8(const LayerShape& shape, const AttentionBuffers& buffers, const Run& run, size_t row,
               const float* queries, size_t position) {
  const size_t heads = shape.heads, all = heads + 2 * shape.kv_heads, stride = PaddedRow(shape.head_size);
  const QuantizedHeads to = {buffers.heads.q + row * buffers.heads.stride, buffers.heads.scales + row * all};
  QuantizeHeads(queries, all, heads, shape.head_size, to);
  for (size_t h = 0; h < heads; ++h) to.scales[h].scale *= shape.attention_scale;
  for (size_t key = heads; key < heads + shape.kv_heads; ++key) {
    const size_t value = key + shape.kv_heads;
    WriteKv({to.q + key * stride, to.q + value * stride, to.scales[key].scale, to.scales[value].scale},
            shape.head_size, position, Int8Head(shape, buffers.cache, run.sequence, key - heads));
  }
}

// Row t of a part, heads [begin, end).
void AttendRow(const LayerShape& shape, const AttentionBuffers& buffers, const Part& part, size_t t,
               size_t begin, size_t end) {
  const size_t row = part.first + t;
  const bool int8 = IsInt8(buffers);
  const Int8Attention in_int8 = Int8Of(shape, buffers, part, t, 0, 0);
  cllm::AttendHeads(
      {buffers.query_key_value + row * shape.qkv_stride,
       FloatHead(shape, buffers.cache, part.run.sequence, 0), buffers.cache.context * shape.head_size,
       shape.heads / shape.kv_heads, begin, end, shape.head_size, part.position() + t, shape.attention_scale,
       shape.arithmetic, buffers.attended + row * shape.query_stride,
       buffers.log_sum_exp != nullptr ? buffers.log_sum_exp + part.first * shape.heads + t : nullptr,
       part.length, int8 ? &in_int8 : nullptr, shape.variant.attention_softcap, buffers.window});
}

// Items [begin, end) of a part of several rows: (head, t), t fastest.
[[maybe_unused]] void AttendPart(const LayerShape& shape, const AttentionBuffers& buffers, const Part& part,
                                 size_t begin, size_t end) {
  const size_t group = shape.heads / shape.kv_heads;
  for (size_t item = begin; item < end;) {
    const size_t t = item % part.length, head = item / part.length, row = part.first + t;
    const size_t rows = part.length - t < end - item ? part.length - t : end - item;
    float* log_sum_exp = buffers.log_sum_exp;
    const bool int8 = IsInt8(buffers);
    const Int8Attention in_int8 = Int8Of(shape, buffers, part, t, head, head / group);
    Attend({buffers.query_key_value + row * shape.qkv_stride + head * shape.head_size, shape.qkv_stride,
            FloatHead(shape, buffers.cache, part.run.sequence, head / group), shape.head_size,
            part.position() + t, rows, shape.attention_scale, shape.arithmetic,
            buffers.attended + row * shape.query_stride + head * shape.head_size, shape.query_stride,
            log_sum_exp != nullptr ? log_sum_exp + part.first * shape.heads + item : nullptr,
            int8 ? &in_int8 : nullptr, shape.variant.attention_softcap, buffers.window});
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
  return {cache.int8.keys + at * RoundUp(shape.head_size, 4), cache.int8.values + at * shape.head_size,
          cache.int8.key_scales + at, cache.int8.value_scales + at};
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
      if (IsInt8(buffers)) {
        StoreInt8(shape, buffers, run, part.first + t - part.skipped, queries, run.start + t);
      }
    }
    if (IsInt8(buffers)) return;
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
