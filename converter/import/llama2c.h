// Room: converter/import. Checkpoints of karpathy/llama2.c, format version 0: seven int32 (width, hidden,
// layers, heads, kv_heads, vocabulary, context; a negative vocabulary says that the head is not tied), then
// float32 weights in the order of its export.py; and its tokenizer.bin.
#ifndef CLLM_CONVERTER_IMPORT_LLAMA2C_H_
#define CLLM_CONVERTER_IMPORT_LLAMA2C_H_

#include <string>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// tokenizer_path may be empty: the model then has no tokenizer. Errors name the file and the numbers.
absl::StatusOr<Checkpoint> ImportLlama2c(const std::string& path, const std::string& tokenizer_path);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_LLAMA2C_H_
