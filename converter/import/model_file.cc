#include "converter/import/model_file.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/layout.h"

namespace cllm {
namespace {

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
  absl::StatusOr<MappedFile> mapping = MappedFile::Open(path, "a .cllm file");
  if (!mapping.ok()) return mapping.status();
  ModelFile file;
  file.path_ = path;
  file.mapping_ = *std::move(mapping);
  file.bytes_ = reinterpret_cast<const uint8_t*>(file.mapping_.bytes().data());
  file.size_ = file.mapping_.bytes().size();
  if (absl::Status status = file.OpenBytes(); !status.ok()) return status;
  return file;
}

absl::StatusOr<ModelFile> ModelFile::FromBytes(std::string_view bytes, const std::string& name) {
  ModelFile file;
  file.path_ = name;
  const uint64_t room = RoundUp(bytes.size() + 1, kAlignment);
  file.copy_.reset(static_cast<uint8_t*>(std::aligned_alloc(kAlignment, static_cast<size_t>(room))));
  if (file.copy_ == nullptr) return absl::ResourceExhaustedError(absl::StrCat("no memory for ", name));
  if (!bytes.empty()) std::memcpy(file.copy_.get(), bytes.data(), bytes.size());
  file.bytes_ = file.copy_.get();
  file.size_ = bytes.size();
  if (absl::Status status = file.OpenBytes(); !status.ok()) return status;
  return file;
}

}  // namespace cllm
