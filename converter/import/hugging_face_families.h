// Room: converter/import. The families of models that Hugging Face folders hold: what config.json says of the
// architecture, and which tensor is which.
#ifndef CLLM_CONVERTER_IMPORT_HUGGING_FACE_FAMILIES_H_
#define CLLM_CONVERTER_IMPORT_HUGGING_FACE_FAMILIES_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/import/llama_tensors.h"
#include "nlohmann/json.hpp"

namespace cllm {

// The values of config.json, or null.
const nlohmann::json& JsonAt(const nlohmann::json& object, const char* key);
double JsonNumberOr(const nlohmann::json& object, const char* key, double fallback);
bool IsJsonTrue(const nlohmann::json& object, const char* key);

// The architecture but for its frequencies. Errors name the key.
absl::Status TakeHuggingFaceSizes(const nlohmann::json& config, Architecture* architecture);

// Whether head and embedding are one tensor.
bool IsHuggingFaceHeadTied(const nlohmann::json& config);

// All tensors of the family by their names, the head (kHuggingFaceNames.head) with them; those of GPT-2
// without the prefix "transformer." that some files have.
std::map<std::string, LlamaPart> HuggingFaceParts(const nlohmann::json& config,
                                                  const Architecture& architecture);

// A tensor that follows from the configuration.
bool IsHuggingFaceBuffer(const std::string& name);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_HUGGING_FACE_FAMILIES_H_
