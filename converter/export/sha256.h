// Room: converter/export. SHA-256 (FIPS 180-4) by libmd.
#ifndef CLLM_CONVERTER_EXPORT_SHA256_H_
#define CLLM_CONVERTER_EXPORT_SHA256_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace cllm {

using Sha256Digest = std::array<uint8_t, 32>;

Sha256Digest Sha256(std::string_view bytes);

// The same over bytes that come one after another.
class Sha256Stream {
 public:
  Sha256Stream();
  void Add(std::string_view bytes);
  Sha256Digest Finish();  // once

 private:
  alignas(8) uint8_t context_[256];  // libmd's
};

// 64 lower-case hexadecimal digits.
std::string Hexadecimal(const Sha256Digest& digest);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_SHA256_H_
