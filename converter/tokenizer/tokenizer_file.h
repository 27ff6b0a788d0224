// Room: converter/tokenizer. A tokenizer as a file of its own: JSON that people can read and edit.
#ifndef CLLM_CONVERTER_TOKENIZER_TOKENIZER_FILE_H_
#define CLLM_CONVERTER_TOKENIZER_TOKENIZER_FILE_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// {"format": "cllm tokenizer", "version": 1, "kind": ..., "pretokenizer": ..., ids of special tokens,
// "pieces": [...], "scores": [...], "merges": [[left, right, result], ...], and what imported ones have:
// "byte_tokens", "words", "added": [[id, flags], ...]}; what a kind lacks is left out.
// A piece that is no UTF-8 stands as {"bytes": "E282"}.
std::string TokenizerToJson(const TokenizerTables& tables);

// Error: InvalidArgument, for anything but the JSON of a tokenizer that PackTokenizer takes.
absl::StatusOr<TokenizerTables> TokenizerFromJson(std::string_view json);

// The tokenizer of a file at `path`: such JSON, Hugging Face's tokenizer.json, SentencePiece's
// tokenizer.model, or a .cllm file. Errors name the path.
absl::StatusOr<TokenizerTables> ReadTokenizerFile(const std::string& path);

// "byte_bpe", "words", as the schema calls the kind.
const char* TokenizerKindName(TokenizerKind kind);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_TOKENIZER_FILE_H_
