#include "converter/import/model_file.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/layout.h"
#include "model/delta.h"

namespace cllm {
namespace {

const char* Remedy(cllm_status status) {
  switch (status) {
    case CLLM_FILE_NOT_CLLM: return "Give a file that `cllm train`, `cllm import` or `cllm quantize` wrote";
    case CLLM_FILE_TRUNCATED: return "Copy or convert the file again: it is cut short";
    case CLLM_FILE_VERSION: return "Use a newer cllm, or convert the source again with this one";
    case CLLM_DELTA_NOT_DELTA: return "Give a file that `cllm finetune` wrote";
    case CLLM_DELTA_TRUNCATED: return "Copy the file again: it is cut short";
    case CLLM_DELTA_VERSION: return "Use a newer cllm";
    case CLLM_DELTA_BASE: return "Give the very model file that the delta was made for";
    case CLLM_STATE_TRUNCATED: return "Copy the file again: it is cut short";
    case CLLM_STATE_NOT_STATE: return "Give a file that --save-state wrote";
    case CLLM_STATE_VERSION: return "Use a newer cllm, or save the state again with this one";
    case CLLM_STATE_DAMAGED: return "The state is damaged: copy or save it again";
    case CLLM_STATE_MODEL: return "Give the very model file that the state was saved with";
    case CLLM_STATE_DELTA:
      return "Give the very --delta that the state was saved with, or none if there was none";
    case CLLM_STATE_KV_FORMAT: return "Give the --kv that the state was saved with";
    case CLLM_LIMIT_KV_HEAD_SIZE: return "Give --kv int8";
    case CLLM_PATCH_NOT_PATCH: return "Give a file that `cllm diff` wrote";
    case CLLM_PATCH_TRUNCATED:
    case CLLM_PATCH_DAMAGED: return "Copy or make the patch again";
    case CLLM_PATCH_VERSION: return "Use a newer cllm";
    case CLLM_PATCH_BASE: return "Give the very file that the patch was made from";
    case CLLM_SIGNATURE_MISSING: return "Sign it with `cllm sign`, or take a signed one";
    case CLLM_SIGNATURE_KEY:
      return "Take a file of the right maker, or give the key of this one if you trust it";
    case CLLM_SIGNATURE_STRIPPED:
    case CLLM_SIGNATURE_WRONG:
    case CLLM_SIGNATURE_BLOCKS:
    case CLLM_BLOCK_DAMAGED: return "Do not use it: take the file from its maker again";
    default: break;
  }
  if (status > CLLM_DELTA_BASE && status <= CLLM_DELTA_SEGMENT_OVERLAP) {
    return "The delta is damaged: copy or make it again";
  }
  if (status >= CLLM_FILE_TRUNCATED && status < CLLM_UNSUPPORTED_NORM) {
    return "The file is damaged: copy or convert it again; `cllm inspect` says where";
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

absl::StatusOr<ModelFile> ModelFile::Open(const std::string& path, const std::string& delta_path) {
  absl::StatusOr<ModelFile> file = Open(path);
  if (!file.ok() || delta_path.empty()) return file;
  if (absl::Status status = file->Apply(delta_path); !status.ok()) return status;
  return file;
}

absl::StatusOr<uint8_t*> ModelFile::CopyOf(std::string_view bytes, const std::string& name) {
  const uint64_t room = RoundUp(bytes.size() + 1, kAlignment);
  auto* copy = static_cast<uint8_t*>(std::aligned_alloc(kAlignment, static_cast<size_t>(room)));
  if (copy == nullptr) return absl::ResourceExhaustedError(absl::StrCat("no memory for ", name));
  if (!bytes.empty()) std::memcpy(copy, bytes.data(), bytes.size());
  return copy;
}

absl::StatusOr<ModelFile> ModelFile::FromBytes(std::string_view bytes, const std::string& name) {
  ModelFile file;
  file.path_ = name;
  absl::StatusOr<uint8_t*> copy = CopyOf(bytes, name);
  if (!copy.ok()) return copy.status();
  file.copy_.reset(*copy);
  file.bytes_ = file.copy_.get();
  file.size_ = bytes.size();
  if (absl::Status status = file.OpenBytes(); !status.ok()) return status;
  return file;
}

absl::Status ModelFile::ApplyAt(const void* bytes, uint64_t size, const std::string& name) {
  if (absl::Status status = ExplainStatus(cllm_model_apply(&handle_, bytes, size, &handle_), name);
      !status.ok()) {
    return status;
  }
  return ExplainStatus(ApplyDelta(model_, bytes, size, &model_), name);
}

absl::Status ModelFile::Apply(const std::string& delta_path) {
  absl::StatusOr<MappedFile> mapping = MappedFile::Open(delta_path, "a delta file");
  if (!mapping.ok()) return mapping.status();
  delta_mapping_ = *std::move(mapping);
  return ApplyAt(delta_mapping_.bytes().data(), delta_mapping_.bytes().size(), delta_path);
}

absl::Status ModelFile::ApplyBytes(std::string_view bytes, const std::string& name) {
  absl::StatusOr<uint8_t*> copy = CopyOf(bytes, name);
  if (!copy.ok()) return copy.status();
  delta_copy_.reset(*copy);
  return ApplyAt(*copy, bytes.size(), name);
}

}  // namespace cllm
