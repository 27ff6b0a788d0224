// Room: converter/import. The tensors of a checkpoint under other people's names.
#ifndef CLLM_CONVERTER_IMPORT_LLAMA_TENSORS_H_
#define CLLM_CONVERTER_IMPORT_LLAMA_TENSORS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/import/stored_tensor.h"

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

// A file that tensors lie in. Without a path its bytes are read where they are, as long as they are there.
struct SourceFile {
  std::string_view bytes;
  std::string path;
};

// Puts tensors of the checkpoint together from what files have, of which nothing is read before it is wanted.
class TensorAssembly {
 public:
  explicit TensorAssembly(const Architecture& architecture) : config_(ToConfig(architecture)) {}

  // The tensor `name`, which lies in `file`, has this place. Errors name the tensor and both shapes.
  absl::Status Add(const std::string& name, const LlamaPart& part, const StoredTensor& tensor,
                   const SourceFile& file);

  // The tensors that it has parts of, with sources that open the files again.
  void MoveTo(Checkpoint* checkpoint);

 private:
  struct Piece {
    std::string name;
    LlamaPart part;
    StoredTensor tensor;
    std::string path;
    uint64_t offset;
  };
  static absl::Status CheckFinite(const Piece& piece, const std::vector<float>& values);
  static absl::StatusOr<std::vector<float>> Read(const Config& config, const std::vector<Piece>& pieces);

  Config config_;
  std::map<TensorKey, std::vector<Piece>> pieces_;
};

// The inverse of a part: shape and values as they are there. A value that had something added is exact from
// 0.5 on.
struct NamedValues {
  uint64_t rows, columns;
  std::vector<float> values;
};
NamedValues TakeTensor(const LlamaPart& part, const Checkpoint& checkpoint);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_LLAMA_TENSORS_H_
