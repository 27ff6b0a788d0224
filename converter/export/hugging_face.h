// Room: converter/export. A checkpoint as a folder of transformers: config.json, model.safetensors,
// tokenizer.json and what goes with them. The importer's own tables say which tensor is which.
#ifndef CLLM_CONVERTER_EXPORT_HUGGING_FACE_H_
#define CLLM_CONVERTER_EXPORT_HUGGING_FACE_H_

#include <string>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/export/weight_formats.h"

namespace cllm {

// Matrices that are bfloat16 (`stored`: what the model's file has) stay so, all else is float32. The importer
// gives the same tensors back, bit for bit, but for pairs (2 i, 2 i + 1) of rotating elements, which become
// halves (RotateByHalves), and for weights of Gemma's norms below 0.5, which are written as one less.
// Beside the checkpoint one tensor at a time is in memory. Returns the family (model_type) that it is
// written as, the one that it was imported from if that will do. Errors name the path, or say what no family
// has. Tokenizers that have no counterpart are left out (HasHuggingFaceTokenizer).
absl::StatusOr<std::string> ExportHuggingFace(Checkpoint checkpoint, const WeightFormats& stored,
                                              const std::string& folder);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_HUGGING_FACE_H_
