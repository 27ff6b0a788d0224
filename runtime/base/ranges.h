// Room: base. Cuts a kernel's independent items into contiguous ranges for the workers. No result depends on
// the cut: every sum lies within one item.
#ifndef CLLM_BASE_RANGES_H_
#define CLLM_BASE_RANGES_H_

#include <cstddef>

#include "base/workers.h"

namespace cllm {

// Below this many multiply-adds a task costs less than handing it to another thread.
inline constexpr size_t kTaskMacs = 32768;

// How many ranges to cut `items` into, each item costing about `macs` multiply-adds: at most one a worker.
inline size_t RangeCount(const cllm_workers* workers, size_t items, size_t macs) {
  if (!kHasWorkers || workers == nullptr || workers->count <= 1) return 1;
  const size_t worth = items * macs / kTaskMacs;
  const size_t most = worth < workers->count ? worth : workers->count;
  const size_t ranges = most < items ? most : items;
  return ranges > 0 ? ranges : 1;
}

// Runs body(begin, end) over ranges that cover [0, items).
template <class Body>
void ForRanges(const cllm_workers* workers, size_t items, size_t macs, const Body& body) {
  if (!kHasWorkers) return body(0, items);
  const size_t ranges = RangeCount(workers, items, macs);
  ParallelFor(workers, static_cast<uint32_t>(ranges),
              [&](uint32_t i) { body(items * i / ranges, items * (i + 1) / ranges); });
}

}  // namespace cllm

#endif  // CLLM_BASE_RANGES_H_
