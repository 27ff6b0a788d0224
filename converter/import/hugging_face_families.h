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

// The part of config.json that is about text.
nlohmann::json HuggingFaceTextConfig(const nlohmann::json& config);

// The architecture but for its frequencies, of model_type llama (Llama 1 to 3, TinyLlama, SmolLM2), mistral,
// qwen2, qwen3, phi3, gemma, gemma2, gemma3_text, smollm3, gpt2, gpt_neo and gpt_neox (Pythia). Errors name
// the key.
absl::Status TakeHuggingFaceSizes(const nlohmann::json& config, Architecture* architecture);

// Whether head and embedding are one tensor.
bool IsHuggingFaceHeadTied(const nlohmann::json& config);

// All tensors of the family by HuggingFaceTensorName, the head (kHuggingFaceNames.head) with them.
std::map<std::string, LlamaPart> HuggingFaceParts(const nlohmann::json& config,
                                                  const Architecture& architecture);

// The name without the prefixes that some files have; a head by any name is kHuggingFaceNames.head.
std::string HuggingFaceTensorName(const std::string& name);

// A tensor that follows from the configuration, or has nothing to do with text.
bool IsHuggingFaceBuffer(const std::string& name);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_HUGGING_FACE_FAMILIES_H_
