// Room: converter/export. A checkpoint as a module of TorchScript, for torch.jit.load of PyTorch 1.12 and
// later.
#ifndef CLLM_CONVERTER_EXPORT_TORCHSCRIPT_H_
#define CLLM_CONVERTER_EXPORT_TORCHSCRIPT_H_

#include <string>

#include "absl/status/status.h"
#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// forward(input_ids: int64 [batch][sequence]) -> float32 logits [batch][sequence][vocabulary], from position
// 0 on. Every architecture; weights are float32. Up to 4 GB. Beside the checkpoint one tensor at a time is in
// memory. Errors name the path.
absl::Status ExportTorchScript(Checkpoint checkpoint, const std::string& path);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_TORCHSCRIPT_H_
