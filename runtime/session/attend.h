// Room: session. The part of a layer in which rows meet: rotation, KV cache and attention, run by run.
#ifndef CLLM_SESSION_ATTEND_H_
#define CLLM_SESSION_ATTEND_H_

#include <cstddef>

#include "session/layer.h"

namespace cllm {

// Some of the key heads, and the queries that attend to them.
struct HeadRange {
  size_t begin, end;
};

// A layer's cache of one key head of a sequence, in the format that the cache has.
KvHead FloatHead(const LayerShape& shape, const KvCache& cache, size_t sequence, size_t kv_head);
Int8KvHead Int8Head(const LayerShape& shape, const KvCache& cache, size_t sequence, size_t kv_head);
// first: the cache's lattice_keys or lattice_values.
LatticeHead LatticeOf(const LatticeHead& first, const LayerShape& shape, const KvCache& cache,
                      size_t sequence, size_t kv_head);

// Turns queries and keys of the buffers' rows [begin, end), after their norms if they have any, and puts keys
// and values into the cache; all heads' unless it is one of floats.
void RotateAndStore(const LayerWeights& weights, const LayerShape& shape, const Rows& rows,
                    const AttentionBuffers& buffers, size_t begin, size_t end, const HeadRange& heads);

// Attention of some heads of all rows.
void AttendHeads(const LayerShape& shape, const Rows& rows, const AttentionBuffers& buffers,
                 const HeadRange& heads);

// Attention of items [begin, end): (run, head, row of the run), the last fastest; heads * rows in all.
void AttendRange(const LayerShape& shape, const Rows& rows, const AttentionBuffers& buffers, size_t begin,
                 size_t end);

// Positions that a row sees, on average.
size_t MeanContext(const Rows& rows);

}  // namespace cllm

#endif  // CLLM_SESSION_ATTEND_H_
