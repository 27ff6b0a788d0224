// Room: converter/export. The formats of weights: their names, and which matrix of a model is in which; and
// the names of those of a cache.
#ifndef CLLM_CONVERTER_EXPORT_WEIGHT_FORMATS_H_
#define CLLM_CONVERTER_EXPORT_WEIGHT_FORMATS_H_

#include <cstdint>
#include <map>
#include <string_view>

#include "converter/checkpoint/checkpoint.h"
#include "model/model.h"

namespace cllm {

// One format for all matrices, but for exceptions. Floats and integers do not mix.
class WeightFormats {
 public:
  WeightFormats(Dtype all);  // NOLINT: a format means all matrices in it
  void Set(const TensorKey& key, Dtype format);

  // Vectors are float32 always.
  Dtype Of(const TensorKey& key) const;
  // As Config::weights: of the matrices of this configuration the narrowest.
  Dtype Narrowest(const Config& config) const;

 private:
  Dtype all_;
  std::map<TensorKey, Dtype> exceptions_;
};

// "f32", "bf16", "int8", "int4", "lattice2", "lattice3", "lattice4": in options and JSON.
const char* FormatName(Dtype format);
// "float32", "bfloat16", "int8" and so on: in text.
const char* FormatWords(Dtype format);
// The format of one of the names in options.
Dtype FormatNamed(std::string_view option);

// Of a cllm_kv_format: "f32", "int8", "lattice4", "int8-lattice4", or "unknown".
const char* KvName(uint32_t kv_format);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_WEIGHT_FORMATS_H_
