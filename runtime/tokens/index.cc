#include "tokens/index.h"

#include <cstdint>

namespace cllm {
namespace {

// Pieces are a few bytes long, for which a call of memcmp costs more than it saves.
bool SameBytes(const char* a, const char* b, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

struct Slots {
  const uint32_t* tokens;
  uint32_t count;
};

// hash: HashBytes of head and then tail.
uint32_t Lookup(const TokenizerView& tokenizer, Slots slots, uint32_t hash, Piece head, Piece tail) {
  const uint32_t mask = slots.count - 1;
  for (uint32_t slot = FinishHash(hash) & mask;; slot = (slot + 1) & mask) {
    const uint32_t token = slots.tokens[slot];
    if (token == kEmptySlot) return kNotFound;
    const Piece piece = PieceOf(tokenizer, token);
    // In 64 bits: two pieces of one file may be longer than 4 GiB together.
    if (piece.size == uint64_t{head.size} + tail.size && SameBytes(piece.bytes, head.bytes, head.size) &&
        SameBytes(piece.bytes + head.size, tail.bytes, tail.size)) {
      return token;
    }
  }
}

}  // namespace

uint32_t FindPiece(const TokenizerView& tokenizer, Piece head, Piece tail) {
  const uint32_t hash = HashBytes(kHashOfNothing, head.bytes, head.size);
  return Lookup(tokenizer, {tokenizer.index, tokenizer.index_slots}, HashBytes(hash, tail.bytes, tail.size),
                head, tail);
}

uint32_t FindWord(const TokenizerView& tokenizer, Piece word) {
  return Lookup(tokenizer, {tokenizer.words, tokenizer.word_slots},
                HashBytes(kHashOfNothing, word.bytes, word.size), word, {word.bytes, 0});
}

uint32_t FindLongestPiece(const TokenizerView& tokenizer, Piece head, const char* text, uint64_t bytes,
                          uint32_t* size) {
  uint32_t longest = kNotFound;
  uint32_t hash = HashBytes(kHashOfNothing, head.bytes, head.size);
  for (uint32_t i = 0; i < bytes && i < kLongestWordPiece; ++i) {
    hash = HashBytes(hash, text + i, 1);
    const uint32_t token =
        Lookup(tokenizer, {tokenizer.index, tokenizer.index_slots}, hash, head, {text, i + 1});
    if (token == kNotFound) continue;
    longest = token;
    *size = i + 1;
  }
  return longest;
}

uint32_t FindMerge(const TokenizerView& tokenizer, uint32_t left, uint32_t right) {
  const uint32_t mask = tokenizer.index_slots - 1;
  for (uint32_t slot = HashPair(left, right) & mask;; slot = (slot + 1) & mask) {
    const uint32_t rank = tokenizer.index[slot];
    if (rank == kEmptySlot) return kNotFound;
    const uint32_t* merge = tokenizer.merges + uint64_t{3} * rank;
    if (merge[0] == left && merge[1] == right) return rank;
  }
}

}  // namespace cllm
