// Room: converter/quantize. Formats by what each matrix loses in them, for a file of a given size.
#ifndef CLLM_CONVERTER_QUANTIZE_CHOOSE_FORMATS_H_
#define CLLM_CONVERTER_QUANTIZE_CHOOSE_FORMATS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/export/weight_formats.h"
#include "converter/import/model_file.h"
#include "converter/quantize/windows.h"

namespace cllm {

// The formats, of lattice2, lattice3, lattice4 and int8, that promise the least loss in a file of at most
// `bytes`. What a matrix loses is measured: the divergence of the model's predictions over some of the
// windows when this matrix alone is in lattice3; in other formats as much more or less as their squared
// errors are. `checkpoint` holds the weights of `file`. Error: InvalidArgument if all in lattice2 has more
// bytes.
absl::StatusOr<WeightFormats> ChooseFormats(const ModelFile& file, const Checkpoint& checkpoint,
                                            const TokenWindows& windows, uint64_t bytes,
                                            const cllm_workers* workers,
                                            const std::function<void(const std::string&)>& progress);

}  // namespace cllm

#endif  // CLLM_CONVERTER_QUANTIZE_CHOOSE_FORMATS_H_
