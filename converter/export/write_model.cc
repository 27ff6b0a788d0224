#include "converter/export/write_model.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "base/layout.h"
#include "converter/export/head.h"
#include "converter/export/output_file.h"
#include "converter/export/panels.h"
#include "converter/export/sha256.h"
#include "converter/tokenizer/segments.h"
#include "model/tensors.h"

namespace cllm {
namespace {

using WriteAt = absl::FunctionRef<absl::Status(uint64_t offset, std::string_view bytes)>;

std::string_view ViewOf(const std::vector<uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Places segments one after the other and writes them; the head, which needs their digests, comes last.
class SegmentWriter {
 public:
  SegmentWriter(uint64_t offset, WriteAt write) : offset_(offset), end_(offset), write_(write) {}

  absl::Status Write(std::string_view bytes, SegmentEntry* entry) {
    *entry = {offset_, bytes.size(), Sha256(bytes)};
    digests_.append(reinterpret_cast<const char*>(entry->digest.data()), entry->digest.size());
    end_ = offset_ + bytes.size();
    const uint64_t at = std::exchange(offset_, RoundUp(end_, kAlignment));
    return write_(at, bytes);
  }

  uint64_t end() const { return end_; }
  Sha256Digest ContentDigest() const { return Sha256(digests_); }

 private:
  uint64_t offset_;
  uint64_t end_;  // of the last segment
  WriteAt write_;
  std::string digests_;
};

absl::Status WriteTokenizer(const TokenizerSegments& segments, SegmentWriter* writer, HeadEntries* head) {
  const std::pair<const std::vector<uint8_t>*, SegmentEntry*> tables[] = {
      {&segments.pieces, &head->pieces},
      {&segments.scores, &head->scores},
      {&segments.merges, &head->merges},
      {&segments.index, &head->index},
      {&segments.byte_tokens, &head->byte_tokens},
      {&segments.words, &head->words},
      {&segments.added, &head->added}};
  for (const auto& [bytes, entry] : tables) {
    if (bytes->empty()) continue;
    if (absl::Status status = writer->Write(ViewOf(*bytes), entry); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Entries as they will be, but for offsets and digests: enough to know the head's length.
HeadEntries Outline(const Config& config, const WeightFormats& formats, const TokenizerSegments& tokenizer) {
  HeadEntries head;
  for (uint32_t i = 0; i < TensorCount(config); ++i) {
    const TensorPlace place = PlaceOf(config, i);
    const Dtype format = formats.Of({place.role, place.layer});
    head.tensors.push_back({kAlignment, StoredBytes(config, place.role, format), {}});
  }
  head.pieces = {kAlignment, tokenizer.pieces.size(), {}};
  head.scores = {kAlignment, tokenizer.scores.size(), {}};
  head.merges = {kAlignment, tokenizer.merges.size(), {}};
  head.index = {kAlignment, tokenizer.index.size(), {}};
  head.byte_tokens = {kAlignment, tokenizer.byte_tokens.size(), {}};
  head.words = {kAlignment, tokenizer.words.size(), {}};
  head.added = {kAlignment, tokenizer.added.size(), {}};
  head.file_bytes = kAlignment;
  return head;
}

// A segment's bytes. Of a tensor with a source its values are in memory only here.
absl::StatusOr<std::string> Pack(const Checkpoint& checkpoint, const Config& config, const TensorKey& key,
                                 Dtype format, const RoundedTensors& rounded) {
  const FloatTensor& tensor = checkpoint.tensors.at(key);
  if (const auto rows = rounded.find(key); rows != rounded.end())
    return PackRoundedRows(config, key.first, rows->second, tensor.columns, FineBits(format));
  if (!tensor.source) return PackTensor(config, key.first, tensor, format);
  const absl::StatusOr<FloatTensor> loaded = LoadTensor(key, tensor);
  if (!loaded.ok()) return loaded.status();
  return PackTensor(config, key.first, *loaded, format);
}

absl::Status WriteTo(const Checkpoint& checkpoint, const WeightFormats& formats,
                     const RoundedTensors& rounded, WriteAt write) {
  if (absl::Status status = CheckCheckpoint(checkpoint); !status.ok()) return status;
  absl::StatusOr<TokenizerSegments> tokenizer = PackTokenizer(checkpoint.tokenizer);
  if (!tokenizer.ok()) return tokenizer.status();
  Config config = ToConfig(checkpoint.architecture);
  config.weights = formats.Narrowest(config);

  HeadEntries head = Outline(config, formats, *tokenizer);
  const size_t head_bytes = BuildHead(checkpoint, config, formats, head).size();
  SegmentWriter writer(RoundUp(head_bytes, kAlignment), write);
  for (uint32_t i = 0; i < TensorCount(config); ++i) {
    const TensorPlace place = PlaceOf(config, i);
    const TensorKey key = {place.role, place.layer};
    const absl::StatusOr<std::string> packed = Pack(checkpoint, config, key, formats.Of(key), rounded);
    if (!packed.ok()) return packed.status();
    if (absl::Status status = writer.Write(*packed, &head.tensors[i]); !status.ok()) return status;
  }
  if (absl::Status status = WriteTokenizer(*tokenizer, &writer, &head); !status.ok()) return status;
  head.content_digest = writer.ContentDigest();
  head.file_bytes = writer.end();
  const std::string built = BuildHead(checkpoint, config, formats, head);
  if (built.size() != head_bytes) {
    return absl::InternalError(absl::StrCat("the head has ", built.size(), " bytes, not ", head_bytes));
  }
  return write(0, built);
}

}  // namespace

absl::Status WriteModel(const Checkpoint& checkpoint, const WeightFormats& formats, const std::string& path,
                        const RoundedTensors& rounded) {
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  const auto write = [&file](uint64_t offset, std::string_view bytes) {
    return file->WriteAt(offset, bytes);
  };
  if (absl::Status status = WriteTo(checkpoint, formats, rounded, write); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(path, " was not written: ", status.message()));
  }
  return file->Commit();
}

absl::StatusOr<std::string> WriteModelToString(const Checkpoint& checkpoint, const WeightFormats& formats,
                                               const RoundedTensors& rounded) {
  std::string file;
  const auto write = [&file](uint64_t offset, std::string_view bytes) {
    if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
    std::memcpy(file.data() + offset, bytes.data(), bytes.size());
    return absl::OkStatus();
  };
  if (absl::Status status = WriteTo(checkpoint, formats, rounded, write); !status.ok()) return status;
  return file;
}

}  // namespace cllm
