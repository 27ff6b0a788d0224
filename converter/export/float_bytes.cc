#include "converter/export/float_bytes.h"

#include <cstring>

#include "base/bf16.h"

namespace cllm {

std::string FloatBytes(const std::vector<float>& values, Dtype format) {
  std::string bytes(values.size() * static_cast<size_t>(FloatFormatBytes(format)), '\0');
  if (format != Dtype::kBf16) {
    if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t half = Bf16Nearest(values[i]);
    std::memcpy(&bytes[2 * i], &half, sizeof(half));
  }
  return bytes;
}

}  // namespace cllm
