#include "converter/update/diff.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>
#include <vector>

#include "converter/export/sha256.h"
#include "converter/import/model_file.h"
#include "update/patch.h"

namespace cllm {
namespace {

// Bytes of the new file that are to be made of as many of the old one.
struct Match {
  uint64_t new_offset, old_offset, bytes;
};

// Appends operations to a patch.
class PatchWriter {
 public:
  PatchWriter(std::string_view old_file, std::string_view new_file) : old_(old_file), new_(new_file) {}

  void Insert(uint64_t new_offset, uint64_t bytes) {
    if (bytes == 0) return;
    Number(bytes << 1 | kInsert);
    text_.append(new_.substr(new_offset, bytes));
  }

  // Runs of equal bytes and of others in turn. An equal run that is shorter than its numbers counts as
  // changed.
  void FromOld(const Match& match) {
    if (match.bytes == 0) return;
    Number(match.bytes << 1 | kFromOld);
    const bool up = match.old_offset >= old_end_;
    Number(up ? (match.old_offset - old_end_) << 1 : (old_end_ - match.old_offset - 1) << 1 | 1);
    old_end_ = match.old_offset + match.bytes;
    for (uint64_t at = 0; at < match.bytes;) {
      const uint64_t same = EqualRun(match, at, match.bytes - at);
      Number(same);
      at += same;
      if (at == match.bytes) break;
      uint64_t end = at + 1;
      while (end < match.bytes && EqualRun(match, end, kLeastRun) < std::min(kLeastRun, match.bytes - end))
        ++end;
      Number(end - at);
      for (; at < end; ++at)
        text_ += static_cast<char>(new_[match.new_offset + at] - old_[match.old_offset + at]);
    }
  }

  const std::string& text() const { return text_; }

 private:
  static constexpr uint64_t kLeastRun = 4;

  uint64_t EqualRun(const Match& match, uint64_t at, uint64_t most) const {
    const char *a = new_.data() + match.new_offset + at, *b = old_.data() + match.old_offset + at;
    const uint64_t limit = std::min(most, match.bytes - at);
    return static_cast<uint64_t>(std::mismatch(a, a + limit, b).first - a);
  }

  void Number(uint64_t number) {
    for (; number >= 0x80; number >>= 7) text_ += static_cast<char>(number | 0x80);
    text_ += static_cast<char>(number);
  }

  std::string_view old_, new_;
  std::string text_;
  uint64_t old_end_ = 0;  // of the last bytes from it
};

// Tensors of the new model whose bytes are laid out like the old one's, and whole tokenizer tables.
std::vector<Match> SegmentMatches(std::string_view old_file, std::string_view new_file) {
  const absl::StatusOr<ModelFile> before = ModelFile::FromBytes(old_file, "old"),
                                  after = ModelFile::FromBytes(new_file, "new");
  std::vector<Match> matches;
  if (!before.ok() || !after.ok()) return matches;
  std::map<std::pair<Role, uint32_t>, TableEntry> entries;
  for (uint32_t i = 0; i < before->model().tensor_count; ++i) {
    const TableEntry entry = TensorAt(before->model(), i);
    entries.insert({{entry.role, entry.layer}, entry});
  }
  for (uint32_t i = 0; i < after->model().tensor_count; ++i) {
    const TableEntry entry = TensorAt(after->model(), i);
    const auto found = entries.find({entry.role, entry.layer});
    if (found == entries.end()) continue;
    const Tensor &a = entry.tensor, &b = found->second.tensor;
    if (a.dtype != b.dtype || a.columns != b.columns || entry.bytes != found->second.bytes) continue;
    matches.push_back({static_cast<uint64_t>(static_cast<const uint8_t*>(a.data) - after->bytes()),
                       static_cast<uint64_t>(static_cast<const uint8_t*>(b.data) - before->bytes()),
                       entry.bytes});
  }
  return matches;
}

// Finds bytes of the new file in the old one, at whatever offset: pieces at multiples of 32 are looked up by
// their hash, and what is found grows in both directions.
class PieceIndex {
 public:
  explicit PieceIndex(std::string_view old_file) : old_(old_file) {
    for (uint64_t at = 0; at + kPiece <= old_.size(); at += kPiece)
      first_.try_emplace(HashOf(old_.data() + at), at);
  }

  void Cover(std::string_view file, uint64_t begin, uint64_t end, PatchWriter* patch) const {
    uint64_t done = begin;
    for (uint64_t at = begin; at + kPiece <= end;) {
      const auto found = first_.find(HashOf(file.data() + at));
      if (found == first_.end() || std::memcmp(old_.data() + found->second, file.data() + at, kPiece) != 0) {
        ++at;
        continue;
      }
      Match match = {at, found->second, kPiece};
      while (match.new_offset > done && match.old_offset > 0 &&
             file[match.new_offset - 1] == old_[match.old_offset - 1]) {
        --match.new_offset, --match.old_offset, ++match.bytes;
      }
      while (match.new_offset + match.bytes < end && match.old_offset + match.bytes < old_.size() &&
             file[match.new_offset + match.bytes] == old_[match.old_offset + match.bytes]) {
        ++match.bytes;
      }
      patch->Insert(done, match.new_offset - done);
      patch->FromOld(match);
      done = at = match.new_offset + match.bytes;
    }
    patch->Insert(done, end - done);
  }

 private:
  static constexpr uint64_t kPiece = 32;

  static uint64_t HashOf(const char* bytes) {
    uint64_t words[kPiece / 8], hash = 0;
    std::memcpy(words, bytes, sizeof(words));
    for (const uint64_t word : words) hash = (hash ^ word) * 0x9E3779B97F4A7C15u + (hash >> 29);
    return hash;
  }

  std::string_view old_;
  std::unordered_map<uint64_t, uint64_t> first_;  // the first place of a piece
};

}  // namespace

std::string MakePatch(std::string_view old_file, std::string_view new_file) {
  PatchWriter patch(old_file, new_file);
  const PieceIndex index(old_file);
  uint64_t done = 0;
  for (const Match& match : SegmentMatches(old_file, new_file)) {
    index.Cover(new_file, done, match.new_offset, &patch);
    patch.FromOld(match);
    done = match.new_offset + match.bytes;
  }
  index.Cover(new_file, done, new_file.size(), &patch);

  PatchHead head = {};
  std::memcpy(head.identifier, kPatchIdentifier, sizeof(head.identifier));
  head.major = kPatchMajor;
  head.patch_bytes = sizeof(head) + patch.text().size();
  head.old_bytes = old_file.size();
  head.new_bytes = new_file.size();
  const Sha256Digest old_digest = old_file.empty() ? Sha256Digest{} : Sha256(old_file),
                     new_digest = Sha256(new_file);
  std::memcpy(head.old_digest, old_digest.data(), old_digest.size());
  std::memcpy(head.new_digest, new_digest.data(), new_digest.size());
  return std::string(reinterpret_cast<const char*>(&head), sizeof(head)) + patch.text();
}

absl::StatusOr<std::string> ApplyPatch(std::string_view old_file, std::string_view patch,
                                       const std::string& patch_name) {
  std::string made;
  PatchEnds ends = {
      reinterpret_cast<const uint8_t*>(old_file.data()), old_file.size(), {}, &made, nullptr, nullptr};
  const Sha256Digest digest = Sha256(old_file);
  std::memcpy(ends.old_digest, digest.data(), digest.size());
  ends.start = [](void*, const PatchHead&) { return CLLM_OK; };
  ends.put = [](void* self, const uint8_t* bytes, size_t count) {
    static_cast<std::string*>(self)->append(reinterpret_cast<const char*>(bytes), count);
    return CLLM_OK;
  };
  Patcher patcher;
  patcher.Begin(ends);
  cllm_status status = patcher.Write(reinterpret_cast<const uint8_t*>(patch.data()), patch.size());
  if (status == CLLM_OK) status = patcher.Finish();
  if (absl::Status words = ExplainStatus(status, patch_name); !words.ok()) return words;
  return made;
}

}  // namespace cllm
