#include "converter/export/crc32.h"

#include <array>

namespace cllm {
namespace {

using Table = std::array<uint32_t, 256>;

constexpr Table MakeTable(uint32_t reflected_polynomial) {
  Table table = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? reflected_polynomial : 0);
    table[byte] = crc;
  }
  return table;
}
constexpr Table kIeee = MakeTable(0xEDB88320u), kCastagnoli = MakeTable(0x82F63B78u);

uint32_t Checksum(const Table& table, std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const char byte : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<uint8_t>(byte)) & 0xFF];
  return ~crc;
}

}  // namespace

uint32_t Crc32(std::string_view bytes) { return Checksum(kIeee, bytes); }

uint32_t Crc32c(std::string_view bytes) { return Checksum(kCastagnoli, bytes); }

}  // namespace cllm
