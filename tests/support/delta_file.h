// Delta files made by FlatBuffers' builder, for tests; the runtime writes their heads in a way of its own.
#ifndef CLLM_TESTS_SUPPORT_DELTA_FILE_H_
#define CLLM_TESTS_SUPPORT_DELTA_FILE_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/layout.h"
#include "model/delta.h"
#include "model/model.h"
#include "model/tensors.h"
#include "schemas/delta_generated.h"

namespace cllm::testing {

struct DeltaChange {
  Role role;
  uint32_t layer;
  uint32_t rank;  // 0: a replacement
  float scale = 0.5f;
};

// Entries and their segments; whatever is in `entries` goes into the file, segments where they can.
struct DeltaFile {
  std::vector<DeltaEntry> entries;
  std::vector<std::vector<float>> segments;
  std::vector<uint8_t> base;  // 32 bytes
  uint16_t major = 1;
  uint64_t file_bytes = 0;  // as the head says it

  // Offsets for segments that follow the head one after the other.
  void Place() {
    uint64_t at = RoundUp(Head().size(), kAlignment);
    for (DeltaEntry& entry : entries) {
      entry.offset = at;
      at = RoundUp(at + entry.bytes, kAlignment);
    }
    file_bytes = entries.empty() ? Head().size() : entries.back().offset + entries.back().bytes;
  }

  std::string Build() const {
    std::string file = Head();
    const size_t head = file.size();
    for (size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].offset < head || entries[i].offset > (uint64_t{1} << 20)) continue;
      file.resize(std::max<size_t>(file.size(), entries[i].offset + segments[i].size() * 4));
      std::memcpy(&file[entries[i].offset], segments[i].data(), segments[i].size() * 4);
    }
    return file;
  }

 private:
  std::string Head() const {
    flatbuffers::FlatBufferBuilder builder;
    schema::DeltaDigest digest(flatbuffers::span<const uint8_t, 32>(base.data(), 32));
    std::vector<schema::DeltaEntry> stored(entries.size());
    if (!entries.empty())
      std::memcpy(static_cast<void*>(stored.data()), entries.data(), entries.size() * sizeof(DeltaEntry));
    const auto vector = builder.CreateVectorOfStructs(stored);
    schema::DeltaBuilder delta(builder);
    delta.add_format_major(major);
    delta.add_base(&digest);
    delta.add_entries(vector);
    delta.add_file_bytes(file_bytes);
    builder.FinishSizePrefixed(delta.Finish(), schema::DeltaIdentifier());
    return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
  }
};

// Random floats of a size that matters beside the weights; padding is zero.
inline DeltaFile RandomDelta(const Model& model, const std::vector<DeltaChange>& changes, uint32_t seed) {
  std::mt19937 random(seed);
  const auto draw = [&] { return static_cast<float>(random() >> 8) / 8388608.0f - 1.0f; };
  DeltaFile delta;
  delta.base.assign(ContentDigest(model), ContentDigest(model) + 32);
  for (const DeltaChange& change : changes) {
    const DeltaKind kind = change.rank != 0 ? DeltaKind::kAdapter : DeltaKind::kReplacement;
    const uint64_t bytes = DeltaSegmentBytes(model.config, change.role, kind, change.rank);
    std::vector<float> segment(bytes / 4);
    const TensorShape shape = ShapeOf(model.config, change.role);
    const size_t inner = PaddedRow(shape.columns), outer = StoredRows(model.config, change.role);
    const float size = 1.0f / std::sqrt(static_cast<float>(shape.columns));
    for (size_t i = 0; i < change.rank; ++i) {
      for (size_t k = 0; k < shape.columns; ++k) segment[i * inner + k] = draw() * size;
      for (size_t n = 0; n < outer; ++n) {
        const bool padding =
            change.role == Role::kGateUp ? n / 32 * 16 + n % 16 >= shape.rows / 2 : n >= shape.rows;
        segment[change.rank * inner + i * outer + n] = padding ? 0.0f : draw();
      }
    }
    if (change.rank == 0 && IsVector(change.role)) {
      for (size_t k = 0; k < shape.columns; ++k) segment[k] = 1.0f + 0.3f * draw();
    } else if (change.rank == 0) {
      for (size_t i = 0; i < segment.size(); ++i) {
        const size_t row = i / (16 * shape.columns) * 16 + i % 16;
        const bool padding =
            change.role == Role::kGateUp ? row / 32 * 16 + row % 16 >= shape.rows / 2 : row >= shape.rows;
        segment[i] = padding ? 0.0f : draw() * size;
      }
    }
    delta.entries.push_back({0, bytes, change.layer, change.rank, change.rank != 0 ? change.scale : 0.0f,
                             change.role, kind, Dtype::kF32, 0});
    delta.segments.push_back(std::move(segment));
  }
  delta.Place();
  return delta;
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_SUPPORT_DELTA_FILE_H_
