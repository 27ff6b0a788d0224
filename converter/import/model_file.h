// Room: converter/import. A .cllm file opened for reading on the host: what every command starts from.
#ifndef CLLM_CONVERTER_IMPORT_MODEL_FILE_H_
#define CLLM_CONVERTER_IMPORT_MODEL_FILE_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cllm/cllm.h"
#include "converter/import/mapped_file.h"
#include "model/model.h"

namespace cllm {

// Owns the mapping (or the copy) of the bytes; the model refers to them. Movable: the bytes stay where they
// are.
class ModelFile {
 public:
  // Maps the file read-only and opens it. Errors say in words what is wrong with `path` and what helps.
  static absl::StatusOr<ModelFile> Open(const std::string& path);

  // The same with a delta over it; "": none.
  static absl::StatusOr<ModelFile> Open(const std::string& path, const std::string& delta_path);

  // A copy of bytes in memory, aligned; `name` stands for the path in errors.
  static absl::StatusOr<ModelFile> FromBytes(std::string_view bytes, const std::string& name);

  // Maps a delta and applies it: handle() and model() are then the changed model. Errors as of Open.
  absl::Status Apply(const std::string& delta_path);
  // A copy of bytes in memory.
  absl::Status ApplyBytes(std::string_view bytes, const std::string& name);

  const cllm_model* handle() const { return &handle_; }  // for the C API
  const Model& model() const { return model_; }
  const std::string& path() const { return path_; }
  const uint8_t* bytes() const { return bytes_; }
  uint64_t size() const { return size_; }

 private:
  ModelFile() = default;
  absl::Status OpenBytes();
  absl::Status ApplyAt(const void* bytes, uint64_t size, const std::string& name);
  static absl::StatusOr<uint8_t*> CopyOf(std::string_view bytes, const std::string& name);

  struct Free {
    void operator()(uint8_t* bytes) const { std::free(bytes); }
  };

  std::string path_;
  MappedFile mapping_;                   // either this
  std::unique_ptr<uint8_t, Free> copy_;  // or this
  MappedFile delta_mapping_;             // likewise of a delta
  std::unique_ptr<uint8_t, Free> delta_copy_;
  const uint8_t* bytes_ = nullptr;
  uint64_t size_ = 0;
  cllm_model handle_ = {};
  Model model_ = {};
};

// OK for CLLM_OK; otherwise an error such as "a.cllm: not a CLLM file (CLLM_FILE_NOT_CLLM: ...). Give a file
// that `cllm import` or `cllm train` wrote." `what` is the path or the thing that failed.
absl::Status ExplainStatus(cllm_status status, std::string_view what);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_MODEL_FILE_H_
