// `cllm merge`: a model and its delta to one model.
#include <cstdio>
#include <memory>

#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/export/write_model.h"
#include "converter/import/model_file.h"
#include "converter/import/read_model.h"

namespace cllm {
namespace {

struct Options {
  std::string model, delta, out, format = "f32";
};

// The base's own format of each matrix.
WeightFormats FormatsOf(const Model& base) {
  WeightFormats formats = base.config.weights;
  for (uint32_t i = 0; i < base.tensor_count; ++i) {
    const TableEntry entry = TensorAt(base, i);
    formats.Set({entry.role, entry.layer}, entry.tensor.dtype);
  }
  return formats;
}

absl::Status Run(const Options& options) {
  absl::StatusOr<ModelFile> file = ModelFile::Open(options.model);
  if (!file.ok()) return file.status();
  const WeightFormats same = FormatsOf(file->model());
  if (absl::Status status = file->Apply(options.delta); !status.ok()) return status;
  const SignalsHeld held;
  const WeightFormats formats = options.format == "same" ? same : FormatNamed(options.format);
  if (absl::Status status = WriteModel(ToCheckpoint(*file), formats, options.out); !status.ok())
    return status;
  absl::FPrintF(stderr, "%s: %s bytes\n", options.out, Grouped(FileBytes(options.out)));
  return absl::OkStatus();
}

}  // namespace

Command AddMerge(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("merge", "makes one model of a model and its delta");
  AddModel(flags, &options->model);
  flags.Add("DELTA", &options->delta, "what 'cllm finetune' wrote for that model").Required().Kind("");
  AddChoice(
      flags, "--format", &options->format,
      {"f32", "same", "bf16", "int8", "int4", "lattice2", "lattice3", "lattice4"},
      "of the matrices: float32, which keeps all that was learned; the model's own; or another. Integers\n"
      "are rounded anew");
  AddOutput(flags, &options->out);
  flags.SetFooter(
      "Example:\n"
      "  cllm merge home8.cllm house.delta -o house.cllm\n"
      "  cllm merge home8.cllm house.delta --format same -o house8.cllm");
  return {flags, [options] { return Run(*options); }};
}

}  // namespace cllm
