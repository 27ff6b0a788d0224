// Room: converter/export. Floats as the bytes of a file.
#ifndef CLLM_CONVERTER_EXPORT_FLOAT_BYTES_H_
#define CLLM_CONVERTER_EXPORT_FLOAT_BYTES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"

namespace cllm {

// What other engines' files hold a tensor as: float32, unless it is bfloat16 already.
inline Dtype FloatFormat(Dtype stored) { return stored == Dtype::kBf16 ? Dtype::kBf16 : Dtype::kF32; }

inline uint64_t FloatFormatBytes(Dtype format) { return format == Dtype::kBf16 ? 2 : 4; }

// The values, little-endian, in one of these formats.
std::string FloatBytes(const std::vector<float>& values, Dtype format);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_FLOAT_BYTES_H_
