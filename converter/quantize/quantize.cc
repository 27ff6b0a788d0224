#include "converter/quantize/quantize.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "converter/export/write_model.h"
#include "converter/import/model_file.h"
#include "converter/import/read_model.h"
#include "converter/json/json_text.h"
#include "converter/lattice/round_model.h"
#include "converter/quantize/choose_formats.h"
#include "converter/quantize/windows.h"

namespace cllm {
namespace {

FineBitsByTensor LatticesOf(const Checkpoint& checkpoint, const WeightFormats& formats) {
  FineBitsByTensor matrices;
  for (const auto& [key, tensor] : checkpoint.tensors) {
    if (IsLattice(formats.Of(key))) matrices[key] = FineBits(formats.Of(key));
  }
  return matrices;
}

absl::StatusOr<TokenWindows> Windows(const ModelFile& file, const QuantizeOptions& options) {
  if (!options.calibration.empty()) {
    return WindowsOf(*file.handle(), options.calibration, options.documents, options.calibration_tokens);
  }
  if (options.progress) options.progress("writing texts to calibrate with");
  return OwnWindows(*file.handle(), options.calibration_tokens, options.workers);
}

// The recipe, if it is a JSON object, with how the weights were rounded.
std::string WithRounding(const std::string& recipe, const QuantizeOptions& options,
                         const WeightFormats& formats, const FineBitsByTensor& lattices, uint64_t tokens) {
  nlohmann::json json = ParseJson(recipe.empty() ? "{}" : recipe);
  if (!json.is_object()) return recipe;
  nlohmann::json& rounding = json["rounding"];
  rounding["calibration"] = options.calibration.empty() ? "own" : "text";
  rounding["tokens"] = tokens;
  if (options.bytes != 0) {
    rounding["bytes"] = options.bytes;
    for (const auto& [key, fine_bits] : lattices)
      rounding["formats"][TensorName(key)] = FormatName(formats.Of(key));
  }
  return JsonText(json);
}

}  // namespace

absl::Status Quantize(const std::string& in, const QuantizeOptions& options, const std::string& out) {
  absl::StatusOr<ModelFile> file = ModelFile::Open(in);
  if (!file.ok()) return file.status();
  if (IsInteger(file->model().config.weights)) {
    return absl::FailedPreconditionError(absl::StrCat(in, " has ", FormatWords(file->model().config.weights),
                                                      " weights already; quantize the float file that it "
                                                      "was made from"));
  }
  Checkpoint checkpoint = ToCheckpoint(*file);
  WeightFormats formats = options.formats;
  FineBitsByTensor lattices = LatticesOf(checkpoint, formats);
  if (lattices.empty() && options.bytes == 0) return WriteModel(checkpoint, formats, out);

  absl::StatusOr<TokenWindows> windows = Windows(*file, options);
  if (!windows.ok()) return windows.status();
  uint64_t tokens = 0;
  for (const std::vector<uint32_t>& window : *windows) tokens += window.size();
  const std::string recipe = checkpoint.provenance.recipe;
  if (options.bytes != 0) {
    // The head as long as it can become: what it says of the formats takes bytes, too.
    checkpoint.provenance.recipe =
        WithRounding(recipe, options, Dtype::kLattice2, LatticesOf(checkpoint, Dtype::kLattice2), tokens);
    absl::StatusOr<WeightFormats> chosen =
        ChooseFormats(*file, checkpoint, *windows, options.bytes, options.workers, options.progress);
    if (!chosen.ok()) return chosen.status();
    formats = *std::move(chosen);
    lattices = LatticesOf(checkpoint, formats);
  }
  RoundModelOptions rounding;
  rounding.rounding.workers = options.workers;
  if (options.progress) {
    rounding.progress = [&](const TensorKey& key) {
      options.progress(absl::StrCat(TensorName(key), ": ", FormatName(formats.Of(key))));
    };
  }
  const RoundedTensors rounded = RoundModel(file->model(), checkpoint, *windows, lattices, rounding);
  checkpoint.provenance.recipe = WithRounding(recipe, options, formats, lattices, tokens);
  return WriteModel(checkpoint, formats, out, rounded);
}

}  // namespace cllm
