// Room: converter/export. The checksums that others' files carry.
#ifndef CLLM_CONVERTER_EXPORT_CRC32_H_
#define CLLM_CONVERTER_EXPORT_CRC32_H_

#include <cstdint>
#include <string_view>

namespace cllm {

// CRC-32 of IEEE 802.3.
uint32_t Crc32(std::string_view bytes);

// CRC-32C (RFC 3720, appendix B.4).
uint32_t Crc32c(std::string_view bytes);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_CRC32_H_
