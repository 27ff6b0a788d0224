// Room: converter/update. Patches from one file to another, and their application on the host by the very
// code of the device (update/patch.h). schemas/PATCH.md
#ifndef CLLM_CONVERTER_UPDATE_DIFF_H_
#define CLLM_CONVERTER_UPDATE_DIFF_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cllm {

// Small where the files share bytes: segments of two models are held against each other by tensor, other
// bytes found wherever they lie in the old file. An empty old file gives a patch that needs none. Equal files
// give equal patches. Any bytes will do, models or not; neither is changed.
std::string MakePatch(std::string_view old_file, std::string_view new_file);

// Errors: as the device's, in words that name the paths.
absl::StatusOr<std::string> ApplyPatch(std::string_view old_file, std::string_view patch,
                                       const std::string& patch_name);

}  // namespace cllm

#endif  // CLLM_CONVERTER_UPDATE_DIFF_H_
