// Room: converter/export. A tokenizer in the words of llama.cpp's files.
#ifndef CLLM_CONVERTER_EXPORT_GGUF_TOKENIZER_H_
#define CLLM_CONVERTER_EXPORT_GGUF_TOKENIZER_H_

#include <string>
#include <string_view>

#include "converter/checkpoint/checkpoint.h"
#include "converter/export/gguf_file.h"

namespace cllm {

// Whether SetGgufTokenizer can say it: scored_merges and byte_bpe with all bytes.
bool HasGgufTokenizer(const TokenizerTables& tokenizer);

// Sets the values "tokenizer.ggml.*"; for what cannot be said, the model "no_vocab".
void SetGgufTokenizer(const TokenizerTables& tokenizer, GgufFile* file);

// Bytes as GPT-2 writes them in its vocabularies: each byte one printable character, as UTF-8.
std::string Gpt2Characters(std::string_view bytes);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_GGUF_TOKENIZER_H_
