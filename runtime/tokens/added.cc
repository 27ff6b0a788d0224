#include "tokens/added.h"

#include "tokens/index.h"
#include "tokens/unicode.h"

namespace cllm {
namespace {

// A byte of a row's piece; -1 behind its end.
int ByteAt(const TokenizerView& tokenizer, uint32_t row, uint32_t at) {
  const Piece piece = PieceOf(tokenizer, tokenizer.added->rows[row].token);
  return at < piece.size ? static_cast<uint8_t>(piece.bytes[at]) : -1;
}

// The first row in [low, high), whose pieces agree before `at`, with no lesser byte there.
uint32_t LowerBound(const TokenizerView& tokenizer, uint32_t low, uint32_t high, uint32_t at, int byte) {
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (ByteAt(tokenizer, middle, at) < byte) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// The row of the longest piece that the text begins with, of those with kLate or without.
uint32_t LongestRow(const TokenizerView& tokenizer, const char* text, uint64_t bytes, bool late) {
  uint32_t longest = kNotFound;
  uint32_t low = 0, high = tokenizer.added_count;
  for (uint32_t i = 0; i < bytes && low < high; ++i) {
    const int byte = static_cast<uint8_t>(text[i]);
    low = LowerBound(tokenizer, low, high, i, byte);
    high = LowerBound(tokenizer, low, high, i, byte + 1);
    if (low == high) break;
    const AddedToken& row = tokenizer.added->rows[low];
    if (((row.flags & AddedToken::kLate) != 0) == late && PieceOf(tokenizer, row.token).size == i + 1) {
      longest = low;
    }
  }
  return longest;
}

bool IsWhitespaceAt(const char* text, uint64_t bytes, uint64_t at, uint32_t* size) {
  const Character character = CharacterAt(text + at, bytes - at);
  *size = character.size;
  return character.kind == CharacterClass::kWhitespace;
}

// Widens a match over whitespace, not before `from`.
void Strip(const char* text, uint64_t bytes, uint64_t from, uint32_t flags, AddedMatch* match) {
  uint32_t size = 0;
  while ((flags & AddedToken::kStripLeft) != 0 && match->begin > from) {
    uint64_t before = match->begin - 1;
    while (before > from && (static_cast<uint8_t>(text[before]) & 0xC0) == 0x80) --before;
    if (!IsWhitespaceAt(text, bytes, before, &size) || before + size != match->begin) break;
    match->begin = before;
  }
  while ((flags & AddedToken::kStripRight) != 0 && match->end < bytes &&
         IsWhitespaceAt(text, bytes, match->end, &size)) {
    match->end += size;
  }
}

}  // namespace

AddedMatch FindAdded(const TokenizerView& tokenizer, const char* text, uint64_t bytes, uint64_t from,
                     bool late, Specials specials) {
  const uint32_t* first_bytes = tokenizer.added->first_bytes[late ? 1 : 0];
  uint32_t any = 0;
  for (uint32_t i = 0; i < 8; ++i) any |= first_bytes[i];
  if (any == 0) from = bytes;
  for (uint64_t at = from; at < bytes;) {
    const uint8_t byte = static_cast<uint8_t>(text[at]);
    const uint32_t row = (first_bytes[byte / 32] >> byte % 32 & 1u) != 0
                             ? LongestRow(tokenizer, text + at, bytes - at, late)
                             : kNotFound;
    if (row == kNotFound) {
      ++at;
      continue;
    }
    const AddedToken& added = tokenizer.added->rows[row];
    AddedMatch match = {at, at + PieceOf(tokenizer, added.token).size, added.token};
    if ((added.flags & AddedToken::kControl) == 0 || specials == Specials::kParsed) {
      Strip(text, bytes, from, added.flags, &match);
      return match;
    }
    at = match.end;
  }
  return {bytes, bytes, CLLM_NO_TOKEN};
}

bool HasAdded(const TokenizerView& tokenizer, Specials specials) {
  if (specials == Specials::kParsed) return tokenizer.added_count > 0;
  for (uint32_t row = 0; row < tokenizer.added_count; ++row) {
    if ((tokenizer.added->rows[row].flags & AddedToken::kControl) == 0) return true;
  }
  return false;
}

uint32_t AddedFlags(const TokenizerView& tokenizer, uint32_t token) {
  for (uint32_t row = 0; row < tokenizer.added_count; ++row) {
    if (tokenizer.added->rows[row].token == token) return tokenizer.added->rows[row].flags;
  }
  return 0;
}

}  // namespace cllm
