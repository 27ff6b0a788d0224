#include "converter/export/gguf_file.h"

#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/layout.h"
#include "converter/export/float_bytes.h"
#include "converter/export/output_file.h"

namespace cllm {
namespace {

// The format's numbers of types.
constexpr uint32_t kUint8 = 0, kUint32 = 4, kInt32 = 5, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9;
constexpr uint32_t kTensorFloat32 = 0, kTensorBfloat16 = 30;
constexpr uint32_t kVersion = 3;
constexpr uint64_t kTensorAlignment = 32;

template <typename T>
void Append(T value, std::string* out) {
  static_assert(std::is_trivially_copyable_v<T>);
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AppendText(std::string_view text, std::string* out) {
  Append(uint64_t{text.size()}, out);
  out->append(text);
}

}  // namespace

void GgufFile::Begin(const std::string& key, uint32_t type) {
  ++value_count_;
  AppendText(key, &values_);
  Append(type, &values_);
}

void GgufFile::BeginArray(const std::string& key, uint32_t type, uint64_t count) {
  Begin(key, kArray);
  Append(type, &values_);
  Append(count, &values_);
}

void GgufFile::Set(const std::string& key, uint32_t value) {
  Begin(key, kUint32);
  Append(value, &values_);
}

void GgufFile::Set(const std::string& key, float value) {
  Begin(key, kFloat32);
  Append(value, &values_);
}

void GgufFile::Set(const std::string& key, bool value) {
  Begin(key, kBool);
  Append(static_cast<uint8_t>(value), &values_);
}

void GgufFile::Set(const std::string& key, std::string_view value) {
  Begin(key, kString);
  AppendText(value, &values_);
}

void GgufFile::Set(const std::string& key, const std::vector<std::string>& values) {
  BeginArray(key, kString, values.size());
  for (const std::string& value : values) AppendText(value, &values_);
}

void GgufFile::Set(const std::string& key, const std::vector<float>& values) {
  BeginArray(key, kFloat32, values.size());
  for (const float value : values) Append(value, &values_);
}

void GgufFile::Set(const std::string& key, const std::vector<int32_t>& values) {
  BeginArray(key, kInt32, values.size());
  for (const int32_t value : values) Append(value, &values_);
}

void GgufFile::Set(const std::string& key, const std::vector<uint8_t>& values) {
  BeginArray(key, kUint8, values.size());
  for (const uint8_t value : values) Append(value, &values_);
}

void GgufFile::Add(const std::string& name, uint64_t rows, uint64_t columns, Dtype format,
                   std::function<std::vector<float>()> values) {
  tensors_.push_back({name, {columns, rows}, rows * columns, format, std::move(values)});
}

void GgufFile::Add(const std::string& name, std::vector<float> values) {
  const uint64_t count = values.size();
  tensors_.push_back({name, {count}, count, Dtype::kF32, [values = std::move(values)] { return values; }});
}

absl::Status GgufFile::Write(const std::string& path) const {
  std::string head = "GGUF";
  Append(kVersion, &head);
  Append(uint64_t{tensors_.size()}, &head);
  Append(value_count_, &head);
  head += values_;
  uint64_t offset = 0;  // from the first tensor's place
  for (const Tensor& tensor : tensors_) {
    AppendText(tensor.name, &head);
    Append(static_cast<uint32_t>(tensor.shape.size()), &head);
    for (const uint64_t size : tensor.shape) Append(size, &head);
    Append(tensor.format == Dtype::kBf16 ? kTensorBfloat16 : kTensorFloat32, &head);
    Append(offset, &head);
    offset = RoundUp(offset + tensor.count * FloatFormatBytes(tensor.format), kTensorAlignment);
  }
  head.resize(RoundUp(head.size(), kTensorAlignment));

  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = file->WriteAt(0, head); !status.ok()) return status;
  uint64_t at = head.size();
  for (const Tensor& tensor : tensors_) {
    const std::vector<float> values = tensor.values();
    if (values.size() != tensor.count) {
      return absl::InternalError(
          absl::StrCat(tensor.name, " has ", values.size(), " values, not ", tensor.count));
    }
    // The padding after a tensor belongs to the file, after the last one too.
    std::string bytes = FloatBytes(values, tensor.format);
    bytes.resize(RoundUp(bytes.size(), kTensorAlignment));
    if (absl::Status status = file->WriteAt(at, bytes); !status.ok()) return status;
    at += bytes.size();
  }
  return file->Commit();
}

}  // namespace cllm
