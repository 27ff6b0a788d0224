// Room: converter/export. A model file's bytes as source text, for firmware that is linked with its model.
#ifndef CLLM_CONVERTER_EXPORT_SOURCE_FILE_H_
#define CLLM_CONVERTER_EXPORT_SOURCE_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "converter/import/model_file.h"

namespace cllm {

// The name of the bytes in the program: that of the source file without its ending. Errors: it is no
// identifier of C, or the ending is not `ending`.
absl::StatusOr<std::string> SourceName(const std::string& path, const std::string& ending);

// NAME.c, an array of C99, and NAME.h beside it, which declares NAME[] and NAME_bytes. The bytes start at a
// multiple of 64, in the section .model where the compiler knows sections. Errors name the path.
absl::Status ExportCArray(const ModelFile& model, const std::string& path);

// NAME.S, which includes NAME.cllm as it is, and beside it NAME.h, as above, and NAME.cllm, a copy, unless
// the model lies there. Errors name the path.
absl::Status ExportAssembler(const ModelFile& model, const std::string& path);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_SOURCE_FILE_H_
