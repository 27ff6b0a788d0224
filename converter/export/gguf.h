// Room: converter/export. A checkpoint as a model file of llama.cpp, which loads it without further ado.
#ifndef CLLM_CONVERTER_EXPORT_GGUF_H_
#define CLLM_CONVERTER_EXPORT_GGUF_H_

#include <string>

#include "absl/status/status.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/export/weight_formats.h"

namespace cllm {

// Matrices that are bfloat16 (`stored`: what the model's file has) stay so, all else becomes float32.
// Architecture "llama", whose rotary pairs are adjacent: rows of queries and keys that
// rotate in halves change places. Tokenizers: scored_merges as "llama"; byte_bpe as "gpt2", whose splitting
// of words is not quite CLLM's, so that rare texts give other tokens; the others have no counterpart and are
// left out ("no_vocab"). Errors name the path, and sizes that the format does not allow.
absl::Status ExportGguf(const Checkpoint& checkpoint, const WeightFormats& stored, const std::string& path);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_GGUF_H_
