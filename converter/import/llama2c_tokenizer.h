// Room: converter/import. The tokenizer.bin of karpathy/llama2.c: int32 longest piece, then for each token a
// float32 score, an int32 length and its bytes. Ids 0, 1, 2 are unknown, begin and end, 3 to 258 the bytes.
#ifndef CLLM_CONVERTER_IMPORT_LLAMA2C_TOKENIZER_H_
#define CLLM_CONVERTER_IMPORT_LLAMA2C_TOKENIZER_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// vocabulary_size: the model's, for the file does not say. Errors name the file, the token and the numbers.
absl::StatusOr<TokenizerTables> ImportLlama2cTokenizer(const std::string& path, uint32_t vocabulary_size);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_LLAMA2C_TOKENIZER_H_
