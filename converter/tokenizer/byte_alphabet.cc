#include "converter/tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>
#include <unordered_map>

#include "tokens/split.h"

namespace cllm {
namespace {

std::string Utf8(uint32_t below_2048) {
  if (below_2048 < 0x80) return std::string(1, static_cast<char>(below_2048));
  return {static_cast<char>(0xC0 | below_2048 >> 6), static_cast<char>(0x80 | (below_2048 & 0x3F))};
}

// Printable bytes of Latin-1 stand for themselves, the others in their order for the characters from 256 on.
std::array<std::string, 256> MakeGpt2Alphabet() {
  std::array<std::string, 256> alphabet;
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
    alphabet[byte] = Utf8(printable ? byte : next++);
  }
  return alphabet;
}

const std::array<std::string, 256>& Alphabet() {
  static const std::array<std::string, 256>* const alphabet =
      new std::array<std::string, 256>(MakeGpt2Alphabet());
  return *alphabet;
}

}  // namespace

std::string Gpt2Characters(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += Alphabet()[static_cast<uint8_t>(byte)];
  return text;
}

std::optional<std::string> Gpt2Bytes(std::string_view characters) {
  static const auto* const bytes_of = [] {
    auto* map = new std::unordered_map<std::string_view, char>;
    for (uint32_t byte = 0; byte < 256; ++byte) map->emplace(Alphabet()[byte], static_cast<char>(byte));
    return map;
  }();
  std::string bytes;
  while (!characters.empty()) {
    const uint32_t size = CharacterBytes(characters.data(), characters.size());
    const auto found = bytes_of->find(characters.substr(0, size));
    if (found == bytes_of->end()) return std::nullopt;
    bytes += found->second;
    characters.remove_prefix(size);
  }
  return bytes;
}

}  // namespace cllm
