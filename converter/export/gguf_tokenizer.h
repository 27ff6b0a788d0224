// Room: converter/export. A tokenizer in the words of llama.cpp's files.
#ifndef CLLM_CONVERTER_EXPORT_GGUF_TOKENIZER_H_
#define CLLM_CONVERTER_EXPORT_GGUF_TOKENIZER_H_

#include "converter/checkpoint/checkpoint.h"
#include "converter/export/gguf_file.h"

namespace cllm {

// Whether SetGgufTokenizer can say it: scored_merges and byte_bpe with all bytes.
bool HasGgufTokenizer(const TokenizerTables& tokenizer);

// Sets the values "tokenizer.ggml.*"; for what cannot be said, the model "no_vocab".
void SetGgufTokenizer(const TokenizerTables& tokenizer, GgufFile* file);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_GGUF_TOKENIZER_H_
