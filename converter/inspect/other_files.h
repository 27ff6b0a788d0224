// Room: converter/inspect. Files that are no models of our own: what others' checkpoints hold, and deltas,
// saved states, patches and checkpoints of training.
#ifndef CLLM_CONVERTER_INSPECT_OTHER_FILES_H_
#define CLLM_CONVERTER_INSPECT_OTHER_FILES_H_

#include <string>

#include "absl/status/statusor.h"

namespace cllm {

// Whether a .cllm file begins like this, whatever else is wrong with it.
bool BeginsLikeModel(const std::string& path);

// What is in the file or folder, a name and its values a line. Sources of `cllm import` are imported to the
// end, in memory, so that what import would refuse is refused here in the same words. Errors say what is
// wrong and where: the byte or the field, what should be there and what is.
absl::StatusOr<std::string> DescribeOtherFile(const std::string& path);

}  // namespace cllm

#endif  // CLLM_CONVERTER_INSPECT_OTHER_FILES_H_
