#include "fuzz/inspect_fuzzer.h"

#include "converter/import/model_file.h"
#include "converter/inspect/diagnose.h"
#include "converter/inspect/inspect.h"
#include "converter/inspect/other_files.h"
#include "fuzz/delta_fuzzer.h"
#include "fuzz/import_fuzzer.h"
#include "fuzz/open_fuzzer.h"
#include "fuzz/patch_fuzzer.h"
#include "fuzz/small_session.h"
#include "fuzz/state_fuzzer.h"
#include "fuzz/training_fuzzer.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

// A good file needs no diagnosis; a broken one that has none would be shown with the status alone.
std::string InspectModel(std::string_view bytes) {
  const absl::StatusOr<ModelFile> file = ModelFile::FromBytes(bytes, "fuzz.cllm");
  AlignedBytes aligned(bytes);
  const std::string_view view(reinterpret_cast<const char*>(aligned.data()), aligned.size());
  if (!file.ok()) return absl::StrCat(file.status().message(), "\n", DiagnoseModel(view));
  const absl::StatusOr<ModelReport> report = Inspect(*file, 1, 1, CLLM_KV_F32);
  return report.ok() ? ReportJson(*report, nullptr) : std::string(report.status().message());
}

}  // namespace

std::string InspectBytes(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  std::string text;
  if (bytes.size() >= 12 && bytes.compare(8, 4, "CLLM") == 0) {
    text = InspectModel(bytes);
  } else {
    static const auto* const folder = new TemporaryDirectory();
    const std::string path = folder->path() + "/inspected.safetensors";
    WriteBytes(path, bytes);
    const absl::StatusOr<std::string> said = DescribeOtherFile(path);
    text = said.ok() ? *said : std::string(said.status().message());
  }
  Require(!text.empty(), "there are words for it");
  return text;
}

const std::vector<std::string>& GoodInspected() {
  static const auto* const good = new std::vector<std::string>{GoodModel(1),
                                                               GoodModel(kGoodModels - 1),
                                                               GoodDelta(),
                                                               GoodState(0).substr(1),
                                                               GoodPatch(),
                                                               GoodTraining(false).substr(1),
                                                               GoodImports(Importer::kGguf)[0],
                                                               GoodImports(Importer::kSafetensors)[0]};
  return *good;
}

}  // namespace cllm::testing
