#include "converter/tokenizer/utf8.h"

#include <cstdint>
#include <cstring>

namespace cllm {
namespace {

bool Between(char c, uint8_t least, uint8_t most) {
  return static_cast<uint8_t>(c) >= least && static_cast<uint8_t>(c) <= most;
}

// Bytes of the character that `text` begins with, 0 if it begins with none.
size_t CharacterBytesStrictly(std::string_view text) {
  const uint8_t lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text.size() < size) return 0;
  // The second byte's range excludes overlong forms, surrogates and what lies behind U+10FFFF.
  const uint8_t least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uint8_t most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (!Between(text[1], least, most)) return 0;
  for (size_t i = 2; i < size; ++i) {
    if (!Between(text[i], 0x80, 0xBF)) return 0;
  }
  return size;
}

}  // namespace

size_t InvalidUtf8At(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    uint64_t eight = 0;
    if (at + sizeof(eight) <= text.size()) {
      std::memcpy(&eight, text.data() + at, sizeof(eight));
      if ((eight & 0x8080808080808080u) == 0) {
        at += sizeof(eight);
        continue;
      }
    }
    const size_t size = CharacterBytesStrictly(text.substr(at));
    if (size == 0) return at;
    at += size;
  }
  return std::string_view::npos;
}

}  // namespace cllm
