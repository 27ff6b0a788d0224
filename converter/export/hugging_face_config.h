// Room: converter/export. An architecture as a family of transformers: its config.json.
#ifndef CLLM_CONVERTER_EXPORT_HUGGING_FACE_CONFIG_H_
#define CLLM_CONVERTER_EXPORT_HUGGING_FACE_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "nlohmann/json.hpp"

namespace cllm {

// The first family, `preferred` before the others, whose config.json says all of the architecture, as the
// importer reads it: llama, mistral, qwen2, qwen3, phi3, gemma, gemma2, gemma3_text, smollm3, gpt2, gpt_neo,
// gpt_neox. Turns may differ by the rounding of a double. Rotating pairs are halves apart. The error says
// what no family has.
absl::StatusOr<nlohmann::json> HuggingFaceConfig(const Architecture& architecture,
                                                 const std::string& preferred);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_HUGGING_FACE_CONFIG_H_
