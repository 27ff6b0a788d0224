// Room: converter/export. A tokenizer in the words of transformers: tokenizer.json, tokenizer_config.json.
#ifndef CLLM_CONVERTER_EXPORT_HUGGING_FACE_TOKENIZER_H_
#define CLLM_CONVERTER_EXPORT_HUGGING_FACE_TOKENIZER_H_

#include "converter/checkpoint/checkpoint.h"
#include "nlohmann/json.hpp"

namespace cllm {

// Whether HuggingFaceTokenizer can say it: scored_merges with byte tokens, byte_bpe, characters.
bool HasHuggingFaceTokenizer(const TokenizerTables& tokenizer);

// tokenizer.json. Merges of scored_merges are those that the scores allow, in their order. Pieces that no
// text of UTF-8 leads to are left out.
nlohmann::json HuggingFaceTokenizer(const TokenizerTables& tokenizer);

// tokenizer_config.json.
nlohmann::json HuggingFaceTokenizerConfig(const TokenizerTables& tokenizer, uint32_t context);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_HUGGING_FACE_TOKENIZER_H_
