// Room: converter/quantize. The tokens that a model is calibrated with: of a text, or of its own.
#ifndef CLLM_CONVERTER_QUANTIZE_WINDOWS_H_
#define CLLM_CONVERTER_QUANTIZE_WINDOWS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cllm/cllm.h"
#include "converter/data/documents.h"

namespace cllm {

using TokenWindows = std::vector<std::vector<uint32_t>>;

// Windows of at most the context that do not overlap, each with the model's begin token first where it has
// one; of all of them every n-th, so that they hold about `tokens` at most. Errors: InvalidArgument (a text
// that cannot be encoded, or is too short for a window of two tokens).
absl::StatusOr<TokenWindows> WindowsOf(const cllm_model& model, std::string_view text, DocumentSplit split,
                                       uint64_t tokens);

// What the model itself writes, at temperature 1, until there are `tokens`: from its begin token, or without
// one from tokens at random. Depends on the model and the arguments only.
absl::StatusOr<TokenWindows> OwnWindows(const cllm_model& model, uint64_t tokens,
                                        const cllm_workers* workers);

}  // namespace cllm

#endif  // CLLM_CONVERTER_QUANTIZE_WINDOWS_H_
