#include "model/delta.h"

#include <cstring>

#include "base/features.h"
#include "base/layout.h"
#include "model/head.h"
#include "model/tensors.h"
#include "schemas/delta_generated.h"

namespace cllm {
namespace {

constexpr uint64_t kSmallestHead = 16;
constexpr uint64_t kLargestHead = uint64_t{1} << 22;
constexpr uint64_t kIdentifierOffset = 8;
constexpr uint16_t kDeltaMajor = 1;
constexpr size_t kDigestBytes = 32;

static_assert(sizeof(DeltaEntry) == 32 && sizeof(schema::DeltaEntry) == 32);
static_assert(static_cast<int>(DeltaKind::kReplacement) == static_cast<int>(schema::DeltaKind::replacement) &&
              DeltaKind::kReplacement == static_cast<DeltaKind>(schema::DeltaKind::MAX));

flatbuffers::Verifier::Options Limits() {
  flatbuffers::Verifier::Options limits;
  limits.max_depth = 2;
  limits.max_tables = 1;
  return limits;
}

// Read as soon as it can be read safely, as of a model's head.
Status CheckVersion(const uint8_t* bytes, size_t head_bytes) {
  flatbuffers::Verifier verifier(bytes, head_bytes, Limits());
  const flatbuffers::uoffset_t root = verifier.VerifyOffset(sizeof(flatbuffers::uoffset_t));
  if (root == 0) return CLLM_DELTA_HEAD;
  const auto* table =
      reinterpret_cast<const flatbuffers::Table*>(bytes + sizeof(flatbuffers::uoffset_t) + root);
  if (!table->VerifyTableStart(verifier) ||
      !table->VerifyField<uint16_t>(verifier, schema::Delta::VT_FORMAT_MAJOR, sizeof(uint16_t))) {
    return CLLM_DELTA_HEAD;
  }
  const auto major = table->GetField<uint16_t>(schema::Delta::VT_FORMAT_MAJOR, kDeltaMajor);
  return major == kDeltaMajor ? CLLM_OK : CLLM_DELTA_VERSION;
}

Status VerifyDelta(const uint8_t* bytes, uint64_t size, const schema::Delta** root, uint64_t* head) {
  if (size < kSmallestHead) return CLLM_DELTA_TRUNCATED;
  if (std::memcmp(bytes + kIdentifierOffset, schema::DeltaIdentifier(), 4) != 0) return CLLM_DELTA_NOT_DELTA;
  *head = uint64_t{flatbuffers::ReadScalar<flatbuffers::uoffset_t>(bytes)} + sizeof(flatbuffers::uoffset_t);
  if (*head > size) return CLLM_DELTA_TRUNCATED;
  if (*head < kSmallestHead || *head > kLargestHead) return CLLM_DELTA_HEAD;
  const auto head_bytes = static_cast<size_t>(*head);
  CLLM_RETURN_IF_ERROR(CheckVersion(bytes, head_bytes));
  flatbuffers::Verifier verifier(bytes, head_bytes, Limits());
  if (!schema::VerifySizePrefixedDeltaBuffer(verifier)) return CLLM_DELTA_HEAD;
  *root = schema::GetSizePrefixedDelta(bytes);
  if ((*root)->file_bytes() > size) return CLLM_DELTA_TRUNCATED;
  return (*root)->file_bytes() == size ? CLLM_OK : CLLM_DELTA_SEGMENT_RANGE;
}

// Copied, so that nothing depends on the entries' alignment.
DeltaEntry EntryAt(const schema::Delta& root, uint32_t index) {
  DeltaEntry entry;
  std::memcpy(&entry, root.entries()->Data() + index * sizeof(entry), sizeof(entry));
  return entry;
}

// Sorts entries.
uint64_t KeyOf(Role role, uint32_t layer) { return uint64_t{static_cast<uint8_t>(role)} << 32 | layer; }

Status CheckShape(const Config& config, const DeltaEntry& entry) {
  const bool adapter = entry.kind == DeltaKind::kAdapter;
  if (adapter && !MayHaveAdapter(entry.role)) return CLLM_DELTA_ENTRY_UNKNOWN;
  if (entry.kind > DeltaKind::kReplacement) return CLLM_DELTA_ENTRY_UNKNOWN;
  const bool rank = adapter ? entry.rank >= 1 && entry.rank <= kMaxAdapterRank : entry.rank == 0;
  if (!rank || entry.dtype != Dtype::kF32) return CLLM_DELTA_ENTRY_SHAPE;
  const uint64_t bytes = DeltaSegmentBytes(config, entry.role, entry.kind, entry.rank);
  return entry.bytes == bytes ? CLLM_OK : CLLM_DELTA_ENTRY_SHAPE;
}

Status CheckEntries(const schema::Delta& root, uint64_t head_bytes, uint64_t size, Config* config) {
  uint64_t last_key = 0, end = head_bytes;
  for (uint32_t i = 0; i < root.entries()->size(); ++i) {
    const DeltaEntry entry = EntryAt(root, i);
    const uint64_t key = KeyOf(entry.role, entry.layer);
    if (i > 0 && key <= last_key) return CLLM_DELTA_ENTRY_UNKNOWN;
    last_key = key;
    if (entry.layer >= TensorCount(*config, entry.role)) return CLLM_DELTA_ENTRY_UNKNOWN;
    CLLM_RETURN_IF_ERROR(CheckShape(*config, entry));
    if (entry.offset % kAlignment != 0) return CLLM_DELTA_SEGMENT_ALIGNMENT;
    if (entry.offset < head_bytes || entry.offset > size || entry.bytes > size - entry.offset) {
      return CLLM_DELTA_SEGMENT_RANGE;
    }
    if (entry.offset < end) return CLLM_DELTA_SEGMENT_OVERLAP;
    end = entry.offset + entry.bytes;
    if (entry.rank > config->adapter_rank) config->adapter_rank = entry.rank;
  }
  return CLLM_OK;
}

}  // namespace

bool MayHaveAdapter(Role role) { return AdapterNumber(role, 0) != 0; }

uint64_t DeltaSegmentBytes(const Config& config, Role role, DeltaKind kind, uint32_t rank) {
  if (kind == DeltaKind::kReplacement) return StoredBytes(config, role, Dtype::kF32);
  return AdapterFloats(rank, ShapeOf(config, role).columns, StoredRows(config, role)) * sizeof(float);
}

Status ApplyDelta(const Model& base, const void* bytes, uint64_t size, Model* model) {
  if (!kHasDeltas) return CLLM_UNSUPPORTED_DELTA;
  if (reinterpret_cast<uintptr_t>(bytes) % kAlignment != 0) return CLLM_MISALIGNED;
  if (base.delta != nullptr) return CLLM_DELTA_BASE;
  const auto* file = static_cast<const uint8_t*>(bytes);
  const schema::Delta* root = nullptr;
  uint64_t head_bytes = 0;
  CLLM_RETURN_IF_ERROR(VerifyDelta(file, size, &root, &head_bytes));
  const uint8_t* digest = ContentDigest(base);
  if (digest == nullptr || std::memcmp(digest, root->base()->sha256()->data(), kDigestBytes) != 0) {
    return CLLM_DELTA_BASE;
  }
  Model result = base;
  CLLM_RETURN_IF_ERROR(CheckEntries(*root, head_bytes, size, &result.config));
  result.delta = root;
  result.delta_bytes = file;
  *model = result;
  return CLLM_OK;
}

uint64_t DeltaFileBytes(const Model& model) {
  return static_cast<const schema::Delta*>(model.delta)->file_bytes();
}

void ChangeByDelta(const Model& model, TableEntry* change) {
  const auto& root = *static_cast<const schema::Delta*>(model.delta);
  for (uint32_t i = 0; i < root.entries()->size(); ++i) {
    const DeltaEntry entry = EntryAt(root, i);
    if (entry.role != change->role || entry.layer != change->layer) continue;
    const auto* data = reinterpret_cast<const float*>(model.delta_bytes + static_cast<size_t>(entry.offset));
    if (entry.kind == DeltaKind::kAdapter) {
      change->tensor.adapter = AdapterNumber(entry.role, entry.layer);
      change->adapter = {data, entry.scale, entry.rank};
    } else {
      change->tensor.data = data;
      change->tensor.scales = nullptr;
      change->tensor.dtype = Dtype::kF32;
      change->bytes = entry.bytes;
    }
    return;
  }
}

// What FlatBuffers' builder would write, which takes a heap: a table with the fields `base`, `entries` and
// `file_bytes`, the others being left to their defaults.
void WriteDeltaHead(const uint8_t* base_digest, uint64_t file_bytes, uint32_t count, uint8_t* head) {
  constexpr size_t kTable = 28, kFileBytes = 4, kBase = 12, kEntries = 44, kTableBytes = 48;
  constexpr uint16_t kVtable[] = {14, kTableBytes, 0, 0, kBase, kEntries, kFileBytes};
  constexpr size_t kVtableOffset = kTable - 16;
  const auto put = [&](size_t at, uint32_t value) { std::memcpy(head + at, &value, sizeof(value)); };
  std::memset(head, 0, kDeltaEntriesOffset);
  put(0, static_cast<uint32_t>(DeltaHeadBytes(count) - sizeof(uint32_t)));
  put(4, kTable - 4);
  std::memcpy(head + kIdentifierOffset, schema::DeltaIdentifier(), 4);
  std::memcpy(head + kVtableOffset, kVtable, sizeof(kVtable));
  put(kTable, kTable - kVtableOffset);
  std::memcpy(head + kTable + kFileBytes, &file_bytes, sizeof(file_bytes));
  std::memcpy(head + kTable + kBase, base_digest, kDigestBytes);
  put(kTable + kEntries, kTableBytes - kEntries);
  put(kTable + kTableBytes, count);
}

}  // namespace cllm
