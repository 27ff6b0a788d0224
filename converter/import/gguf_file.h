// Room: converter/import. The container of llama.cpp's models, GGUF versions 2 and 3 (ggml's docs/gguf.md),
// read from bytes that nobody vouches for: every count and offset is held against the bytes that there are.
#ifndef CLLM_CONVERTER_IMPORT_GGUF_FILE_H_
#define CLLM_CONVERTER_IMPORT_GGUF_FILE_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "converter/import/stored_tensor.h"

namespace cllm {

// Numbers keep their kind; arrays of numbers become doubles, which hold all that a tokenizer needs.
using GgufValue = std::variant<uint64_t, int64_t, double, bool, std::string_view,
                               std::vector<std::string_view>, std::vector<double>>;

// Views into the file's bytes, which must outlive it.
struct GgufContents {
  std::map<std::string, GgufValue, std::less<>> values;
  std::map<std::string, StoredTensor, std::less<>> tensors;
};

bool IsGguf(std::string_view bytes);

// Errors say at what byte the file breaks which rule; `path` stands before them.
absl::StatusOr<GgufContents> ParseGguf(std::string_view bytes, const std::string& path);

// A value of one kind, or nullptr: the key is not there, or its value is of another kind.
template <typename T>
const T* FindGguf(const GgufContents& contents, std::string_view key) {
  const auto found = contents.values.find(key);
  return found == contents.values.end() ? nullptr : std::get_if<T>(&found->second);
}

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_GGUF_FILE_H_
