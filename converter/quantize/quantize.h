// Room: converter/quantize. A model file with float weights becomes one with narrower weights.
#ifndef CLLM_CONVERTER_QUANTIZE_QUANTIZE_H_
#define CLLM_CONVERTER_QUANTIZE_QUANTIZE_H_

#include <string>

#include "absl/status/status.h"
#include "converter/export/weight_formats.h"

namespace cllm {

// Reads `in`, rounds every matrix to its format and writes `out` (which may be `in`). An error if `in` has
// integer weights already: a second rounding would only lose.
absl::Status Quantize(const std::string& in, const WeightFormats& formats, const std::string& out);

}  // namespace cllm

#endif  // CLLM_CONVERTER_QUANTIZE_QUANTIZE_H_
