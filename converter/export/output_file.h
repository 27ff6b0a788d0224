// Room: converter/export. A file that appears whole or not at all.
#ifndef CLLM_CONVERTER_EXPORT_OUTPUT_FILE_H_
#define CLLM_CONVERTER_EXPORT_OUTPUT_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cllm {

// Writes to a temporary file in the target's directory. Commit makes it durable and renames it over the
// target; without Commit the destructor removes it, and the target stays as it was.
class OutputFile {
 public:
  static absl::StatusOr<OutputFile> Create(const std::string& path);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  // Bytes between pieces that are never written are zero.
  absl::Status WriteAt(uint64_t offset, std::string_view bytes);
  absl::Status Commit();

 private:
  OutputFile(std::string path, std::string temporary, int descriptor);
  absl::Status Error(const char* doing) const;  // from errno

  std::string path_;
  std::string temporary_;
  int descriptor_;
};

// What a new file or folder may have of `permissions`: all but the process's mask.
uint32_t Unmasked(uint32_t permissions);

// A small file in one go, with the same promise.
absl::Status WriteWholeFile(const std::string& path, std::string_view bytes);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_OUTPUT_FILE_H_
