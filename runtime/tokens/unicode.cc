#include "tokens/unicode.h"

#include "tokens/split.h"

namespace cllm {
namespace {

// The last change that is not behind `code`, of ascending ones.
uint32_t LastChange(const uint32_t* changes, uint32_t count, uint32_t shift, uint32_t code) {
  uint32_t low = 0;
  while (count > 1) {
    const uint32_t half = count / 2;
    if (changes[low + half] >> shift <= code) low += half;
    count -= half;
  }
  return low;
}

CharacterClass ClassOf(uint32_t code) {
  return static_cast<CharacterClass>(kClassChanges[LastChange(kClassChanges, kClassChangeCount, 2, code)] &
                                     3u);
}

CharacterClass ClassOfAscii(uint8_t byte) {
  if (static_cast<uint8_t>((byte | 0x20) - 'a') < 26) return CharacterClass::kLetter;
  if (static_cast<uint8_t>(byte - '0') < 10) return CharacterClass::kNumber;
  const bool space = byte == ' ' || static_cast<uint8_t>(byte - '\t') < 5;
  return space ? CharacterClass::kWhitespace : CharacterClass::kOther;
}

}  // namespace

bool IsPunctuation(uint32_t code) {
  return code != kInvalidCode && LastChange(kPunctuationChanges, kPunctuationChangeCount, 0, code) % 2 != 0;
}

Character CharacterAt(const char* text, uint64_t bytes) {
  const uint8_t lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return {lead, 1, ClassOfAscii(lead)};
  const uint32_t size = CharacterBytes(text, bytes);
  constexpr Character kInvalid = {kInvalidCode, 1, CharacterClass::kOther};
  if (size == 1) return kInvalid;
  uint32_t code = lead & (0x7Fu >> size);
  for (uint32_t i = 1; i < size; ++i) code = code << 6 | (static_cast<uint8_t>(text[i]) & 0x3Fu);
  const uint32_t least = size == 2 ? 0x80 : size == 3 ? 0x800 : 0x10000;
  if (code < least || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return kInvalid;
  return {code, size, ClassOf(code)};
}

}  // namespace cllm
