// Deltas: each rule of schemas/DELTA.md, broken; and heads that the runtime writes against FlatBuffers' own.
#include "model/delta.h"

#include <cstring>
#include <random>

#include "cllm/cllm.h"
#include "doctest/doctest.h"
#include "support/delta_file.h"
#include "support/file_editor.h"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::AlignedBytes;
using testing::DeltaFile;
using testing::RandomDelta;
using testing::SmallFile;

const std::vector<testing::DeltaChange> kChanges = {
    {Role::kTokenEmbedding, 0, 0}, {Role::kAttentionNorm, 1, 0}, {Role::kQueryKeyValue, 0, 3},
    {Role::kGateUp, 1, 2},         {Role::kDown, 0, 0},          {Role::kHead, 0, 0},
};

struct Base {
  Base() : file(SmallFile(Dtype::kI8)) { REQUIRE(OpenModel(file.data(), file.size(), &model) == CLLM_OK); }
  Status Apply(const std::string& delta) const {
    AlignedBytes bytes(delta);
    Model changed;
    return ApplyDelta(model, bytes.data(), bytes.size(), &changed);
  }
  AlignedBytes file;
  Model model;
};

TEST_CASE("a delta changes what it names, and nothing else") {
  const Base base;
  const DeltaFile delta = RandomDelta(base.model, kChanges, 1);
  AlignedBytes bytes(delta.Build());
  Model model;
  REQUIRE(ApplyDelta(base.model, bytes.data(), bytes.size(), &model) == CLLM_OK);
  CHECK(model.config.adapter_rank == 3);
  size_t changed = 0;
  for (uint32_t i = 0; i < model.tensor_count; ++i) {
    const TableEntry was = TensorAt(base.model, i), is = TensorAt(model, i);
    const DeltaEntry* entry = nullptr;
    for (const DeltaEntry& e : delta.entries) {
      if (e.role == is.role && e.layer == is.layer) entry = &e;
    }
    if (entry != nullptr) ++changed;
    const bool replaced = entry != nullptr && entry->kind == DeltaKind::kReplacement;
    CHECK((is.tensor.data == was.tensor.data) == !replaced);
    CHECK(is.adapter.rank == (entry != nullptr ? entry->rank : 0));
    CHECK(is.tensor.rows == was.tensor.rows);
    if (replaced) CHECK(is.tensor.dtype == Dtype::kF32);
    if (replaced) CHECK(is.tensor.data == bytes.data() + entry->offset);
    if (entry != nullptr && !replaced) {
      CHECK(is.adapter.factors == reinterpret_cast<const float*>(bytes.data() + entry->offset));
      CHECK(is.adapter.scale == entry->scale);
    }
  }
  CHECK(changed == kChanges.size());
  Model twice;
  CHECK(ApplyDelta(model, bytes.data(), bytes.size(), &twice) == CLLM_DELTA_BASE);
}

TEST_CASE("each rule of a delta, broken") {
  const Base base;
  const auto status = [&](const auto& edit) {
    DeltaFile delta = RandomDelta(base.model, kChanges, 1);
    edit(delta);
    return base.Apply(delta.Build());
  };
  CHECK(status([](DeltaFile&) {}) == CLLM_OK);
  CHECK(status([](DeltaFile& d) { d.major = 2; }) == CLLM_DELTA_VERSION);
  CHECK(status([](DeltaFile& d) { d.base[31] ^= 1; }) == CLLM_DELTA_BASE);
  CHECK(status([](DeltaFile& d) { ++d.file_bytes; }) == CLLM_DELTA_TRUNCATED);
  CHECK(status([](DeltaFile& d) { --d.file_bytes; }) == CLLM_DELTA_SEGMENT_RANGE);
  CHECK(status([](DeltaFile& d) { std::swap(d.entries[1], d.entries[2]); }) == CLLM_DELTA_ENTRY_UNKNOWN);
  CHECK(status([](DeltaFile& d) { d.entries[1] = d.entries[0]; }) == CLLM_DELTA_ENTRY_UNKNOWN);
  CHECK(status([](DeltaFile& d) { d.entries[3].layer = 2; }) == CLLM_DELTA_ENTRY_UNKNOWN);
  CHECK(status([](DeltaFile& d) { d.entries[5].layer = 1; }) == CLLM_DELTA_ENTRY_UNKNOWN);
  CHECK(status([](DeltaFile& d) { d.entries[5].role = static_cast<Role>(200); }) == CLLM_DELTA_ENTRY_UNKNOWN);
  CHECK(status([](DeltaFile& d) { d.entries[1].role = Role::kPositionEmbedding; }) ==
        CLLM_DELTA_ENTRY_UNKNOWN);
  CHECK(status([](DeltaFile& d) { d.entries[2].kind = static_cast<DeltaKind>(2); }) ==
        CLLM_DELTA_ENTRY_UNKNOWN);
  CHECK(status([](DeltaFile& d) { d.entries[0].kind = DeltaKind::kAdapter; }) == CLLM_DELTA_ENTRY_UNKNOWN);
  CHECK(status([](DeltaFile& d) { d.entries[2].rank = 0; }) == CLLM_DELTA_ENTRY_SHAPE);
  CHECK(status([](DeltaFile& d) { d.entries[2].rank = 4; }) == CLLM_DELTA_ENTRY_SHAPE);
  CHECK(status([](DeltaFile& d) { d.entries[2].rank = kMaxAdapterRank + 1; }) == CLLM_DELTA_ENTRY_SHAPE);
  CHECK(status([](DeltaFile& d) { d.entries[4].rank = 1; }) == CLLM_DELTA_ENTRY_SHAPE);
  CHECK(status([](DeltaFile& d) { d.entries[4].dtype = Dtype::kI8; }) == CLLM_DELTA_ENTRY_SHAPE);
  CHECK(status([](DeltaFile& d) { d.entries[4].bytes -= 64; }) == CLLM_DELTA_ENTRY_SHAPE);
  CHECK(status([](DeltaFile& d) { d.entries[2].offset += 4; }) == CLLM_DELTA_SEGMENT_ALIGNMENT);
  CHECK(status([](DeltaFile& d) { d.entries[0].offset = 64; }) == CLLM_DELTA_SEGMENT_RANGE);
  CHECK(status([](DeltaFile& d) { d.entries[2].offset = ~uint64_t{63}; }) == CLLM_DELTA_SEGMENT_RANGE);
  CHECK(status([](DeltaFile& d) { d.entries[2].offset = d.entries[1].offset; }) ==
        CLLM_DELTA_SEGMENT_OVERLAP);
  CHECK(status([](DeltaFile& d) { d.entries.resize(0), d.segments.clear(), d.Place(); }) == CLLM_OK);
}

TEST_CASE("a delta that is cut short, another file, bytes at an odd address") {
  const Base base;
  const std::string file = RandomDelta(base.model, kChanges, 1).Build();
  for (size_t size = 0; size < file.size(); size += size < 300 ? 1 : 997) {
    CHECK(base.Apply(file.substr(0, size)) != CLLM_OK);
  }
  CHECK(base.Apply(file.substr(0, 15)) == CLLM_DELTA_TRUNCATED);
  CHECK(base.Apply(SmallFile()) == CLLM_DELTA_NOT_DELTA);
  CHECK(base.Apply(file + "x") == CLLM_DELTA_SEGMENT_RANGE);
  AlignedBytes shifted(file, 4);
  Model changed;
  CHECK(ApplyDelta(base.model, shifted.data(), shifted.size(), &changed) == CLLM_MISALIGNED);
  cllm_model model;
  CHECK(cllm_model_apply(nullptr, file.data(), file.size(), &model) == CLLM_NULL_ARGUMENT);
}

// Whatever is accepted lies in the file, which AddressSanitizer sees.
TEST_CASE("every byte of a delta's head, changed") {
  const Base base;
  const std::string file = RandomDelta(base.model, kChanges, 1).Build();
  uint32_t prefix;
  std::memcpy(&prefix, file.data(), 4);
  size_t accepted = 0;
  for (size_t at = 0; at < prefix + 4; ++at) {
    for (const int change : {0x01, 0x04, 0x10, 0x40, 0x80, 0xFF}) {
      std::string changed = file;
      changed[at] = static_cast<char>(changed[at] ^ change);
      AlignedBytes bytes(changed);
      Model model;
      if (ApplyDelta(base.model, bytes.data(), bytes.size(), &model) != CLLM_OK) continue;
      ++accepted;
      for (uint32_t i = 0; i < model.tensor_count; ++i) {
        const TableEntry entry = TensorAt(model, i);
        float sum = static_cast<const float*>(entry.tensor.data)[entry.bytes / 4 - 1];
        if (entry.adapter.rank != 0) {
          sum += entry.adapter.outer(
              entry.tensor.columns)[entry.adapter.rank * StoredRows(model.config, entry.role) - 1];
        }
        CHECK((sum == sum || sum != sum));
      }
    }
  }
  CHECK(accepted > 0);  // scales may be anything
}

TEST_CASE("the head that the runtime writes says what FlatBuffers reads") {
  const Base base;
  for (const size_t count : {0u, 1u, 6u}) {
    DeltaFile delta =
        RandomDelta(base.model, {kChanges.begin(), kChanges.begin() + static_cast<long>(count)}, 1);
    uint64_t at = RoundUp(DeltaHeadBytes(static_cast<uint32_t>(count)), kAlignment), end = 0;
    for (DeltaEntry& entry : delta.entries) {
      entry.offset = at;
      end = at + entry.bytes;
      at = RoundUp(end, kAlignment);
    }
    std::string file(count == 0 ? DeltaHeadBytes(0) : end, '\0');
    auto* head = reinterpret_cast<uint8_t*>(file.data());
    WriteDeltaHead(ContentDigest(base.model), file.size(), static_cast<uint32_t>(count), head);
    if (count > 0) std::memcpy(head + kDeltaEntriesOffset, delta.entries.data(), count * sizeof(DeltaEntry));
    CHECK(base.Apply(file) == CLLM_OK);
    const schema::Delta* root = schema::GetSizePrefixedDelta(file.data());
    CHECK(root->format_major() == 1);
    CHECK(root->format_minor() == 0);
    CHECK(root->entries()->size() == count);
    CHECK(root->file_bytes() == file.size());
    CHECK(std::memcmp(root->base()->sha256()->data(), ContentDigest(base.model), 32) == 0);
  }
}

}  // namespace
}  // namespace cllm
