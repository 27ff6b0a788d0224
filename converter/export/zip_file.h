// Room: converter/export. ZIP archives without compression (PKWARE's APPNOTE 6.3), as PyTorch reads them.
#ifndef CLLM_CONVERTER_EXPORT_ZIP_FILE_H_
#define CLLM_CONVERTER_EXPORT_ZIP_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "converter/export/output_file.h"

namespace cllm {

// Entries are written as they come; each one's bytes start at a multiple of 64. Finish writes the directory;
// after that the file may be committed. An archive has at most 4 GB, and 65,534 entries.
class ZipFile {
 public:
  explicit ZipFile(OutputFile* file) : file_(file) {}

  absl::Status Add(const std::string& name, std::string_view bytes);
  absl::Status Finish();

 private:
  struct Entry {
    std::string name;
    uint32_t crc;
    uint32_t bytes;
    uint32_t offset;
  };
  absl::Status CheckRoom(uint64_t end) const;

  OutputFile* file_;
  std::vector<Entry> entries_;
  uint64_t at_ = 0;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_ZIP_FILE_H_
