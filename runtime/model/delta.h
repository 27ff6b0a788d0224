// Room: model. Deltas: what fine-tuning changed of a model, in a file of its own. Distrust of its bytes ends
// here, as in model.h. Reads file bytes; writes heads of such files. schemas/DELTA.md
#ifndef CLLM_MODEL_DELTA_H_
#define CLLM_MODEL_DELTA_H_

#include <cstddef>
#include <cstdint>

#include "base/status.h"
#include "model/model.h"

namespace cllm {

inline constexpr uint32_t kMaxAdapterRank = 256;

// Of schemas/delta.fbs, the same in memory as in the file.
enum class DeltaKind : uint8_t { kAdapter = 0, kReplacement = 1 };
struct DeltaEntry {
  uint64_t offset;  // from the file's first byte
  uint64_t bytes;
  uint32_t layer;
  uint32_t rank;  // 0 for replacements
  float scale;    // 0 for replacements
  Role role;
  DeltaKind kind;
  Dtype dtype;
  uint8_t reserved;
};

// Matrices of the layers may have adapters; any tensor may be replaced.
bool MayHaveAdapter(Role role);

// Of an entry's segment, all float32.
uint64_t DeltaSegmentBytes(const Config& config, Role role, DeltaKind kind, uint32_t rank);

// The base with the delta over it. Errors: CLLM_DELTA_*, CLLM_UNSUPPORTED_DELTA.
Status ApplyDelta(const Model& base, const void* bytes, uint64_t size, Model* model);

// Of the file of the delta that is over the model.
uint64_t DeltaFileBytes(const Model& model);

// The entry as the model's delta has it.
void ChangeByDelta(const Model& model, TableEntry* entry);

// The head of a delta file with `count` entries: DeltaHeadBytes of them to `head`, the first segment after
// them at a multiple of 64. offset of the entries is what it will be in the file.
constexpr uint64_t DeltaHeadBytes(uint32_t count) { return 80 + uint64_t{count} * sizeof(DeltaEntry); }
void WriteDeltaHead(const uint8_t* base_digest, uint64_t file_bytes, uint32_t count, uint8_t* head);
// Its entries lie at + 80, and the caller writes them.
inline constexpr size_t kDeltaEntriesOffset = 80;

}  // namespace cllm

#endif  // CLLM_MODEL_DELTA_H_
