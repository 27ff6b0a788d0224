#include "tokens/encode.h"

#include <cstdint>
#include <cstring>

#include "base/layout.h"
#include "tokens/index.h"
#include "tokens/merge.h"
#include "tokens/split.h"

namespace cllm {
namespace {

class Output {
 public:
  Output(uint32_t* tokens, uint64_t capacity) : tokens_(tokens), capacity_(capacity) {}

  void Append(uint32_t token) {
    if (count_ < capacity_) tokens_[count_] = token;
    ++count_;
  }
  void Append(const uint32_t* tokens, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) Append(tokens[i]);
  }
  uint64_t count() const { return count_; }

 private:
  uint32_t* tokens_;
  uint64_t capacity_;
  uint64_t count_ = 0;
};

bool HasByteTokens(const TokenizerView& tokenizer) {
  return tokenizer.byte_token_base != CLLM_NO_TOKEN &&
         uint64_t{tokenizer.byte_token_base} + 256 <= tokenizer.count;
}

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

// A candidate is the resulting token.
class ScoredMerges {
 public:
  explicit ScoredMerges(const TokenizerView& tokenizer) : tokenizer_(tokenizer) {}

  uint32_t Find(uint32_t left, uint32_t right) const {
    const Piece head = PieceOf(tokenizer_, left);
    const Piece tail = PieceOf(tokenizer_, right);
    if (head.size == 0 || tail.size == 0) return kNotFound;
    const uint32_t token = FindPiece(tokenizer_, head, tail);
    // llama2.c starts its search for the best score from here. NaN is not greater either.
    return token != kNotFound && tokenizer_.scores[token] > -1e10f ? token : kNotFound;
  }

  // Reverses the order of floats, as unsigned numbers; adding 0 makes -0 and 0 equal.
  uint32_t Priority(uint32_t token) const {
    const float score = tokenizer_.scores[token] + 0.0f;
    uint32_t bits;
    std::memcpy(&bits, &score, sizeof(bits));
    return (bits & 0x80000000u) != 0 ? bits : ~(bits | 0x80000000u);
  }

  uint32_t Result(uint32_t token) const { return token; }

 private:
  const TokenizerView& tokenizer_;
};

// Which pairs of bytes stand side by side inside pieces. Where a pair that does not occur separates two
// tokens no merge can ever join them, so that a long text falls into short independent runs.
class BytePairs {
 public:
  static constexpr uint64_t kBytes = 65536 / 8;

  BytePairs(const TokenizerView& tokenizer, void* scratch) : bits_(static_cast<uint8_t*>(scratch)) {
    std::memset(bits_, 0, kBytes);
    for (uint32_t slot = 0; slot < tokenizer.index_slots; ++slot) {
      if (tokenizer.index[slot] == kEmptySlot) continue;
      const Piece piece = PieceOf(tokenizer, tokenizer.index[slot]);
      for (uint32_t i = 0; i + 1 < piece.size; ++i) {
        const uint32_t pair = Pair(piece.bytes[i], piece.bytes[i + 1]);
        bits_[pair / 8] = static_cast<uint8_t>(bits_[pair / 8] | 1u << pair % 8);
      }
    }
  }

  bool Occurs(char left, char right) const {
    const uint32_t pair = Pair(left, right);
    return (bits_[pair / 8] >> pair % 8 & 1u) != 0;
  }

 private:
  static uint32_t Pair(char left, char right) {
    return uint32_t{static_cast<uint8_t>(left)} << 8 | static_cast<uint8_t>(right);
  }

  uint8_t* bits_;
};

// Collecting the pairs of all pieces pays for texts that are long beside the vocabulary.
bool UsesBytePairs(const TokenizerView& tokenizer, uint64_t text_bytes) {
  return text_bytes / 4 >= tokenizer.count;
}

class ScoredEncoder {
 public:
  ScoredEncoder(const TokenizerView& tokenizer, uint64_t text_bytes, void* scratch, Output* output)
      : tokenizer_(tokenizer),
        rules_(tokenizer),
        merger_(rules_, scratch, text_bytes + 1),
        pairs_scratch_(static_cast<uint8_t*>(scratch) + MergeScratchBytes(text_bytes + 1)),
        output_(output) {}

  Status Encode(const char* text, uint64_t bytes) {
    if (bytes == 0) return CLLM_OK;
    if (!UsesBytePairs(tokenizer_, bytes)) return EncodeWith(nullptr, text, bytes);
    const BytePairs pairs(tokenizer_, pairs_scratch_);
    return EncodeWith(&pairs, text, bytes);
  }

 private:
  Status EncodeWith(const BytePairs* pairs, const char* text, uint64_t bytes) {
    if (tokenizer_.prefix_space) CLLM_RETURN_IF_ERROR(AppendGroup(pairs, " ", 1));
    for (uint64_t i = 0; i < bytes;) {
      const uint32_t group = ContinuationGroupBytes(text + i, bytes - i);
      CLLM_RETURN_IF_ERROR(AppendGroup(pairs, text + i, group));
      i += group;
    }
    Flush();
    return CLLM_OK;
  }

  Status AppendGroup(const BytePairs* pairs, const char* group, uint32_t size) {
    const uint32_t token = FindPiece(tokenizer_, {group, size}, {group, 0});
    if (token != kNotFound) {
      Append(pairs, token);
      return CLLM_OK;
    }
    if (!HasByteTokens(tokenizer_)) return CLLM_TEXT_NOT_ENCODABLE;
    for (uint32_t i = 0; i < size; ++i) {
      Append(pairs, tokenizer_.byte_token_base + static_cast<uint8_t>(group[i]));
    }
    return CLLM_OK;
  }

  void Append(const BytePairs* pairs, uint32_t token) {
    if (pairs != nullptr && run_ > 0) {
      const Piece left = PieceOf(tokenizer_, merger_.tokens()[run_ - 1]);
      const Piece right = PieceOf(tokenizer_, token);
      if (left.size == 0 || right.size == 0 || !pairs->Occurs(left.bytes[left.size - 1], right.bytes[0])) {
        Flush();
      }
    }
    merger_.tokens()[run_++] = token;
  }

  void Flush() {
    const uint32_t count = merger_.Run(run_);
    output_->Append(merger_.tokens(), count);
    run_ = 0;
  }

  const TokenizerView& tokenizer_;
  const ScoredMerges rules_;
  Merger<ScoredMerges> merger_;
  uint32_t run_ = 0;  // tokens of the run under way
  void* pairs_scratch_;
  Output* output_;
};

uint64_t NextWordBytes(const TokenizerView& tokenizer, const char* text, uint64_t bytes) {
  return tokenizer.pretokenizer == Pretokenizer::kWords ? WordBytes(text, bytes) : bytes;
}

Status EncodeBytePairs(const TokenizerView& tokenizer, const char* text, uint64_t bytes, void* scratch,
                       Output* output) {
  if (!HasByteTokens(tokenizer)) return CLLM_TEXT_NOT_ENCODABLE;
  const RankedMerges rules(tokenizer);
  Merger<RankedMerges> merger(rules, scratch, bytes + 1);
  uint32_t* tokens = merger.tokens();
  for (uint64_t start = 0; start < bytes;) {
    const uint32_t word = static_cast<uint32_t>(NextWordBytes(tokenizer, text + start, bytes - start));
    for (uint32_t i = 0; i < word; ++i) {
      tokens[i] = tokenizer.byte_token_base + static_cast<uint8_t>(text[start + i]);
    }
    output->Append(tokens, merger.Run(word));
    start += word;
  }
  return CLLM_OK;
}

// Greedy: each time the longest piece that what is left of the word begins with; where there is none, a
// character is unknown.
Status EncodeWordPieces(const TokenizerView& tokenizer, const char* text, uint64_t bytes, Output* output) {
  for (uint64_t i = 0; i < bytes;) {
    for (uint64_t left = NextWordBytes(tokenizer, text + i, bytes - i); left > 0;) {
      uint32_t size = 0;
      uint32_t token = FindLongestPiece(tokenizer, text + i, left, &size);
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

}  // namespace

uint64_t EncodeScratchBytes(const TokenizerView& tokenizer, uint64_t text_bytes) {
  if (text_bytes > kMaxTextBytes) text_bytes = kMaxTextBytes;  // Encode refuses the text itself
  switch (tokenizer.kind) {
    case TokenizerKind::kNone:
    case TokenizerKind::kCharacters:
    case TokenizerKind::kWordPiece:
    case TokenizerKind::kWords: return 0;
    case TokenizerKind::kByteBpe: return MergeScratchBytes(text_bytes + 1);
    case TokenizerKind::kScoredMerges:
      return MergeScratchBytes(text_bytes + 1) +
             (UsesBytePairs(tokenizer, text_bytes) ? BytePairs::kBytes : 0);
  }
  return 0;
}

Status Encode(const TokenizerView& tokenizer, const char* text, uint64_t text_bytes, void* scratch,
              uint32_t* tokens, uint64_t capacity, uint64_t* count) {
  *count = 0;
  if (text_bytes > kMaxTextBytes) return CLLM_TEXT_NOT_ENCODABLE;
  Output output(tokens, capacity);
  Status status = CLLM_UNSUPPORTED_TOKENIZER;
  switch (tokenizer.kind) {
    case TokenizerKind::kNone: break;
    case TokenizerKind::kByteBpe:
      status = EncodeBytePairs(tokenizer, text, text_bytes, scratch, &output);
      break;
    case TokenizerKind::kScoredMerges:
      status = ScoredEncoder(tokenizer, text_bytes, scratch, &output).Encode(text, text_bytes);
      break;
    case TokenizerKind::kWordPiece: status = EncodeWordPieces(tokenizer, text, text_bytes, &output); break;
    case TokenizerKind::kCharacters:
    case TokenizerKind::kWords: status = EncodeWhole(tokenizer, text, text_bytes, &output); break;
  }
  CLLM_RETURN_IF_ERROR(status);
  *count = output.count();
  return output.count() <= capacity ? CLLM_OK : CLLM_BUFFER_TOO_SMALL;
}

}  // namespace cllm
