#include "base/bf16.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "doctest/doctest.h"

namespace cllm {
namespace {

float FromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

TEST_CASE("every bfloat16 is its own nearest, every float between two the nearer, and halfway the even one") {
  for (uint32_t half = 0; half < 0x7F80; ++half) {
    for (const uint32_t sign : {0x0000u, 0x8000u}) {
      const uint32_t low = half | sign, high = low + 1, even = low % 2 == 0 ? low : high;
      CHECK(Bf16Nearest(Bf16ToFloat(static_cast<uint16_t>(low))) == low);
      CHECK(Bf16Nearest(FromBits(low << 16 | 1)) == low);
      CHECK(Bf16Nearest(FromBits(low << 16 | 0x7FFF)) == low);
      CHECK(Bf16Nearest(FromBits(low << 16 | 0x8000)) == even);
      CHECK(Bf16Nearest(FromBits(low << 16 | 0x8001)) == high);
      CHECK(Bf16Nearest(FromBits(low << 16 | 0xFFFF)) == high);
    }
  }
}

TEST_CASE("infinities stay, what is no number becomes no infinity") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(Bf16ToFloat(Bf16Nearest(infinity)) == infinity);
  CHECK(Bf16ToFloat(Bf16Nearest(-infinity)) == -infinity);
  for (const uint32_t bits : {0x7F800001u, 0x7FFFFFFFu, 0xFF800001u, 0xFFFFFFFFu, 0x7FC00000u}) {
    CHECK(std::isnan(Bf16ToFloat(Bf16Nearest(FromBits(bits)))));
  }
}

}  // namespace
}  // namespace cllm
