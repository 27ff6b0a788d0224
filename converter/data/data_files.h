// Room: converter/data. Which files a corpus is made of, and how to tell whether one has changed.
#ifndef CLLM_CONVERTER_DATA_DATA_FILES_H_
#define CLLM_CONVERTER_DATA_DATA_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace cllm {

struct DataFile {
  std::string path;
  std::string digest;  // SHA-256 of its bytes, hexadecimal
};

// The files of `paths` in that order, each folder replaced by all files below it in the byte order of their
// paths; names that begin with a dot and empty files are left out. Errors name the path: missing, unreadable,
// a folder without files.
absl::StatusOr<std::vector<std::string>> FindDataFiles(const std::vector<std::string>& paths);

// Reads every file once. Errors name the file.
absl::StatusOr<std::vector<DataFile>> DigestDataFiles(const std::vector<std::string>& files);

// InvalidArgument if `now` is not what `before` was: names the first file that is new, missing or changed.
absl::Status CheckSameDataFiles(const std::vector<DataFile>& before, const std::vector<DataFile>& now);

}  // namespace cllm

#endif  // CLLM_CONVERTER_DATA_DATA_FILES_H_
