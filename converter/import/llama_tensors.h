// Room: converter/import. The tensors of a checkpoint under other people's names.
#ifndef CLLM_CONVERTER_IMPORT_LLAMA_TENSORS_H_
#define CLLM_CONVERTER_IMPORT_LLAMA_TENSORS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// How a format names them; those of a layer follow `layer`, the layer's number and a dot.
struct LlamaNames {
  const char *embedding, *final_norm, *head, *layer;
  const char *attention_norm, *query, *key, *value, *attention_output;
  const char *feed_forward_norm, *gate, *up, *down;
};
extern const LlamaNames kHuggingFaceNames;  // transformers' LlamaForCausalLM

// Where a tensor goes: `rows` rows, from `first` on, of a tensor of the checkpoint; or of a vector as many
// columns, from `first_column` on, of row `first`.
struct LlamaPart {
  TensorKey key;
  uint32_t first, rows;
  uint32_t first_column = 0, columns = 0;  // of vectors; 0: all
  bool transposed = false;                 // there it is [columns][rows]
  float added = 0.0f;                      // to each value
  // Size of a head where queries, keys and values of each head lie together, and the three are wanted apart.
  uint32_t interleaved = 0;
};

// By the format's name. Without the head if it is tied; without vectors that Llama has not.
std::map<std::string, LlamaPart> LlamaParts(const Architecture& architecture, const LlamaNames& names);

// Puts the values [rows][columns] of the tensor `name`, as they are there, into its place. Errors name the
// tensor and both shapes.
absl::Status PlaceTensor(const std::string& name, const LlamaPart& part, uint64_t rows, uint64_t columns,
                         const std::vector<float>& values, Checkpoint* checkpoint);

// The inverse: shape and values as they are there. A value that had something added is exact from 0.5 on.
struct NamedValues {
  uint64_t rows, columns;
  std::vector<float> values;
};
NamedValues TakeTensor(const LlamaPart& part, const Checkpoint& checkpoint);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_LLAMA_TENSORS_H_
