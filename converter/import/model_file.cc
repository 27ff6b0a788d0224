#include "converter/import/model_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/layout.h"

namespace cllm {
namespace {

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int value() const { return value_; }

 private:
  int value_;
};

absl::Status SystemError(const std::string& path, const char* doing) {
  const int error = errno;
  return absl::ErrnoToStatus(error, absl::StrCat("cannot ", doing, " ", path));
}

const char* Remedy(cllm_status status) {
  switch (status) {
    case CLLM_FILE_NOT_CLLM: return "Give a file that `cllm train`, `cllm import` or `cllm quantize` wrote";
    case CLLM_FILE_TRUNCATED: return "Copy or convert the file again: it is cut short";
    case CLLM_FILE_VERSION: return "Use a newer cllm, or convert the source again with this one";
    default: break;
  }
  if (status >= CLLM_FILE_TRUNCATED && status < CLLM_UNSUPPORTED_NORM) {
    return "The file is damaged: copy or convert it again";
  }
  if (status >= CLLM_UNSUPPORTED_NORM) return "This version of cllm cannot run it; a newer one may";
  return "";
}

}  // namespace

absl::Status ExplainStatus(cllm_status status, std::string_view what) {
  if (status == CLLM_OK) return absl::OkStatus();
  const char* remedy = Remedy(status);
  const std::string text = absl::StrCat(std::string(what), ": ", cllm_status_name(status));
  return absl::InvalidArgumentError(*remedy == '\0' ? text : absl::StrCat(text, ". ", remedy, "."));
}

absl::Status ModelFile::OpenBytes() {
  if (absl::Status status = ExplainStatus(cllm_model_open(bytes_, size_, &handle_), path_); !status.ok()) {
    return status;
  }
  return ExplainStatus(OpenModel(bytes_, size_, &model_), path_);
}

absl::StatusOr<ModelFile> ModelFile::Open(const std::string& path) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.value() < 0) return SystemError(path, "open");
  struct stat info;
  if (::fstat(descriptor.value(), &info) != 0) return SystemError(path, "look at");
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file; give a .cllm file"));
  }
  if (info.st_size == 0)
    return absl::InvalidArgumentError(absl::StrCat(path, " is empty; give a .cllm file"));
  ModelFile file;
  file.path_ = path;
  file.size_ = static_cast<uint64_t>(info.st_size);
  if (file.size_ > SIZE_MAX) return absl::ResourceExhaustedError(absl::StrCat(path, " is too large to map"));
  void* mapping =
      ::mmap(nullptr, static_cast<size_t>(file.size_), PROT_READ, MAP_PRIVATE, descriptor.value(), 0);
  if (mapping == MAP_FAILED) return SystemError(path, "map");
  file.bytes_ = static_cast<uint8_t*>(mapping);
  file.mapped_ = true;
  if (absl::Status status = file.OpenBytes(); !status.ok()) return status;
  return file;
}

absl::StatusOr<ModelFile> ModelFile::FromBytes(std::string_view bytes, const std::string& name) {
  ModelFile file;
  file.path_ = name;
  file.size_ = bytes.size();
  const uint64_t room = RoundUp(bytes.size() + 1, kAlignment);
  file.bytes_ = static_cast<uint8_t*>(std::aligned_alloc(kAlignment, static_cast<size_t>(room)));
  if (file.bytes_ == nullptr) return absl::ResourceExhaustedError(absl::StrCat("no memory for ", name));
  if (!bytes.empty()) std::memcpy(file.bytes_, bytes.data(), bytes.size());
  if (absl::Status status = file.OpenBytes(); !status.ok()) return status;
  return file;
}

ModelFile::ModelFile(ModelFile&& other) noexcept { *this = std::move(other); }

ModelFile& ModelFile::operator=(ModelFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  std::swap(handle_, other.handle_);
  std::swap(model_, other.model_);
  return *this;
}

ModelFile::~ModelFile() {
  if (bytes_ == nullptr) return;
  if (mapped_) {
    ::munmap(bytes_, static_cast<size_t>(size_));
  } else {
    std::free(bytes_);
  }
}

}  // namespace cllm
