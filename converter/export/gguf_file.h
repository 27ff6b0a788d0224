// Room: converter/export. The container of llama.cpp's models, GGUF version 3 (ggml's docs/gguf.md): named
// values, then named tensors at multiples of 32 bytes; little-endian.
#ifndef CLLM_CONVERTER_EXPORT_GGUF_FILE_H_
#define CLLM_CONVERTER_EXPORT_GGUF_FILE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "model/model.h"

namespace cllm {

// Collects values and tensors, then writes them in the order in which they came. Names are unique: the
// caller's duty.
class GgufFile {
 public:
  void Set(const std::string& key, uint32_t value);
  void Set(const std::string& key, float value);
  void Set(const std::string& key, bool value);
  void Set(const std::string& key, std::string_view value);
  void Set(const std::string& key, const char* value) { Set(key, std::string_view(value)); }
  void Set(const std::string& key, const std::vector<std::string>& values);
  void Set(const std::string& key, const std::vector<float>& values);
  void Set(const std::string& key, const std::vector<int32_t>& values);
  void Set(const std::string& key, const std::vector<uint8_t>& values);

  // float32 or bfloat16 [rows][columns]; `values` is called once, during Write, so that one tensor at a time
  // is in memory.
  void Add(const std::string& name, uint64_t rows, uint64_t columns, Dtype format,
           std::function<std::vector<float>()> values);
  // float32 [count]
  void Add(const std::string& name, std::vector<float> values);

  // The file appears whole or not at all. Errors name the path.
  absl::Status Write(const std::string& path) const;

 private:
  struct Tensor {
    std::string name;
    std::vector<uint64_t> shape;  // fastest first, as the format has it
    uint64_t count;
    Dtype format;
    std::function<std::vector<float>()> values;
  };
  void Begin(const std::string& key, uint32_t type);
  void BeginArray(const std::string& key, uint32_t type, uint64_t count);

  uint64_t value_count_ = 0;
  std::string values_;  // as in the file
  std::vector<Tensor> tensors_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_GGUF_FILE_H_
