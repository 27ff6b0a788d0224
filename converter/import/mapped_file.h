// Room: converter/import. A file's bytes, mapped for reading.
#ifndef CLLM_CONVERTER_IMPORT_MAPPED_FILE_H_
#define CLLM_CONVERTER_IMPORT_MAPPED_FILE_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace cllm {

// Owns the mapping, which stays where it is when the object moves. Pages are read as they are looked at.
class MappedFile {
 public:
  // Errors name the path, and say that it must be `wanted`, such as "a .cllm file", where it is something
  // else: missing, a directory, a pipe, empty.
  static absl::StatusOr<MappedFile> Open(const std::string& path, const char* wanted);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::string_view bytes() const { return bytes_; }  // starts at a page

 private:
  std::string_view bytes_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_MAPPED_FILE_H_
