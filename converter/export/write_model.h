// Room: converter/export. A checkpoint becomes one .cllm file: panels, quantisation, digests, head.
// schemas/FORMAT.md is the page of what it writes. Equal checkpoints give equal bytes on every host.
#ifndef CLLM_CONVERTER_EXPORT_WRITE_MODEL_H_
#define CLLM_CONVERTER_EXPORT_WRITE_MODEL_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/export/panels.h"
#include "converter/export/weight_formats.h"
#include "model/model.h"

namespace cllm {

// Writes a temporary file beside `path`, one tensor at a time, and renames it when all bytes are on the disk.
// Errors name what is wrong with the checkpoint (CheckCheckpoint) or with the path. Matrices in `rounded`,
// which have a lattice format, are written as they are there; others of such formats are rounded each for
// itself.
absl::Status WriteModel(const Checkpoint& checkpoint, const WeightFormats& formats, const std::string& path,
                        const RoundedTensors& rounded = {});

// The same bytes in memory. ModelFile::FromBytes opens them.
absl::StatusOr<std::string> WriteModelToString(const Checkpoint& checkpoint, const WeightFormats& formats,
                                               const RoundedTensors& rounded = {});

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_WRITE_MODEL_H_
