// Room: converter/import. tokenizer.model, SentencePiece's own file: a message of Protocol Buffers, of which
// the few fields that a vocabulary has are read.
#ifndef CLLM_CONVERTER_IMPORT_SENTENCEPIECE_MODEL_H_
#define CLLM_CONVERTER_IMPORT_SENTENCEPIECE_MODEL_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// BPE whose texts are not normalized beyond U+2581 for spaces, as Llama's and Gemma's are. The model may have
// more tokens than the file (vocabulary_size; 0: as many), but not fewer. User-defined symbols become added
// tokens. Unimplemented, with the reason, for other models; other errors say at what byte the file is broken.
absl::StatusOr<TokenizerTables> ImportSentencePieceModel(std::string_view bytes, uint32_t vocabulary_size);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_SENTENCEPIECE_MODEL_H_
