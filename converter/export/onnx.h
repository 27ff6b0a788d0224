// Room: converter/export. A checkpoint as a model of ONNX, operator set 18, for ONNX Runtime from 1.14 on.
#ifndef CLLM_CONVERTER_EXPORT_ONNX_H_
#define CLLM_CONVERTER_EXPORT_ONNX_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "converter/checkpoint/checkpoint.h"

namespace cllm {

struct OnnxOptions {
  // Inputs past_key_values.N.key and .value, outputs present.N.key and .value, [batch][key heads][positions]
  // [head size], for each layer N.
  bool with_past = false;
  // Weights of more bytes than this lie in a file beside the model's, its name and ".data"; protobuf holds no
  // message of 2 GB.
  uint64_t inline_bytes = 1'900'000'000;
};

// Inputs input_ids, position_ids [batch][sequence] and attention_mask [batch][past and sequence], int64;
// output logits [batch][sequence][vocabulary], float32: names and axes of transformers' exports. position_ids
// must be below the context. Every architecture; weights are float32. Beside the checkpoint one tensor at a
// time is in memory. Errors name the path.
absl::Status ExportOnnx(Checkpoint checkpoint, const OnnxOptions& options, const std::string& path);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_ONNX_H_
