// Room: tokens. The hash index of a tokenizer's file segment: an open-addressing table with linear probing,
// schemas/TOKENIZER.md. Reads the verified tables only; the converter fills the index by the same hashes.
#ifndef CLLM_TOKENS_INDEX_H_
#define CLLM_TOKENS_INDEX_H_

#include <cstdint>

#include "model/model.h"

namespace cllm {

inline constexpr uint32_t kEmptySlot = 0xFFFFFFFFu;
inline constexpr uint32_t kNotFound = 0xFFFFFFFFu;
inline constexpr uint32_t kHashOfNothing = 2166136261u;

// FNV-1a, continued over more bytes; FinishHash afterwards. Fowler, Noll, Vo: draft-eastlake-fnv.
inline uint32_t HashBytes(uint32_t hash, const char* bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) hash = (hash ^ static_cast<uint8_t>(bytes[i])) * 16777619u;
  return hash;
}

// Spreads all bits into the low ones, which choose the slot.
inline uint32_t FinishHash(uint32_t hash) {
  hash = (hash ^ (hash >> 16)) * 0x7FEB352Du;
  return hash ^ (hash >> 15);
}

inline uint32_t HashPair(uint32_t left, uint32_t right) {
  return FinishHash(left * 0x9E3779B1u + right * 0x85EBCA77u);
}

// A run of bytes inside the file or the text.
struct Piece {
  const char* bytes;
  uint32_t size;
};

inline Piece PieceOf(const TokenizerView& tokenizer, uint32_t token) {
  const uint32_t begin = tokenizer.offsets[token];
  return {tokenizer.bytes + begin, tokenizer.offsets[token + 1] - begin};
}

// The token of a byte; CLLM_NO_TOKEN if there is none.
inline uint32_t ByteToken(const TokenizerView& tokenizer, char byte) {
  const uint32_t value = static_cast<uint8_t>(byte);
  if (tokenizer.byte_tokens != nullptr) return tokenizer.byte_tokens[value];
  return tokenizer.byte_token_base < tokenizer.count ? tokenizer.byte_token_base + value : CLLM_NO_TOKEN;
}

// The first indexed token whose piece is head followed by tail; kNotFound if none is.
uint32_t FindPiece(const TokenizerView& tokenizer, Piece head, Piece tail);

// The token of a word that is one without merging; kNotFound if it is none. The tokenizer has such words.
uint32_t FindWord(const TokenizerView& tokenizer, Piece word);

// The longest indexed piece that head and then text[bytes] begin with, of at most kLongestWordPiece bytes of
// the text; kNotFound if none is. *size: its bytes of the text, at least 1.
inline constexpr uint32_t kLongestWordPiece = 64;
inline constexpr uint32_t kLongestBertWord = 100;  // characters; a longer one is unknown
uint32_t FindLongestPiece(const TokenizerView& tokenizer, Piece head, const char* text, uint64_t bytes,
                          uint32_t* size);

// The rank of the merge of two tokens; kNotFound if there is none.
uint32_t FindMerge(const TokenizerView& tokenizer, uint32_t left, uint32_t right);

}  // namespace cllm

#endif  // CLLM_TOKENS_INDEX_H_
