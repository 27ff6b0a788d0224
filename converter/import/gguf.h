// Room: converter/import. Model files of llama.cpp.
#ifndef CLLM_CONVERTER_IMPORT_GGUF_H_
#define CLLM_CONVERTER_IMPORT_GGUF_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/import/gguf_file.h"

namespace cllm {

// Architecture "llama" (Llama 1 to 3, Mistral without a sliding window, SmolLM2 and others of that form),
// with its frequencies scaled linearly or by factors, and those of IsGgufFamily (gguf_families.h); weights in
// any type of FindStoredType. Tokenizer: where ImportGgufTokenizer takes it; otherwise the
// checkpoint has none and says why. Errors name the file, and the value or tensor that is missing, out of
// range or not supported.
absl::StatusOr<Checkpoint> ImportGguf(const std::string& path);

// The same, but the tensors are read when they are wanted: a model may be larger than memory.
absl::StatusOr<Checkpoint> StreamGguf(const std::string& path);

// The same of bytes in memory; `path` stands for them in errors.
absl::StatusOr<Checkpoint> ImportGgufBytes(std::string_view bytes, const std::string& path);

// The models "llama", as scored_merges, and "gpt2" where tokenizer.ggml.pre is a known pattern. Unimplemented
// for others; other errors name the value.
absl::StatusOr<TokenizerTables> ImportGgufTokenizer(const GgufContents& contents);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_GGUF_H_
