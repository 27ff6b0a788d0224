// Room: converter/import. Unigram and WordPiece models of a tokenizer.json.
#ifndef CLLM_CONVERTER_IMPORT_HUGGING_FACE_UNIGRAM_H_
#define CLLM_CONVERTER_IMPORT_HUGGING_FACE_UNIGRAM_H_

#include "converter/checkpoint/checkpoint.h"
#include "converter/import/hugging_face_vocabulary.h"
#include "nlohmann/json.hpp"

namespace cllm {

// Fill the tables' pieces, log-probabilities, byte tokens and added tokens. Errors name what is wrong;
// Unimplemented: what the runtime does not do.
absl::Status TakeUnigram(const nlohmann::json& tokenizer, uint32_t vocabulary_size,
                         HuggingFaceVocabulary* vocabulary, TokenizerTables* tables);
absl::Status TakeWordPiece(const nlohmann::json& tokenizer, uint32_t vocabulary_size,
                           HuggingFaceVocabulary* vocabulary, TokenizerTables* tables);

// byte_token_base, where <0x00> to <0xFF> are there in a row.
absl::Status TakeBytePieces(const HuggingFaceVocabulary& vocabulary, TokenizerTables* tables);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_HUGGING_FACE_UNIGRAM_H_
