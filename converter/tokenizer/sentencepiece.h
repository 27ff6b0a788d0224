// Room: converter/tokenizer. How SentencePiece's vocabularies, and those that follow them, spell bytes and
// spaces.
#ifndef CLLM_CONVERTER_TOKENIZER_SENTENCEPIECE_H_
#define CLLM_CONVERTER_TOKENIZER_SENTENCEPIECE_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace cllm {

inline constexpr char kSpacePiece[] = "\xE2\x96\x81";  // U+2581, which stands for a space

// A piece with spaces for that.
inline std::string WithSpaces(const std::string& piece) {
  return absl::StrReplaceAll(piece, {{kSpacePiece, " "}});
}

// "<0x0A>" for 10.
inline std::string BytePiece(uint32_t byte) { return absl::StrFormat("<0x%02X>", byte); }

// What an unknown character costs a unigram tokenizer more than its least likely piece.
inline constexpr double kUnknownPenalty = -10.0;

// The score of a piece that no merge makes; the runtime's limit is -1e10.
inline constexpr float kNeverMerged = -2e10f;

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_SENTENCEPIECE_H_
