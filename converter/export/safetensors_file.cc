#include "converter/export/safetensors_file.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/layout.h"
#include "converter/export/float_bytes.h"
#include "converter/export/output_file.h"
#include "converter/json/json_text.h"

namespace cllm {

uint64_t SafetensorsFile::Tensor::bytes() const {
  uint64_t count = 1;
  for (const uint64_t size : shape) count *= size;
  return count * FloatFormatBytes(format);
}

void SafetensorsFile::Add(const std::string& name, const std::vector<uint64_t>& shape, Dtype format,
                          std::function<std::vector<float>()> values) {
  tensors_.push_back({name, shape, format, std::move(values)});
}

// With its length before it, and spaces after it up to where tensors may be mapped.
std::string SafetensorsFile::Header() const {
  // transformers takes no file that does not say so.
  nlohmann::json header = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    const uint64_t end = offset + tensor.bytes();
    header[tensor.name] = {{"dtype", tensor.format == Dtype::kBf16 ? "BF16" : "F32"},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = JsonText(header);
  uint64_t length = text.size();
  length = RoundUp(length + sizeof(length), kAlignment) - sizeof(length);
  text.resize(length, ' ');
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + text;
}

absl::Status SafetensorsFile::Write(const std::string& path) const {
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  const std::string header = Header();
  if (absl::Status status = file->WriteAt(0, header); !status.ok()) return status;
  uint64_t at = header.size();
  for (const Tensor& tensor : tensors_) {
    const std::string bytes = FloatBytes(tensor.values(), tensor.format);
    if (bytes.size() != tensor.bytes()) {
      return absl::InternalError(
          absl::StrCat(tensor.name, " has ", bytes.size(), " bytes, not ", tensor.bytes()));
    }
    if (absl::Status status = file->WriteAt(at, bytes); !status.ok()) return status;
    at += bytes.size();
  }
  return file->Commit();
}

}  // namespace cllm
