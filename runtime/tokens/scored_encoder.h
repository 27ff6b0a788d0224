// Room: tokens. The encoder of scored merges (schemas/TOKENIZER.md): groups of bytes become tokens, and pairs
// merge by score. Writes only to the caller's scratch and output.
#ifndef CLLM_TOKENS_SCORED_ENCODER_H_
#define CLLM_TOKENS_SCORED_ENCODER_H_

#include <cstdint>
#include <cstring>

#include "base/status.h"
#include "tokens/index.h"
#include "tokens/merge.h"
#include "tokens/output.h"
#include "tokens/split.h"

namespace cllm {

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

  explicit BytePairs(void* scratch) : bits_(static_cast<uint8_t*>(scratch)) {}

  void Collect(const TokenizerView& tokenizer) {
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
inline bool UsesBytePairs(const TokenizerView& tokenizer, uint64_t text_bytes) {
  return text_bytes / 4 >= tokenizer.count;
}

class ScoredEncoder {
 public:
  // scratch: ScratchBytes, for texts of at most as many bytes, aligned to kAlignment.
  ScoredEncoder(const TokenizerView& tokenizer, uint64_t text_bytes, void* scratch, Output* output)
      : tokenizer_(tokenizer),
        rules_(tokenizer),
        merger_(rules_, scratch, text_bytes + 1),
        pairs_(static_cast<uint8_t*>(scratch) + MergeScratchBytes(text_bytes + 1)),
        output_(output) {
    uses_pairs_ = UsesBytePairs(tokenizer, text_bytes);
    if (uses_pairs_) pairs_.Collect(tokenizer);
  }

  static uint64_t ScratchBytes(const TokenizerView& tokenizer, uint64_t text_bytes) {
    return MergeScratchBytes(text_bytes + 1) + (UsesBytePairs(tokenizer, text_bytes) ? BytePairs::kBytes : 0);
  }

  // A stretch of the text, bytes > 0.
  Status Encode(const char* text, uint64_t bytes, bool is_start) {
    uint32_t group = GroupBytes(text, bytes);
    if (TakesPrefix(is_start, IsSpace(text, group))) CLLM_RETURN_IF_ERROR(AppendGroup(" ", 1));
    for (uint64_t i = 0; i < bytes; i += group) {
      group = GroupBytes(text + i, bytes - i);
      const bool space = IsSpace(text + i, group);
      if (space && tokenizer_.pretokenizer == Pretokenizer::kSpaces) Flush();
      CLLM_RETURN_IF_ERROR(space ? AppendGroup(" ", 1) : AppendGroup(text + i, group));
    }
    Flush();
    return CLLM_OK;
  }

 private:
  static uint32_t GroupBytes(const char* text, uint64_t bytes) { return ContinuationGroupBytes(text, bytes); }

  bool IsSpace(const char* group, uint32_t size) const {
    return size == 1 ? group[0] == ' '
                     : tokenizer_.block_is_space && size == 3 && std::memcmp(group, "\xE2\x96\x81", 3) == 0;
  }

  bool TakesPrefix(bool is_start, bool starts_with_space) const {
    return tokenizer_.prefix_space && (is_start || !tokenizer_.prefix_once) &&
           !(starts_with_space && tokenizer_.prefix_unless_space);
  }

  Status AppendGroup(const char* group, uint32_t size) {
    const uint32_t token = FindPiece(tokenizer_, {group, size}, {group, 0});
    if (token != kNotFound) {
      Append(token);
      return CLLM_OK;
    }
    for (uint32_t i = 0; i < size; ++i) {
      const uint32_t byte = ByteToken(tokenizer_, group[i]);
      if (byte == CLLM_NO_TOKEN) return CLLM_TEXT_NOT_ENCODABLE;
      Append(byte);
    }
    return CLLM_OK;
  }

  void Append(uint32_t token) {
    if (uses_pairs_ && run_ > 0) {
      const Piece left = PieceOf(tokenizer_, merger_.tokens()[run_ - 1]);
      const Piece right = PieceOf(tokenizer_, token);
      if (left.size == 0 || right.size == 0 || !pairs_.Occurs(left.bytes[left.size - 1], right.bytes[0])) {
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
  BytePairs pairs_;
  bool uses_pairs_;
  Output* output_;
};

}  // namespace cllm

#endif  // CLLM_TOKENS_SCORED_ENCODER_H_
