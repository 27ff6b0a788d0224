// Room: converter/tokenizer. Vocabularies learned from text. The same text gives the same vocabulary.
#ifndef CLLM_CONVERTER_TOKENIZER_TRAIN_H_
#define CLLM_CONVERTER_TOKENIZER_TRAIN_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/tokenizer/word_counts.h"

namespace cllm {

// Ids that every vocabulary trained here has.
inline constexpr uint32_t kTrainedBeginToken = 0;    // "<|begin|>"
inline constexpr uint32_t kTrainedEndToken = 1;      // "<|end|>"
inline constexpr uint32_t kTrainedByteBase = 2;      // byte-level BPE: bytes 0 to 255, then merges by rank
inline constexpr uint32_t kTrainedUnknownToken = 2;  // "<|unknown|>" of WordPiece and words
inline constexpr uint32_t kSmallestBpeVocabulary = kTrainedByteBase + 256;

// Learns a vocabulary of one of four kinds; vocabulary_size counts special tokens too.
//
// kByteBpe: byte-level BPE (Gage 1994; Sennrich et al., arXiv 1508.07909): the most frequent pair of tokens
// within words is merged first, of equals the one with the lowest left, then right id.
// kWordPiece: pieces that words are made of, found by the same merges but from characters on, as Hugging
// Face's trainer finds them; encoding takes the longest piece each time (Schuster and Nakajima 2012).
// kWords: the most frequent words, of equals the first in byte order.
// kCharacters: each UTF-8 character (each byte that is part of none), in byte order; vocabulary_size is not
// used. A character that the text lacks cannot be encoded later.
class VocabularyTrainer {
 public:
  VocabularyTrainer(TokenizerKind kind, uint32_t vocabulary_size)
      : kind_(kind), vocabulary_size_(vocabulary_size) {}

  // Text in parts, none of which may end inside a word.
  void Add(std::string_view text);

  // Errors: InvalidArgument, there was no text, or not enough for the vocabulary; the message then says how
  // large it can be.
  absl::StatusOr<TokenizerTables> Train() const;

 private:
  absl::StatusOr<TokenizerTables> TrainByteBpe() const;
  absl::StatusOr<TokenizerTables> TrainWordPiece() const;
  absl::StatusOr<TokenizerTables> TrainWords() const;

  TokenizerKind kind_;
  uint32_t vocabulary_size_;
  WordCounts counts_;
  std::set<std::string, std::less<>> characters_;
};

// The same over texts at hand, each of which is a part.
absl::StatusOr<TokenizerTables> TrainVocabulary(TokenizerKind kind, uint32_t vocabulary_size,
                                                absl::Span<const std::string_view> texts);
absl::StatusOr<TokenizerTables> TrainByteBpe(absl::Span<const std::string_view> texts,
                                             uint32_t vocabulary_size);
absl::StatusOr<TokenizerTables> TrainCharacters(absl::Span<const std::string_view> texts);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_TRAIN_H_
