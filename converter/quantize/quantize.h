// Room: converter/quantize. A model file with float weights becomes one with narrower weights.
#ifndef CLLM_CONVERTER_QUANTIZE_QUANTIZE_H_
#define CLLM_CONVERTER_QUANTIZE_QUANTIZE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "cllm/cllm.h"
#include "converter/data/documents.h"
#include "converter/export/weight_formats.h"

namespace cllm {

struct QuantizeOptions {
  QuantizeOptions(WeightFormats all) : formats(std::move(all)) {}  // NOLINT: nothing else asked for

  WeightFormats formats;
  // > 0: the formats are not these but those, of int8 and the lattices, that make the best model in a file of
  // at most so many bytes.
  uint64_t bytes = 0;
  // For lattices: a text like those that the model will read. Empty: what the model itself writes.
  std::string calibration;
  DocumentSplit documents = DocumentSplit::kWhole;   // of the calibration
  uint64_t calibration_tokens = 32768;               // at most about so many
  const cllm_workers* workers = nullptr;             // the result does not depend on them
  std::function<void(const std::string&)> progress;  // what has been done; may be empty
};

// Reads `in`, rounds every matrix to its format and writes `out` (which may be `in`). Errors:
// FailedPrecondition if `in` has integer weights already (a second rounding would only lose), InvalidArgument
// (a calibration that cannot be encoded, fewer bytes than the smallest file has), and those of files.
absl::Status Quantize(const std::string& in, const QuantizeOptions& options, const std::string& out);

}  // namespace cllm

#endif  // CLLM_CONVERTER_QUANTIZE_QUANTIZE_H_
