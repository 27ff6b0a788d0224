#include "tokens/split.h"

#include <cstdint>

namespace cllm {
namespace {

enum ByteClass : uint8_t { kOther, kLetter, kDigit, kWhitespace };

ByteClass ClassOf(char c) {
  const uint8_t byte = static_cast<uint8_t>(c);
  if (byte >= 0x80 || static_cast<uint8_t>((byte | 0x20) - 'a') < 26) return kLetter;
  if (static_cast<uint8_t>(byte - '0') < 10) return kDigit;
  if (byte == ' ' || static_cast<uint8_t>(byte - '\t') < 5) return kWhitespace;
  return kOther;
}

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

}  // namespace

uint64_t WordBytes(const char* text, uint64_t bytes) {
  const uint64_t start = text[0] == ' ' && bytes > 1 ? 1 : 0;
  const ByteClass first = ClassOf(text[start]);
  uint64_t end = start + 1;
  while (end < bytes && ClassOf(text[end]) == first) ++end;
  if (first != kWhitespace) return end;
  // A run of whitespace leaves its last space to the word that follows.
  return end < bytes && end > 1 && text[end - 1] == ' ' ? end - 1 : end;
}

uint32_t CharacterBytes(const char* text, uint64_t bytes) {
  const uint8_t lead = static_cast<uint8_t>(text[0]);
  const uint32_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 1;
  if (length > bytes) return 1;
  for (uint32_t i = 1; i < length; ++i) {
    if (!IsContinuation(text[i])) return 1;
  }
  return length;
}

uint32_t ContinuationGroupBytes(const char* text, uint64_t bytes) {
  uint32_t length = 1;
  while (length < 4 && length < bytes && IsContinuation(text[length])) ++length;
  return length;
}

}  // namespace cllm
