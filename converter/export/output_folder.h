// Room: converter/export. A folder that appears whole or not at all.
#ifndef CLLM_CONVERTER_EXPORT_OUTPUT_FOLDER_H_
#define CLLM_CONVERTER_EXPORT_OUTPUT_FOLDER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cllm {

// Files go into a temporary folder beside the target. Commit renames it; without Commit the destructor
// removes it with all that is in it. What is at the target already, but for an empty folder, stays, and is an
// error.
class OutputFolder {
 public:
  static absl::StatusOr<OutputFolder> Create(const std::string& path);

  OutputFolder(OutputFolder&& other) noexcept;
  OutputFolder& operator=(OutputFolder&&) = delete;
  ~OutputFolder();

  // A path for a file of this name.
  std::string PathOf(const std::string& name) const;
  absl::Status Commit();

 private:
  OutputFolder(std::string path, std::string temporary);

  std::string path_;
  std::string temporary_;  // "": there is none any more
};

// The error that Create or Commit would give, before long work.
absl::Status CheckOutputFolder(const std::string& path);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_OUTPUT_FOLDER_H_
