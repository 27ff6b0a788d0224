// Room: converter/import. The families of Hugging Face folders that follow GPT-2: it, GPT-Neo and GPT-NeoX
// (Pythia). What config.json says of the architecture, and which tensor is which.
#ifndef CLLM_CONVERTER_IMPORT_HUGGING_FACE_GPT_H_
#define CLLM_CONVERTER_IMPORT_HUGGING_FACE_GPT_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/import/llama_tensors.h"
#include "nlohmann/json.hpp"

namespace cllm {

bool IsGptFamily(const nlohmann::json& config);

// The architecture but for its frequencies. Errors name the key.
absl::Status TakeGptSizes(const nlohmann::json& config, Architecture* architecture);

// All tensors by their names, without the prefixes "transformer." and "gpt_neox."; the head as
// "lm_head.weight".
std::map<std::string, LlamaPart> GptParts(const nlohmann::json& config, const Architecture& architecture);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_HUGGING_FACE_GPT_H_
