#include "converter/quantize/quantize.h"

#include "absl/strings/str_cat.h"
#include "converter/export/write_model.h"
#include "converter/import/model_file.h"
#include "converter/import/read_model.h"

namespace cllm {

absl::Status Quantize(const std::string& in, const WeightFormats& formats, const std::string& out) {
  absl::StatusOr<ModelFile> file = ModelFile::Open(in);
  if (!file.ok()) return file.status();
  if (IsInteger(file->model().config.weights)) {
    return absl::FailedPreconditionError(absl::StrCat(in, " has ", FormatWords(file->model().config.weights),
                                                      " weights already; quantize the float file that it "
                                                      "was made from"));
  }
  return WriteModel(ToCheckpoint(*file), formats, out);
}

}  // namespace cllm
