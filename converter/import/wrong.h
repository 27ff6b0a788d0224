// Room: converter/import. The error of a file that says what it should not.
#ifndef CLLM_CONVERTER_IMPORT_WRONG_H_
#define CLLM_CONVERTER_IMPORT_WRONG_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace cllm {

// InvalidArgument with the parts, one after the other. Callers put the file's name before it.
template <typename... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_WRONG_H_
