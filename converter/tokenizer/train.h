// Room: converter/tokenizer. Vocabularies learned from text. The same text gives the same vocabulary.
#ifndef CLLM_CONVERTER_TOKENIZER_TRAIN_H_
#define CLLM_CONVERTER_TOKENIZER_TRAIN_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// Ids that every vocabulary trained here has.
inline constexpr uint32_t kTrainedBeginToken = 0;  // "<|begin|>"
inline constexpr uint32_t kTrainedEndToken = 1;    // "<|end|>"
inline constexpr uint32_t kTrainedByteBase = 2;    // byte-level BPE: bytes 0 to 255, then merges by rank
inline constexpr uint32_t kSmallestBpeVocabulary = kTrainedByteBase + 256;

// Byte-level BPE (Gage 1994; Sennrich et al., arXiv 1508.07909) over the words of the texts: the most
// frequent pair is merged first, of equals the one with the lowest left, then right id. vocabulary_size
// counts special and byte tokens. Fails if the texts are empty, or do not have enough pairs that occur twice;
// the error then says how large the vocabulary can be.
absl::StatusOr<TokenizerTables> TrainByteBpe(absl::Span<const std::string_view> texts,
                                             uint32_t vocabulary_size);

// One token for each UTF-8 character of the texts (each byte that is none), in byte order, after begin and
// end. A character that the texts lack cannot be encoded later.
absl::StatusOr<TokenizerTables> TrainCharacters(absl::Span<const std::string_view> texts);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_TRAIN_H_
