#include "converter/import/stored_tensor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/bf16.h"

// The block formats are ggml's (ggml-common.h names their fields): each element is what llama.cpp makes of
// it, with the same roundings in the same order.
namespace cllm {
namespace {

float HalfToFloat(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int mantissa = half & 1023;
  float value;
  if (exponent == 0) {
    value = std::ldexp(static_cast<float>(mantissa), -24);
  } else if (exponent == 31) {
    value = mantissa == 0 ? INFINITY : NAN;
  } else {
    value = std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
  }
  return half >> 15 != 0 ? -value : value;
}

uint16_t Word(const uint8_t* from) { return static_cast<uint16_t>(from[0] | from[1] << 8); }
float Half(const uint8_t* from) { return HalfToFloat(Word(from)); }
uint32_t Bit(const uint8_t* from, uint32_t i) { return from[i / 8] >> i % 8 & 1; }

void F32(const uint8_t* b, float* y) { std::memcpy(y, b, sizeof(float)); }
void F16(const uint8_t* b, float* y) { *y = Half(b); }
void Bf16(const uint8_t* b, float* y) { *y = Bf16ToFloat(Word(b)); }

// 32 elements: the low nibbles of 16 bytes, then the high ones, each with a fifth bit where there is one.
uint32_t Nibble(const uint8_t* nibbles, uint32_t i) {
  return i < 16 ? nibbles[i] & 15 : nibbles[i - 16] >> 4;
}

void Q4_0(const uint8_t* b, float* y) {
  const float d = Half(b);
  for (uint32_t i = 0; i < 32; ++i) y[i] = static_cast<float>(static_cast<int>(Nibble(b + 2, i)) - 8) * d;
}
void Q4_1(const uint8_t* b, float* y) {
  const float d = Half(b), m = Half(b + 2);
  for (uint32_t i = 0; i < 32; ++i) y[i] = static_cast<float>(Nibble(b + 4, i)) * d + m;
}
void Q5_0(const uint8_t* b, float* y) {
  const float d = Half(b);
  for (uint32_t i = 0; i < 32; ++i)
    y[i] = static_cast<float>(static_cast<int>(Nibble(b + 6, i) | Bit(b + 2, i) << 4) - 16) * d;
}
void Q5_1(const uint8_t* b, float* y) {
  const float d = Half(b), m = Half(b + 2);
  for (uint32_t i = 0; i < 32; ++i) y[i] = static_cast<float>(Nibble(b + 8, i) | Bit(b + 4, i) << 4) * d + m;
}
void Q8_0(const uint8_t* b, float* y) {
  const float d = Half(b);
  for (uint32_t i = 0; i < 32; ++i) y[i] = static_cast<float>(static_cast<int8_t>(b[2 + i])) * d;
}

// The K formats: 256 elements, in groups of 16 or 32 with small scales of their own.

// Element i of two bits: four groups of 32 in the bits of 32 bytes, then the next 32 bytes.
uint32_t TwoBits(const uint8_t* bytes, uint32_t i) {
  return bytes[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
}

void Q2_K(const uint8_t* b, float* y) {
  const float d = Half(b + 80), least = Half(b + 82);
  for (uint32_t i = 0; i < 256; ++i) {
    const float scale = d * static_cast<float>(b[i / 16] & 15),
                offset = least * static_cast<float>(b[i / 16] >> 4);
    y[i] = scale * static_cast<float>(TwoBits(b + 16, i)) - offset;
  }
}

void Q3_K(const uint8_t* b, float* y) {
  const uint8_t *high = b, *scales = b + 96;
  const float all = Half(b + 108);
  for (uint32_t i = 0; i < 256; ++i) {
    // 16 scales of 6 bits: 8 bytes of nibbles (low ones first), then 4 bytes of pairs of upper bits.
    const uint32_t group = i / 16;
    const uint32_t low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
    const uint32_t upper = scales[8 + group % 4] >> group / 4 * 2 & 3;
    const float scale = all * static_cast<float>(static_cast<int>(low | upper << 4) - 32);
    const int four = (high[i % 32] >> i / 32 & 1) != 0 ? 0 : 4;
    y[i] = scale * static_cast<float>(static_cast<int>(TwoBits(b + 32, i)) - four);
  }
}

// Scale and minimum of group j of eight: 6 bits each in 12 bytes.
void ScaleAndLeast(const uint8_t* s, uint32_t j, uint32_t* scale, uint32_t* least) {
  if (j < 4) {
    *scale = s[j] & 63;
    *least = s[j + 4] & 63;
  } else {
    *scale = (s[j + 4] & 15u) | s[j - 4] >> 6 << 4;
    *least = s[j + 4] >> 4 | s[j] >> 6 << 4;
  }
}

// high: a fifth bit of each element, or nullptr.
void K4Or5(const uint8_t* b, const uint8_t* high, const uint8_t* nibbles, float* y) {
  const float d = Half(b), d_least = Half(b + 2);
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t scale, least;
    ScaleAndLeast(b + 4, i / 32, &scale, &least);
    const uint8_t byte = nibbles[i / 64 * 32 + i % 32];
    uint32_t q = i / 32 % 2 == 0 ? byte & 15 : byte >> 4;
    if (high != nullptr) q |= (high[i % 32] >> i / 32 & 1u) << 4;
    y[i] = d * static_cast<float>(scale) * static_cast<float>(q) - d_least * static_cast<float>(least);
  }
}
void Q4_K(const uint8_t* b, float* y) { K4Or5(b, nullptr, b + 16, y); }
void Q5_K(const uint8_t* b, float* y) { K4Or5(b, b + 16, b + 48, y); }

void Q6_K(const uint8_t* b, float* y) {
  const uint8_t *low = b, *high = b + 128, *scales = b + 192;
  const float d = Half(b + 208);
  for (uint32_t i = 0; i < 256; ++i) {
    const uint8_t byte = low[i / 128 * 64 + i % 64];
    const uint32_t q = (i % 128 < 64 ? byte & 15u : byte >> 4u) | TwoBits(high, i) << 4;
    const float scale = d * static_cast<float>(static_cast<int8_t>(scales[i / 16]));
    y[i] = scale * static_cast<float>(static_cast<int>(q) - 32);
  }
}

struct Format {
  StoredType type;
  void (*block)(const uint8_t* bytes, float* out);
};
constexpr std::array<Format, 13> kFormats = {{{{0, "F32", 1, 4}, F32},
                                              {{1, "F16", 1, 2}, F16},
                                              {{2, "Q4_0", 32, 18}, Q4_0},
                                              {{3, "Q4_1", 32, 20}, Q4_1},
                                              {{6, "Q5_0", 32, 22}, Q5_0},
                                              {{7, "Q5_1", 32, 24}, Q5_1},
                                              {{8, "Q8_0", 32, 34}, Q8_0},
                                              {{10, "Q2_K", 256, 84}, Q2_K},
                                              {{11, "Q3_K", 256, 110}, Q3_K},
                                              {{12, "Q4_K", 256, 144}, Q4_K},
                                              {{13, "Q5_K", 256, 176}, Q5_K},
                                              {{14, "Q6_K", 256, 210}, Q6_K},
                                              {{30, "BF16", 1, 2}, Bf16}}};

const Format* FindFormat(uint32_t number) {
  const auto* found = std::find_if(kFormats.begin(), kFormats.end(),
                                   [number](const Format& format) { return format.type.number == number; });
  return found == kFormats.end() ? nullptr : found;
}

std::vector<float> DequantizeGroups(const StoredTensor& tensor) {
  std::vector<float> values(tensor.rows * tensor.columns);
  const char* scales = tensor.bytes.data() + values.size();
  for (size_t i = 0; i < values.size(); ++i) {
    float scale;
    std::memcpy(&scale, scales + i / tensor.group * sizeof(scale), sizeof(scale));
    values[i] = static_cast<float>(static_cast<int8_t>(tensor.bytes[i])) * scale;
  }
  return values;
}

}  // namespace

const StoredType* FindStoredType(uint32_t number) {
  const Format* format = FindFormat(number);
  return format == nullptr ? nullptr : &format->type;
}

std::vector<float> Dequantize(const StoredTensor& tensor) {
  if (tensor.group != 0) return DequantizeGroups(tensor);
  const auto block = FindFormat(tensor.type->number)->block;
  const uint32_t elements = tensor.type->block_elements, bytes = tensor.type->block_bytes;
  std::vector<float> values(tensor.rows * tensor.columns);
  const auto* from = reinterpret_cast<const uint8_t*>(tensor.bytes.data());
  for (size_t i = 0; i < values.size() / elements; ++i) block(from + i * bytes, values.data() + i * elements);
  return values;
}

}  // namespace cllm
