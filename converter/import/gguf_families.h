// Room: converter/import. GGUF files of other architectures than Llama's: what their values say, and which
// tensor is which.
#ifndef CLLM_CONVERTER_IMPORT_GGUF_FAMILIES_H_
#define CLLM_CONVERTER_IMPORT_GGUF_FAMILIES_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/import/gguf_file.h"
#include "converter/import/llama_tensors.h"
#include "nlohmann/json.hpp"

namespace cllm {

// Whether this is one of qwen2, qwen3, phi3, gemma, gemma2, gemma3, gpt2 and gptneox.
bool IsGgufFamily(const std::string& architecture);

// The architecture, with its frequencies; as TakeHuggingFaceSizes and TakeHuggingFaceRope give it for the
// config.json that says the same. Errors name that file's keys, or GGUF's own.
absl::Status TakeGgufFamily(const GgufContents& contents, const std::string& architecture, Architecture* out);

// All tensors of an architecture by their names in GGUF; queries, keys and values are one, and gate and up,
// where the file has them so.
std::map<std::string, LlamaPart> GgufParts(const GgufContents& contents, const Architecture& architecture);

// A tensor that is no weight.
bool IsGgufBuffer(const std::string& name);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_GGUF_FAMILIES_H_
