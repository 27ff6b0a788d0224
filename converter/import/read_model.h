// Room: converter/import. A .cllm file back to a checkpoint: panels undone, int8 weights as floats.
#ifndef CLLM_CONVERTER_IMPORT_READ_MODEL_H_
#define CLLM_CONVERTER_IMPORT_READ_MODEL_H_

#include <string>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/export/weight_formats.h"
#include "converter/import/model_file.h"

namespace cllm {

absl::StatusOr<Checkpoint> ReadModel(const std::string& path);

// Its tokenizer alone.
absl::StatusOr<TokenizerTables> ReadTokenizer(const std::string& path);

// Copies everything: the checkpoint does not refer to the file.
Checkpoint ToCheckpoint(const ModelFile& file);

// The formats that its matrices are in.
WeightFormats StoredFormats(const ModelFile& file);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_READ_MODEL_H_
