#include "tokens/encode.h"

#include <cstdint>

#include "base/features.h"
#include "base/layout.h"
#include "tokens/added.h"
#include "tokens/index.h"
#include "tokens/merge.h"
#include "tokens/output.h"
#include "tokens/patterns.h"
#include "tokens/scored_encoder.h"
#include "tokens/split.h"
#include "tokens/unicode.h"
#include "tokens/unigram.h"

namespace cllm {
namespace {

// A candidate is a rank.
class RankedMerges {
 public:
  explicit RankedMerges(const TokenizerView& tokenizer) : tokenizer_(tokenizer) {}
  uint32_t Find(uint32_t left, uint32_t right) const { return FindMerge(tokenizer_, left, right); }
  uint32_t Priority(uint32_t rank) const { return rank; }
  uint32_t Result(uint32_t rank) const { return tokenizer_.merges[uint64_t{3} * rank + 2]; }

 private:
  const TokenizerView& tokenizer_;
};

class BytePairEncoder {
 public:
  BytePairEncoder(const TokenizerView& tokenizer, uint64_t text_bytes, void* scratch, Output* output)
      : tokenizer_(tokenizer), rules_(tokenizer), merger_(rules_, scratch, text_bytes + 1), output_(output) {}

  Status Encode(const char* text, uint64_t bytes) {
    for (uint64_t start = 0; start < bytes;) {
      const uint32_t size = static_cast<uint32_t>(NextWordBytes(tokenizer_, text + start, bytes - start));
      CLLM_RETURN_IF_ERROR(EncodeWord({text + start, size}));
      start += size;
    }
    return CLLM_OK;
  }

 private:
  Status EncodeWord(Piece word) {
    if (tokenizer_.words != nullptr) {
      const uint32_t token = FindWord(tokenizer_, word);
      if (token != kNotFound) {
        output_->Append(token);
        return CLLM_OK;
      }
    }
    uint32_t* tokens = merger_.tokens();
    for (uint32_t i = 0; i < word.size; ++i) {
      const uint32_t byte = ByteToken(tokenizer_, word.bytes[i]);
      tokens[i] = byte != CLLM_NO_TOKEN ? byte : tokenizer_.unknown_token;
      if (tokens[i] == CLLM_NO_TOKEN) return CLLM_TEXT_NOT_ENCODABLE;
    }
    output_->Append(tokens, merger_.Run(word.size));
    return CLLM_OK;
  }

  const TokenizerView& tokenizer_;
  const RankedMerges rules_;
  Merger<RankedMerges> merger_;
  Output* output_;
};

// Greedy: each time the longest piece that what is left of the word begins with; where there is none, a
// character is unknown.
Status EncodeWordPieces(const TokenizerView& tokenizer, const char* text, uint64_t bytes, Output* output) {
  for (uint64_t i = 0; i < bytes;) {
    for (uint64_t left = NextWordBytes(tokenizer, text + i, bytes - i); left > 0;) {
      uint32_t size = 0;
      uint32_t token = FindLongestPiece(tokenizer, {text + i, 0}, text + i, left, &size);
      if (token == kNotFound) {
        token = tokenizer.unknown_token;
        size = CharacterBytes(text + i, left);
      }
      if (token == CLLM_NO_TOKEN) return CLLM_TEXT_NOT_ENCODABLE;
      output->Append(token);
      i += size;
      left -= size;
    }
  }
  return CLLM_OK;
}

// A word of BERT's, which is unknown as a whole where a part of it is, or where it is too long.
Status EncodeBertWord(const TokenizerView& tokenizer, Piece word, Output* output) {
  const uint64_t before = output->count();
  uint32_t characters = 0, size = 0;
  for (uint32_t i = 0; i < word.size; i += CharacterBytes(word.bytes + i, word.size - i)) ++characters;
  for (uint32_t i = 0; i < word.size; i += size) {
    // Pieces that begin a word are those with a space before them.
    const Piece head = {" ", i == 0 ? 1u : 0u};
    const uint32_t token = FindLongestPiece(tokenizer, head, word.bytes + i, word.size - i, &size);
    if (token != kNotFound && characters <= kLongestBertWord) {
      output->Append(token);
      continue;
    }
    if (tokenizer.unknown_token == CLLM_NO_TOKEN) return CLLM_TEXT_NOT_ENCODABLE;
    output->Rewind(before);
    output->Append(tokenizer.unknown_token);
    return CLLM_OK;
  }
  return CLLM_OK;
}

Status EncodeBertWords(const TokenizerView& tokenizer, const char* text, uint64_t bytes, Output* output) {
  for (uint64_t i = 0; i < bytes;) {
    const uint64_t size = NextWordBytes(tokenizer, text + i, bytes - i);
    if (CharacterAt(text + i, size).kind != CharacterClass::kWhitespace) {
      CLLM_RETURN_IF_ERROR(EncodeBertWord(tokenizer, {text + i, static_cast<uint32_t>(size)}, output));
    }
    i += size;
  }
  return CLLM_OK;
}

// One token for each character, or for each word.
Status EncodeWhole(const TokenizerView& tokenizer, const char* text, uint64_t bytes, Output* output) {
  for (uint64_t i = 0; i < bytes;) {
    const uint32_t size = tokenizer.kind == TokenizerKind::kCharacters
                              ? CharacterBytes(text + i, bytes - i)
                              : static_cast<uint32_t>(NextWordBytes(tokenizer, text + i, bytes - i));
    uint32_t token = FindPiece(tokenizer, {text + i, size}, {text + i, 0});
    if (token == kNotFound) token = tokenizer.unknown_token;
    if (token == CLLM_NO_TOKEN) return CLLM_TEXT_NOT_ENCODABLE;
    output->Append(token);
    i += size;
  }
  return CLLM_OK;
}

// What CLLM_ALL_TOKENIZERS=OFF leaves out: patterns over Unicode, and looking for added tokens.
bool IsEncodable(const TokenizerView& tokenizer, Specials specials) {
  return kHasAllTokenizers || (!IsPattern(tokenizer.pretokenizer) && !HasAdded(tokenizer, specials));
}

template <class Stretch>
Status EncodeStretches(const TokenizerView& tokenizer, const char* text, uint64_t bytes, Specials specials,
                       Output* output, const Stretch& stretch) {
  if (bytes == 0) return CLLM_OK;
  if (!kHasAllTokenizers || tokenizer.added_count == 0) return stretch(text, bytes, true);
  return ForEachStretch(tokenizer, text, bytes, specials, stretch,
                        [output](uint32_t token) { output->Append(token); });
}

Status EncodeTo(const TokenizerView& tokenizer, const char* text, uint64_t bytes, Specials specials,
                void* scratch, Output* output) {
  const auto over = [&](const auto& stretch) {
    return EncodeStretches(tokenizer, text, bytes, specials, output, stretch);
  };
  switch (tokenizer.kind) {
    case TokenizerKind::kNone: break;
    case TokenizerKind::kByteBpe: {
      BytePairEncoder encoder(tokenizer, bytes, scratch, output);
      return over([&](const char* part, uint64_t size, bool) { return encoder.Encode(part, size); });
    }
    case TokenizerKind::kScoredMerges: {
      ScoredEncoder encoder(tokenizer, bytes, scratch, output);
      return over(
          [&](const char* part, uint64_t size, bool start) { return encoder.Encode(part, size, start); });
    }
    case TokenizerKind::kUnigram:
      if (!kHasAllTokenizers) break;
      return over([&](const char* part, uint64_t size, bool start) {
        return EncodeUnigram(tokenizer, part, size, start, scratch, output);
      });
    case TokenizerKind::kWordPiece:
      if (kHasAllTokenizers && tokenizer.pretokenizer == Pretokenizer::kBert) {
        return over([&](const char* part, uint64_t size, bool) {
          return EncodeBertWords(tokenizer, part, size, output);
        });
      }
      return over([&](const char* part, uint64_t size, bool) {
        return EncodeWordPieces(tokenizer, part, size, output);
      });
    case TokenizerKind::kCharacters:
    case TokenizerKind::kWords:
      return over(
          [&](const char* part, uint64_t size, bool) { return EncodeWhole(tokenizer, part, size, output); });
  }
  return CLLM_UNSUPPORTED_TOKENIZER;
}

}  // namespace

uint64_t EncodeScratchBytes(const TokenizerView& tokenizer, uint64_t text_bytes) {
  if (text_bytes > kMaxTextBytes) text_bytes = kMaxTextBytes;  // Encode refuses the text itself
  switch (tokenizer.kind) {
    case TokenizerKind::kNone:
    case TokenizerKind::kCharacters:
    case TokenizerKind::kWordPiece:
    case TokenizerKind::kWords: return 0;
    case TokenizerKind::kByteBpe: return MergeScratchBytes(text_bytes + 1);
    case TokenizerKind::kScoredMerges: return ScoredEncoder::ScratchBytes(tokenizer, text_bytes);
    case TokenizerKind::kUnigram: return UnigramScratchBytes(text_bytes);
  }
  return 0;
}

Status Encode(const TokenizerView& tokenizer, const char* text, uint64_t text_bytes, void* scratch,
              uint32_t* tokens, uint64_t capacity, uint64_t* count, Specials specials) {
  *count = 0;
  if (text_bytes > kMaxTextBytes) return CLLM_TEXT_NOT_ENCODABLE;
  if (!IsEncodable(tokenizer, specials)) return CLLM_UNSUPPORTED_TOKENIZER;
  Output output(tokens, capacity);
  CLLM_RETURN_IF_ERROR(EncodeTo(tokenizer, text, text_bytes, specials, scratch, &output));
  *count = output.count();
  return output.count() <= capacity ? CLLM_OK : CLLM_BUFFER_TOO_SMALL;
}

}  // namespace cllm
