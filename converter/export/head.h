// Room: converter/export. The FlatBuffer head of a model file.
#ifndef CLLM_CONVERTER_EXPORT_HEAD_H_
#define CLLM_CONVERTER_EXPORT_HEAD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "converter/checkpoint/checkpoint.h"
#include "converter/export/sha256.h"
#include "converter/export/weight_formats.h"
#include "model/model.h"

namespace cllm {

struct SegmentEntry {
  uint64_t offset = 0;
  uint64_t bytes = 0;  // 0: the table leaves the segment out
  Sha256Digest digest = {};
};

// What the head says of the segments.
struct HeadEntries {
  std::vector<SegmentEntry> tensors;  // in the order of model/tensors.h
  SegmentEntry pieces, scores, merges, index, byte_tokens, words, added;
  Sha256Digest content_digest = {};
  uint64_t file_bytes = 0;
};

// The head with its size prefix. Its length depends on the checkpoint's configuration, tokenizer, provenance
// and on which segments there are, not on the values in `entries` as long as offsets are not zero.
std::string BuildHead(const Checkpoint& checkpoint, const Config& config, const WeightFormats& formats,
                      const HeadEntries& entries);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_HEAD_H_
