// Room: converter/export. The safetensors container: the length of a JSON header, the header, the tensors.
#ifndef CLLM_CONVERTER_EXPORT_SAFETENSORS_FILE_H_
#define CLLM_CONVERTER_EXPORT_SAFETENSORS_FILE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/model.h"

namespace cllm {

// Collects tensors, then writes them in the order in which they came. Names are unique: the caller's duty.
class SafetensorsFile {
 public:
  // float32 or bfloat16; `values` is called once, during Write, so that one tensor at a time is in memory.
  void Add(const std::string& name, const std::vector<uint64_t>& shape, Dtype format,
           std::function<std::vector<float>()> values);

  // The file appears whole or not at all. Errors name the path.
  absl::Status Write(const std::string& path) const;

 private:
  struct Tensor {
    std::string name;
    std::vector<uint64_t> shape;
    Dtype format;
    std::function<std::vector<float>()> values;
    uint64_t bytes() const;
  };
  std::string Header() const;

  std::vector<Tensor> tensors_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_SAFETENSORS_FILE_H_
