// Room: converter/import. The safetensors container: the length of a JSON header, the header, then the
// tensors' bytes. Nobody vouches for the bytes.
#ifndef CLLM_CONVERTER_IMPORT_SAFETENSORS_H_
#define CLLM_CONVERTER_IMPORT_SAFETENSORS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "converter/import/stored_tensor.h"

namespace cllm {

// Tensors by name, views into `bytes`; of one dimension (one row) or two. Types F32, F16 and BF16, whose
// elements are stored as GGUF stores them. Those that are ignored may be anything. Errors name `path`, and
// the tensor or the byte.
absl::StatusOr<std::map<std::string, StoredTensor>> ParseSafetensors(
    std::string_view bytes, const std::string& path,
    const std::function<bool(const std::string& name)>& ignored = [](const std::string&) { return false; });

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_SAFETENSORS_H_
