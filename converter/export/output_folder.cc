#include "converter/export/output_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "converter/export/output_file.h"

namespace cllm {
namespace {

std::string WithoutSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

absl::Status CheckOutputFolder(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("the output path is empty; name a folder");
  std::error_code error;
  const std::filesystem::path target = WithoutSlashes(path);
  if (std::filesystem::exists(target, error)) {
    if (!std::filesystem::is_directory(target, error))
      return absl::AlreadyExistsError(absl::StrCat(path, " is a file; name a new folder"));
    if (!std::filesystem::is_empty(target, error))
      return absl::AlreadyExistsError(absl::StrCat(path, " is a folder with files in it; name a new one"));
  }
  const std::filesystem::path parent = target.has_parent_path() ? target.parent_path() : ".";
  if (!std::filesystem::is_directory(parent, error))
    return absl::NotFoundError(absl::StrCat(path, ": there is no folder ", parent.string()));
  return absl::OkStatus();
}

OutputFolder::OutputFolder(std::string path, std::string temporary)
    : path_(std::move(path)), temporary_(std::move(temporary)) {}

OutputFolder::OutputFolder(OutputFolder&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, "")) {}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
}

absl::StatusOr<OutputFolder> OutputFolder::Create(const std::string& path) {
  if (absl::Status status = CheckOutputFolder(path); !status.ok()) return status;
  const std::string target = WithoutSlashes(path);
  std::string temporary = target + ".partial-XXXXXX";
  if (::mkdtemp(temporary.data()) == nullptr || ::chmod(temporary.c_str(), Unmasked(0777)) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot create a folder beside ", target));
  return OutputFolder(target, temporary);
}

std::string OutputFolder::PathOf(const std::string& name) const {
  return absl::StrCat(temporary_, "/", name);
}

absl::Status OutputFolder::Commit() {
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot rename the finished folder to ", path_));
  temporary_.clear();
  return absl::OkStatus();
}

}  // namespace cllm
