#include "converter/data/document_reader.h"

#include <algorithm>
#include <utility>

namespace cllm {
namespace {

constexpr size_t kRefillBytes = size_t{1} << 20;
constexpr size_t kCutBytes = size_t{1} << 16;  // how far back a place to cut is looked for

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Whether a word begins at `at` whatever else the text holds: at a visible byte after a newline, or at the
// space between two visible bytes.
bool WordBeginsAt(std::string_view text, size_t at) {
  if (text[at - 1] == '\n') return !IsSpace(text[at]);
  return text[at] == ' ' && !IsSpace(text[at - 1]) && !IsSpace(text[at + 1]);
}

}  // namespace

absl::StatusOr<DocumentReader> DocumentReader::Open(const std::string& path, DocumentSplit split,
                                                    bool may_cut, size_t part_bytes) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a text file");
  if (!file.ok()) return file.status();
  DocumentReader reader(*std::move(file), split, may_cut, part_bytes);
  const std::string_view bytes = reader.file_.bytes();
  if (CompressionOf(bytes) == Compression::kNone) {
    reader.window_ = bytes;
    return reader;
  }
  absl::StatusOr<std::unique_ptr<ByteStream>> unpacked = Unpack(bytes, path);
  if (!unpacked.ok()) return unpacked.status();
  reader.unpacked_ = *std::move(unpacked);
  reader.complete_ = false;
  return reader;
}

absl::Status DocumentReader::Refill() {
  // What was given out goes; the rest moves to the front, seldom, for it is short beside what is added.
  std::string kept(window_);
  const size_t more = std::max(kRefillBytes, kept.size());
  buffer_ = std::move(kept);
  const size_t before = buffer_.size();
  buffer_.resize(before + more);
  const absl::StatusOr<size_t> count = unpacked_->Read(buffer_.data() + before, more);
  if (!count.ok()) return count.status();
  complete_ = *count == 0;
  buffer_.resize(before + *count);
  window_ = buffer_;
  return absl::OkStatus();
}

// The last place in the scanned text at which it may be cut; 0 if there is none.
size_t DocumentReader::Cut() const {
  const size_t last = std::min(scanned_, window_.size() - 1);
  for (size_t at = last; at-- > 1 && last - at < kCutBytes;) {
    if (WordBeginsAt(window_, at)) return at;
  }
  return 0;
}

// Looks for the end of the document that window_ begins with: its text is window_[0, *end), and what follows
// it begins at *next. *ends is false if the text is only a part.
absl::Status DocumentReader::FindEnd(size_t* end, size_t* next, bool* ends) {
  *ends = true;
  for (;;) {
    if (may_cut_ && scanned_ >= part_bytes_) {
      *ends = false;
      *end = *next = Cut();
      if (*end > 0) return absl::OkStatus();
    }
    size_t line_end = split_ == DocumentSplit::kWhole
                          ? (scanned_ + part_bytes_ < window_.size() ? scanned_ + part_bytes_ : window_.npos)
                          : window_.find('\n', scanned_);
    *ends = true;
    if (line_end == window_.npos) {
      if (!complete_) {
        if (split_ == DocumentSplit::kWhole) scanned_ = window_.size();
        if (absl::Status status = Refill(); !status.ok()) return status;
        continue;
      }
      line_end = window_.size();
    }
    const bool last = line_end == window_.size();
    const std::string_view line = window_.substr(scanned_, line_end - scanned_);
    if (split_ != DocumentSplit::kWhole && SeparatesDocuments(line, split_)) {
      *end = scanned_;
      *next = last ? line_end : line_end + 1;
      return absl::OkStatus();
    }
    scanned_ = split_ == DocumentSplit::kWhole || last ? line_end : line_end + 1;
    if (last || split_ == DocumentSplit::kLines) {
      *end = line_end;
      *next = scanned_;
      return absl::OkStatus();
    }
  }
}

absl::StatusOr<bool> DocumentReader::Next(DocumentPart* part) {
  for (;;) {
    if (window_.empty() && complete_) return false;
    size_t end = 0, next = 0;
    scanned_ = 0;
    bool ends = true;
    if (absl::Status status = FindEnd(&end, &next, &ends); !status.ok()) return status;
    std::string_view text = window_.substr(0, end);
    window_.remove_prefix(next);
    if (split_ != DocumentSplit::kWhole) text = WithoutNewlines(text, !inside_, ends);
    const bool begins = !inside_;
    inside_ = !ends && (inside_ || !text.empty());
    if (text.empty() && begins) continue;
    *part = {text, begins, ends};
    return true;
  }
}

absl::Status DocumentReader::ForEach(const std::function<absl::Status(const DocumentPart&)>& visit) {
  DocumentPart part;
  for (;;) {
    const absl::StatusOr<bool> more = Next(&part);
    if (!more.ok() || !*more) return more.status();
    if (absl::Status status = visit(part); !status.ok()) return status;
  }
}

absl::StatusOr<bool> FileHasDocumentMarker(const std::string& path) {
  absl::StatusOr<DocumentReader> reader = DocumentReader::Open(path, DocumentSplit::kLines, true);
  if (!reader.ok()) return reader.status();
  DocumentPart line;
  for (;;) {
    const absl::StatusOr<bool> more = reader->Next(&line);
    if (!more.ok() || !*more) return more;
    if (line.begins && line.ends && SeparatesDocuments(line.text, DocumentSplit::kMarker)) return true;
  }
}

}  // namespace cllm
