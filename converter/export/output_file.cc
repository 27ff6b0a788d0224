#include "converter/export/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cllm {
namespace {

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool IsDirectory(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace

uint32_t Unmasked(uint32_t permissions) {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return permissions & ~mask;
}

OutputFile::OutputFile(std::string path, std::string temporary, int descriptor)
    : path_(std::move(path)), temporary_(std::move(temporary)), descriptor_(descriptor) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

OutputFile::~OutputFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

absl::Status OutputFile::Error(const char* doing) const {
  const int error = errno;
  const absl::Status status = absl::ErrnoToStatus(error, absl::StrCat("cannot ", doing, " ", path_));
  if (error != ENOSPC && error != EDQUOT && error != EFBIG) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), "; make room there, or write elsewhere"));
}

absl::StatusOr<OutputFile> OutputFile::Create(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("the output path is empty; name a file");
  if (IsDirectory(path)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is a directory; name a file in it"));
  }
  std::string temporary = path + ".partial-XXXXXX";
  const int descriptor = ::mkstemp(temporary.data());
  OutputFile file(path, temporary, descriptor);
  if (descriptor < 0) return file.Error("create a file beside");
  if (::fchmod(descriptor, Unmasked(0666)) != 0) return file.Error("set the permissions of");
  return file;
}

absl::Status OutputFile::WriteAt(uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Error("write");
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::Status OutputFile::Commit() {
  if (::fsync(descriptor_) != 0) return Error("write to the disk");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return Error("rename the finished file to");
  ::close(std::exchange(descriptor_, -1));
  // The rename itself is durable once the directory is; not every file system can do that, so no error.
  const int directory = ::open(DirectoryOf(path_).c_str(), O_RDONLY | O_DIRECTORY);
  if (directory >= 0) {
    (void)::fsync(directory);
    ::close(directory);
  }
  return absl::OkStatus();
}

absl::Status WriteWholeFile(const std::string& path, std::string_view bytes) {
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = file->WriteAt(0, bytes); !status.ok()) return status;
  return file->Commit();
}

}  // namespace cllm
