#include "converter/import/safetensors.h"

#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "converter/json/json_text.h"
#include "nlohmann/json.hpp"

namespace cllm {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeader = 100'000'000;  // the format's own limit

// GGUF's number of the same type; none for others.
uint32_t TypeNumber(const std::string& dtype) {
  if (dtype == "F32") return 0;
  if (dtype == "F16") return 1;
  if (dtype == "BF16") return 30;
  return std::numeric_limits<uint32_t>::max();
}

bool AreCounts(const Json& list, size_t least, size_t most) {
  if (!list.is_array() || list.size() < least || list.size() > most) return false;
  for (const Json& item : list) {
    if (!item.is_number_unsigned()) return false;
  }
  return true;
}

// One entry of the header, such as {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}. Errors are
// without the tensor's name.
absl::Status ReadEntry(const Json& entry, std::string_view data, StoredTensor* tensor) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
      !entry.contains("shape") || !entry.contains("data_offsets")) {
    return absl::InvalidArgumentError("has no dtype, shape or data_offsets");
  }
  const Json &shape = entry["shape"], &offsets = entry["data_offsets"];
  if (!AreCounts(shape, 1, 2)) return absl::InvalidArgumentError("does not have one or two dimensions");
  if (!AreCounts(offsets, 2, 2)) return absl::InvalidArgumentError("does not have two data_offsets");
  const std::string dtype = entry["dtype"];
  tensor->type = FindStoredType(TypeNumber(dtype));
  if (tensor->type == nullptr)
    return absl::InvalidArgumentError(absl::StrCat("is of type ", dtype, "; F32, F16 and BF16 can be read"));
  tensor->rows = shape.size() == 2 ? shape[0].get<uint64_t>() : 1;
  tensor->columns = shape.back().get<uint64_t>();
  const uint64_t begin = offsets[0], end = offsets[1];
  const uint64_t limit = std::numeric_limits<uint32_t>::max();
  if (tensor->rows == 0 || tensor->columns == 0 || tensor->rows > limit / tensor->columns)
    return absl::InvalidArgumentError("has an impossible size");
  const uint64_t wanted = tensor->rows * tensor->columns * tensor->type->block_bytes;
  if (begin > end || end - begin != wanted)
    return absl::InvalidArgumentError(absl::StrCat("has data_offsets ", begin, " to ", end,
                                                   "; its shape and ", dtype, " call for ", wanted,
                                                   " bytes between them"));
  if (end > data.size())
    return absl::InvalidArgumentError(absl::StrCat("has data_offsets ", begin, " to ", end,
                                                   ", and the file has ", data.size(),
                                                   " bytes behind its header: it is cut short. Copy "
                                                   "it again"));
  tensor->bytes = data.substr(begin, end - begin);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::map<std::string, StoredTensor>> ParseSafetensors(
    std::string_view bytes, const std::string& path,
    const std::function<bool(const std::string& name)>& ignored) {
  uint64_t length = 0;
  if (bytes.size() >= sizeof(length)) std::memcpy(&length, bytes.data(), sizeof(length));
  if (length == 0 || length > kMaxHeader || length > bytes.size() - sizeof(length))
    return absl::InvalidArgumentError(absl::StrCat(path, ", byte 0: a header of ", length,
                                                   " bytes in a file of ", bytes.size(),
                                                   ": it is no safetensors file, or cut short"));
  const std::string_view text = bytes.substr(sizeof(length), length);
  const Json header = ParseJson(text);
  if (!header.is_object())
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": its header, from byte 8 on, is no JSON object: ",
                     header.is_discarded() ? WhyNoJson(text) : header.type_name()));
  const std::string_view data = bytes.substr(sizeof(length) + length);
  std::map<std::string, StoredTensor> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__" || ignored(name)) continue;
    StoredTensor tensor;
    if (absl::Status status = ReadEntry(entry, data, &tensor); !status.ok())
      return absl::InvalidArgumentError(absl::StrCat(path, ": tensor ", name, " ", status.message()));
    tensors.emplace(name, tensor);
  }
  return tensors;
}

}  // namespace cllm
