// Room: converter/import. Byte-level BPE of a tokenizer.json, as GPT-2's and most since.
#ifndef CLLM_CONVERTER_IMPORT_HUGGING_FACE_BYTE_BPE_H_
#define CLLM_CONVERTER_IMPORT_HUGGING_FACE_BYTE_BPE_H_

#include "converter/checkpoint/checkpoint.h"
#include "converter/import/hugging_face_vocabulary.h"
#include "nlohmann/json.hpp"

namespace cllm {

// Fills the tables' pieces, merges, byte tokens, words and added tokens. Errors name what is wrong;
// Unimplemented: what the runtime does not do.
absl::Status TakeByteBpe(const nlohmann::json& tokenizer, uint32_t vocabulary_size,
                         HuggingFaceVocabulary* vocabulary, TokenizerTables* tables);

// The tokens of whole words, of all with a piece, that merging by the tables does not lead to. tables->words
// must be empty.
absl::StatusOr<std::vector<uint32_t>> WordsBeyondMerges(const TokenizerTables& tables);

// The tokens of single bytes as tables->byte_tokens; of equal ones the first.
void SetByteTokens(TokenizerTables* tables);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_HUGGING_FACE_BYTE_BPE_H_
