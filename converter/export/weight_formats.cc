#include "converter/export/weight_formats.h"

#include <algorithm>

#include "model/tensors.h"

namespace cllm {
namespace {

struct Name {
  Dtype format;
  const char* option;
  const char* words;
};
constexpr Name kNames[] = {{Dtype::kF32, "f32", "float32"},
                           {Dtype::kBf16, "bf16", "bfloat16"},
                           {Dtype::kI8, "int8", "int8"},
                           {Dtype::kI4, "int4", "int4"},
                           {Dtype::kLattice2, "lattice2", "lattice2"},
                           {Dtype::kLattice3, "lattice3", "lattice3"},
                           {Dtype::kLattice4, "lattice4", "lattice4"}};

const Name& NameOf(Dtype format) {
  return *std::find_if(std::begin(kNames), std::end(kNames),
                       [&](const Name& name) { return name.format == format; });
}

}  // namespace

WeightFormats::WeightFormats(Dtype all) : all_(all) {}

void WeightFormats::Set(const TensorKey& key, Dtype format) { exceptions_[key] = format; }

Dtype WeightFormats::Of(const TensorKey& key) const {
  if (IsVector(key.first)) return Dtype::kF32;
  const auto found = exceptions_.find(key);
  return found != exceptions_.end() ? found->second : all_;
}

Dtype WeightFormats::Narrowest(const Config& config) const {
  Dtype narrowest = Dtype::kF32;
  for (uint32_t i = 0; i < TensorCount(config); ++i) {
    const TensorPlace place = PlaceOf(config, i);
    const Dtype format = Of({place.role, place.layer});
    if (Narrowness(format) > Narrowness(narrowest)) narrowest = format;
  }
  return narrowest;
}

const char* FormatName(Dtype format) { return NameOf(format).option; }

const char* FormatWords(Dtype format) { return NameOf(format).words; }

Dtype FormatNamed(std::string_view option) {
  return std::find_if(std::begin(kNames), std::end(kNames),
                      [&](const Name& name) { return name.option == option; })
      ->format;
}

const char* KvName(uint32_t kv_format) {
  switch (kv_format) {
    case CLLM_KV_F32: return "f32";
    case CLLM_KV_INT8: return "int8";
    case CLLM_KV_LATTICE4: return "lattice4";
    case CLLM_KV_INT8_LATTICE4: return "int8-lattice4";
    default: return "unknown";
  }
}

}  // namespace cllm
