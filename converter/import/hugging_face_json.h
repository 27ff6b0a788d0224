// Room: converter/import. What the families' readers ask of config.json.
#ifndef CLLM_CONVERTER_IMPORT_HUGGING_FACE_JSON_H_
#define CLLM_CONVERTER_IMPORT_HUGGING_FACE_JSON_H_

#include <cstdint>
#include <initializer_list>

#include "absl/status/status.h"
#include "base/variant.h"
#include "converter/checkpoint/checkpoint.h"
#include "nlohmann/json.hpp"

namespace cllm {

// The value, or null.
const nlohmann::json& JsonAt(const nlohmann::json& object, const char* key);
double JsonNumberOr(const nlohmann::json& object, const char* key, double fallback);
bool IsJsonTrue(const nlohmann::json& object, const char* key);

// Whether model_type is this.
bool IsFamily(const nlohmann::json& config, const char* type);

// fallback 0: there must be one. Errors name the key, here and below.
absl::Status TakeCount(const nlohmann::json& config, const char* key, uint32_t fallback, uint32_t* out);

// Counts that there must be.
struct NamedCount {
  const char* key;
  uint32_t* out;
};
absl::Status TakeCounts(const nlohmann::json& config, std::initializer_list<NamedCount> counts);

// Vocabulary, context, width, layers, heads and hidden units by the names that most families give them.
absl::Status TakeSizes(const nlohmann::json& config, Architecture* architecture);

// The activation by its name there.
absl::Status TakeActivation(const nlohmann::json& config, const char* key, Activation fallback,
                            Variant* variant);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_HUGGING_FACE_JSON_H_
