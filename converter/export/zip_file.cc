#include "converter/export/zip_file.h"

#include "absl/strings/str_cat.h"
#include "base/layout.h"
#include "converter/export/crc32.h"

namespace cllm {
namespace {

constexpr uint32_t kLocalHeader = 0x04034B50u, kCentralHeader = 0x02014B50u, kEnd = 0x06054B50u;
constexpr uint16_t kVersion = 20, kDate = 0x21;  // 1 January 1980: equal models give equal files
constexpr uint16_t kPaddingField = 0x4246;       // "FB", PyTorch's extra field for alignment

void Append16(uint32_t value, std::string* out) {
  out->push_back(static_cast<char>(value));
  out->push_back(static_cast<char>(value >> 8));
}

void Append32(uint32_t value, std::string* out) {
  Append16(value, out);
  Append16(value >> 16, out);
}

// What local and central headers share, from the version that is needed to the lengths.
std::string Common(uint32_t crc, uint32_t bytes, size_t name_bytes, size_t extra_bytes) {
  std::string fields;
  Append16(kVersion, &fields);
  Append16(0, &fields);  // flags
  Append16(0, &fields);  // stored
  Append16(0, &fields);  // time
  Append16(kDate, &fields);
  Append32(crc, &fields);
  Append32(bytes, &fields);
  Append32(bytes, &fields);
  Append16(static_cast<uint32_t>(name_bytes), &fields);
  Append16(static_cast<uint32_t>(extra_bytes), &fields);
  return fields;
}

}  // namespace

absl::Status ZipFile::CheckRoom(uint64_t end) const {
  if (end < UINT32_MAX && entries_.size() < 65534) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the archive would have ", end, " bytes in ",
                                                 entries_.size(),
                                                 " entries; a ZIP file takes 4 GB and 65,534"));
}

absl::Status ZipFile::Add(const std::string& name, std::string_view bytes) {
  constexpr uint64_t kHeaderBytes = 30, kFieldStart = 4;
  const uint64_t data = RoundUp(at_ + kHeaderBytes + name.size() + kFieldStart, kAlignment);
  if (absl::Status status = CheckRoom(data + bytes.size()); !status.ok()) return status;
  const uint64_t padding = data - at_ - kHeaderBytes - name.size() - kFieldStart;
  const Entry entry = {name, Crc32(bytes), static_cast<uint32_t>(bytes.size()), static_cast<uint32_t>(at_)};
  std::string header;
  Append32(kLocalHeader, &header);
  header += Common(entry.crc, entry.bytes, name.size(), static_cast<size_t>(kFieldStart + padding)) + name;
  Append16(kPaddingField, &header);
  Append16(static_cast<uint32_t>(padding), &header);
  header.append(static_cast<size_t>(padding), 'Z');
  entries_.push_back(entry);
  if (absl::Status status = file_->WriteAt(at_, header); !status.ok()) return status;
  at_ = data + bytes.size();
  return file_->WriteAt(data, bytes);
}

absl::Status ZipFile::Finish() {
  std::string directory;
  for (const Entry& entry : entries_) {
    Append32(kCentralHeader, &directory);
    Append16(kVersion, &directory);  // made by
    directory += Common(entry.crc, entry.bytes, entry.name.size(), 0);
    Append16(0, &directory);  // comment
    Append16(0, &directory);  // disk
    Append16(0, &directory);  // attributes
    Append32(0, &directory);
    Append32(entry.offset, &directory);
    directory += entry.name;
  }
  if (absl::Status status = CheckRoom(at_ + directory.size() + 22); !status.ok()) return status;
  const auto count = static_cast<uint32_t>(entries_.size()), bytes = static_cast<uint32_t>(directory.size());
  Append32(kEnd, &directory);
  Append32(0, &directory);  // disks
  Append16(count, &directory);
  Append16(count, &directory);
  Append32(bytes, &directory);
  Append32(static_cast<uint32_t>(at_), &directory);
  Append16(0, &directory);  // comment
  return file_->WriteAt(at_, directory);
}

}  // namespace cllm
