#include "converter/data/data_files.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "converter/export/sha256.h"
#include "converter/import/mapped_file.h"

namespace cllm {
namespace {

namespace fs = std::filesystem;

bool IsHidden(const fs::path& path) { return path.filename().string().rfind('.', 0) == 0; }

absl::Status WalkFolder(const std::string& folder, std::vector<std::string>* files) {
  std::vector<std::string> found;
  std::error_code error;
  fs::recursive_directory_iterator i(folder, fs::directory_options::follow_directory_symlink, error), end;
  for (; !error && i != end; i.increment(error)) {
    if (IsHidden(i->path())) {
      i.disable_recursion_pending();
    } else if (i->is_regular_file() && i->file_size() > 0) {
      found.push_back(i->path().string());
    }
  }
  if (error) return absl::InvalidArgumentError(absl::StrCat(folder, ": cannot read: ", error.message()));
  if (found.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(folder, ": there are no files in this folder"));
  }
  std::sort(found.begin(), found.end());
  files->insert(files->end(), found.begin(), found.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> FindDataFiles(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
      files.push_back(path);
    } else if (absl::Status status = WalkFolder(path, &files); !status.ok()) {
      return status;
    }
  }
  return files;
}

absl::StatusOr<std::vector<DataFile>> DigestDataFiles(const std::vector<std::string>& files) {
  std::vector<DataFile> digests;
  for (const std::string& path : files) {
    const absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a text file");
    if (!file.ok()) return file.status();
    digests.push_back({path, Hexadecimal(Sha256(file->bytes()))});
  }
  return digests;
}

absl::Status CheckSameDataFiles(const std::vector<DataFile>& before, const std::vector<DataFile>& now) {
  std::map<std::string, std::string> digests;
  for (const DataFile& file : now) digests[file.path] = file.digest;
  for (const DataFile& file : before) {
    const auto found = digests.find(file.path);
    if (found == digests.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(file.path, " is no longer there; put it back, or train anew"));
    }
    if (found->second != file.digest) {
      return absl::InvalidArgumentError(absl::StrCat(
          file.path, " is not the file that the checkpoint was made with; put that one back, or train anew"));
    }
    digests.erase(found);
  }
  if (digests.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      digests.begin()->first, " was not there when the checkpoint was made; take it away, or train anew"));
}

}  // namespace cllm
