// Room: tokens. Characters of UTF-8 and their classes by the Unicode Character Database. Numbers only.
#ifndef CLLM_TOKENS_UNICODE_H_
#define CLLM_TOKENS_UNICODE_H_

#include <cstdint>

namespace cllm {

// The general categories L and N, the property White_Space, and all else, invalid UTF-8 included.
enum class CharacterClass : uint8_t { kOther = 0, kLetter = 1, kNumber = 2, kWhitespace = 3 };

// unicode_classes.cc, which make_unicode_classes writes; ascending, the first at code point 0.
extern const uint32_t kClassChanges[];
extern const uint32_t kClassChangeCount;
extern const uint32_t kPunctuationChanges[];
extern const uint32_t kPunctuationChangeCount;

struct Character {
  uint32_t code;  // kInvalidCode: a byte that begins no character
  uint32_t size;  // bytes
  CharacterClass kind;
};
inline constexpr uint32_t kInvalidCode = 0xFFFFFFFFu;

// The general category P, and what of ASCII is neither letter, digit, space nor control, as BERT has it.
bool IsPunctuation(uint32_t code);

// The first character of text[bytes], strictly: neither overlong forms nor surrogates are any. bytes > 0.
Character CharacterAt(const char* text, uint64_t bytes);

}  // namespace cllm

#endif  // CLLM_TOKENS_UNICODE_H_
