// A delta, any part of it at a time: its segments, one after the other, are the parameters as they lie in the
// room.
#include <cstring>

#include "base/layout.h"
#include "trainer/tuner.h"

namespace cllm {
namespace {

// The bytes [offset, offset + bytes) of a file, to which pieces of it are copied as far as they overlap.
struct Window {
  uint64_t offset, bytes;
  uint8_t* to;

  void Copy(uint64_t at, const void* piece, uint64_t count) const {
    const uint64_t begin = at > offset ? at : offset;
    const uint64_t end = at + count < offset + bytes ? at + count : offset + bytes;
    if (begin >= end) return;
    std::memcpy(to + static_cast<size_t>(begin - offset),
                static_cast<const uint8_t*>(piece) + static_cast<size_t>(begin - at),
                static_cast<size_t>(end - begin));
  }
};

}  // namespace

DeltaEntry Tuner::EntryOf(const TunedTensor& tuned) const {
  const uint64_t segments = plan_.delta_bytes - plan_.parameters * sizeof(float);
  const bool adapter = tuned.kind == DeltaKind::kAdapter;
  return {segments + tuned.first * sizeof(float),
          tuned.count * sizeof(float),
          tuned.place.layer,
          tuned.rank,
          adapter ? plan_.alpha / static_cast<float>(plan_.rank) : 0.0f,
          tuned.place.role,
          tuned.kind,
          Dtype::kF32,
          0};
}

Status Tuner::Export(uint64_t offset, uint8_t* to, uint64_t bytes) const {
  if (offset > plan_.delta_bytes || bytes > plan_.delta_bytes - offset) return CLLM_INDEX_RANGE;
  const Window window = {offset, bytes, to};
  std::memset(to, 0, static_cast<size_t>(bytes));
  uint8_t head[kDeltaEntriesOffset];
  WriteDeltaHead(ContentDigest(model_), plan_.delta_bytes, plan_.tensors, head);
  window.Copy(0, head, sizeof(head));
  uint64_t at = sizeof(head);
  ForTuned([&](const TunedTensor& tuned) {
    const DeltaEntry entry = EntryOf(tuned);
    window.Copy(at, &entry, sizeof(entry));
    at += sizeof(entry);
  });
  const uint64_t weight_bytes = plan_.parameters * sizeof(float);
  window.Copy(plan_.delta_bytes - weight_bytes, At<void>(plan_.weights), weight_bytes);
  return CLLM_OK;
}

}  // namespace cllm
