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

namespace cllm {

// How a type of tensor is stored: blocks of so many elements, in so many bytes.
struct GgufType {
  uint32_t number;
  const char* name;
  uint32_t block_elements;
  uint32_t block_bytes;
};

// nullptr for a type that cannot be read.
const GgufType* FindGgufType(uint32_t number);

// Matrices are [rows][columns], a vector one row. The bytes are those of rows * columns elements.
struct GgufTensor {
  uint64_t rows = 0;
  uint64_t columns = 0;
  const GgufType* type = nullptr;
  std::string_view bytes;
};

// Numbers keep their kind; arrays of numbers become doubles, which hold all that a tokenizer needs.
using GgufValue = std::variant<uint64_t, int64_t, double, bool, std::string_view,
                               std::vector<std::string_view>, std::vector<double>>;

// Views into the file's bytes, which must outlive it.
struct GgufContents {
  std::map<std::string, GgufValue, std::less<>> values;
  std::map<std::string, GgufTensor, std::less<>> tensors;
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

// A tensor's elements as floats, each exactly what llama.cpp makes of it.
std::vector<float> DequantizeGguf(const GgufTensor& tensor);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_GGUF_FILE_H_
