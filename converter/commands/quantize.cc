// `cllm quantize`: float32 weights to bfloat16 or to integers.
#include "converter/quantize/quantize.h"

#include <cstdio>
#include <memory>

#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"

namespace cllm {
namespace {

struct Options {
  std::string in, out, format, embedding;
};

void CheckUsage(const Options& options) {
  if (options.format == "bf16" && !options.embedding.empty()) {
    throw CLI::ValidationError("--embedding", "goes with integers: floats and integers do not mix");
  }
}

absl::Status Run(const Options& options) {
  CheckUsage(options);
  const uint64_t before = FileBytes(options.in);
  {
    const SignalsHeld held;
    WeightFormats formats = FormatNamed(options.format);
    for (const Role role : {Role::kTokenEmbedding, Role::kHead}) {
      if (!options.embedding.empty()) formats.Set({role, 0}, FormatNamed(options.embedding));
    }
    if (absl::Status status = Quantize(options.in, formats, options.out); !status.ok()) return status;
  }
  const uint64_t after = FileBytes(options.out);
  absl::FPrintF(stderr, "%s: %s bytes\n%s: %s bytes, %.1f%% of it\n", options.in, Grouped(before),
                options.out, Grouped(after),
                100.0 * static_cast<double>(after) / static_cast<double>(before));
  return absl::OkStatus();
}

}  // namespace

Command AddQuantize(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App* app = program.add_subcommand("quantize", "makes a model about two, four or seven times smaller");
  app->add_option("IN", options->in, "a .cllm file with float weights")->required()->type_name("");
  AddChoice(app, "--format", &options->format, {"bf16", "int8", "int4", "lattice2", "lattice3", "lattice4"},
            "bf16: bfloat16, the upper half of each float32, rounded to nearest; int8: 8-bit integers with a "
            "scale for each matrix row; int4: 4-bit integers with a scale and a "
            "zero for each 32 of a row, 4.3 bits a weight in all; lattice2, lattice3, lattice4: points of "
            "the lattice "
            "E8, about 2.1, 3.1 and 4.1 bits a weight; norms stay float32")
      ->required();
  AddChoice(app, "--embedding", &options->embedding, {"int8", "int4", "lattice2", "lattice3", "lattice4"},
            "format of the embedding and of the output head, which may deserve more bits than the layers",
            "as --format");
  AddOutput(app, &options->out);
  app->footer(
      "Prints both sizes on stderr, nothing on stdout. Integers give the same bits on every machine, bf16 "
      "where\nfloat32 does: the bits of a float32 file with the same weights.\n\n"
      "Example:\n"
      "  cllm quantize stories.cllm --format int8 -o stories8.cllm\n"
      "  cllm eval stories8.cllm --data held_out.txt     # what it lost\n"
      "  cllm quantize stories.cllm --format int4 --embedding int8 -o stories4.cllm");
  return {app, [options] { return Run(*options); }};
}

}  // namespace cllm
