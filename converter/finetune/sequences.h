// Room: converter/finetune. A text as the sequences that a tuner learns.
#ifndef CLLM_CONVERTER_FINETUNE_SEQUENCES_H_
#define CLLM_CONVERTER_FINETUNE_SEQUENCES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cllm/cllm.h"
#include "converter/data/documents.h"

namespace cllm {

struct TuningSequence {
  std::vector<uint32_t> inputs, targets;  // as long as each other; CLLM_NO_TOKEN targets are not learned
  uint32_t counted = 0;                   // targets that are
};

// Each document from the model's begin token, where it has one, to its end token; longer ones in windows of
// `length`. after: where this text comes in a document, only what follows it there is learned, and the tokens
// up to it are those of a prompt that ends so. Errors: InvalidArgument (nothing to learn, a character that
// the vocabulary cannot express, a document in which `after` does not come).
absl::StatusOr<std::vector<TuningSequence>> MakeSequences(const cllm_model& model, std::string_view text,
                                                          DocumentSplit split, const std::string& after,
                                                          uint32_t length);

}  // namespace cllm

#endif  // CLLM_CONVERTER_FINETUNE_SEQUENCES_H_
