// Room: converter/import. Checkpoints of karpathy/llama2.c, versions 0 to 2, as its export.py writes and its
// run.c and runq.c read them: seven int32 (width, hidden, layers, heads, kv_heads, vocabulary, context), then
// the weights; in versions 1 and 2 behind a magic number and the version, in 256 bytes. Version 2 has
// matrices as int8 with a float32 scale for each group of them. And its tokenizer.bin.
#ifndef CLLM_CONVERTER_IMPORT_LLAMA2C_H_
#define CLLM_CONVERTER_IMPORT_LLAMA2C_H_

#include <string>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// tokenizer_path may be empty: the model then has no tokenizer. Errors name the file and the numbers.
absl::StatusOr<Checkpoint> ImportLlama2c(const std::string& path, const std::string& tokenizer_path);

// The same, but the tensors are read when they are wanted: a model may be larger than memory.
absl::StatusOr<Checkpoint> StreamLlama2c(const std::string& path, const std::string& tokenizer_path);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_LLAMA2C_H_
