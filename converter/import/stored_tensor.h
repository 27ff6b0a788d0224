// Room: converter/import. A tensor as another engine stored it: a view into its file's bytes.
#ifndef CLLM_CONVERTER_IMPORT_STORED_TENSOR_H_
#define CLLM_CONVERTER_IMPORT_STORED_TENSOR_H_

#include <cstdint>
#include <string_view>
#include <vector>

namespace cllm {

// How a type of tensor is stored: blocks of so many elements, in so many bytes.
struct StoredType {
  uint32_t number;
  const char* name;
  uint32_t block_elements;
  uint32_t block_bytes;
};

// By ggml's number of the type; nullptr for a type that cannot be read.
const StoredType* FindStoredType(uint32_t number);

// Matrices are [rows][columns], a vector one row. The bytes are those of rows * columns elements; with a
// `group`, which divides these, not of the type but int8 [rows * columns] and float32 [rows * columns /
// group], the scales.
struct StoredTensor {
  uint64_t rows = 0;
  uint64_t columns = 0;
  const StoredType* type = nullptr;
  std::string_view bytes;
  uint64_t group = 0;
};

// A tensor's elements as floats, each exactly what llama.cpp, or of groups llama2.c, makes of it.
std::vector<float> Dequantize(const StoredTensor& tensor);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_STORED_TENSOR_H_
