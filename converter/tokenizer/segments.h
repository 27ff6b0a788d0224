// Room: converter/tokenizer. The tokenizer's raw segments of a .cllm file (schemas/TOKENIZER.md), packed from
// tables and unpacked again.
#ifndef CLLM_CONVERTER_TOKENIZER_SEGMENTS_H_
#define CLLM_CONVERTER_TOKENIZER_SEGMENTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "model/model.h"

namespace cllm {

// Little-endian bytes of each segment; a segment that the kind of tokenizer lacks is empty.
struct TokenizerSegments {
  std::vector<uint8_t> pieces;       // uint32 offsets[vocabulary + 1], then the bytes of all pieces
  std::vector<uint8_t> scores;       // float32[vocabulary], scored merges; float64[vocabulary + 1], unigram
  std::vector<uint8_t> merges;       // uint32 [merge][3], byte-level BPE only
  std::vector<uint8_t> index;        // uint32[slots], a power of two; unigram: TrieNode[nodes]
  std::vector<uint8_t> byte_tokens;  // uint32[256]
  std::vector<uint8_t> words;        // likewise uint32[slots]
  std::vector<uint8_t> added;        // AddedTokens
};

// Fails if the tables contradict themselves: ids out of range, a count of scores that is not the
// vocabulary's, byte tokens that do not fit, a merge given twice or not spelling its result. kNone gives
// empty segments.
absl::StatusOr<TokenizerSegments> PackTokenizer(const TokenizerTables& tables);

// A view of packed segments, as open gives it of a file; it points into `segments`.
TokenizerView ViewOfSegments(const TokenizerTables& tables, const TokenizerSegments& segments);

TokenizerTables UnpackTokenizer(const TokenizerView& view);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_SEGMENTS_H_
