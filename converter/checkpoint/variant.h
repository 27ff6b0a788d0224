// Room: converter/checkpoint. The switches of an architecture in words: names of options, a description, and
// where it leaves Llama's, which not every format can express.
#ifndef CLLM_CONVERTER_CHECKPOINT_VARIANT_H_
#define CLLM_CONVERTER_CHECKPOINT_VARIANT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/variant.h"
#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// In the order of Activation: "silu", "gelu", "gelu-erf", "relu", "relu-squared".
const std::vector<std::string>& ActivationNames();

// "RMS norm", "layer norm", ...
const char* NormPlacementWords(NormPlacement placement);
const char* NormWords(Norm norm);

// "SwiGLU", "gated GELU", "squared ReLU": the feed-forward block.
std::string FeedForwardWords(const Variant& variant);

// The switches that differ from Llama's, but for the feed-forward block: "norms of queries and keys, logits
// capped at 15", or "".
std::string SwitchWords(const Variant& variant);

// All of that and the norm: "layer norm, GELU, learned positions".
std::string VariantWords(const Variant& variant);

// OK if the architecture is Llama's. The error names the first switch that is not, and says that `format`
// cannot express it.
absl::Status CheckIsLlama(const Architecture& architecture, const std::string& format);

}  // namespace cllm

#endif  // CLLM_CONVERTER_CHECKPOINT_VARIANT_H_
