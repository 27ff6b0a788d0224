// `cllm quantize`: float32 weights to bfloat16, to integers or to lattice points.
#include "converter/quantize/quantize.h"

#include <cstdio>
#include <memory>

#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/data/document_reader.h"
#include "converter/import/model_file.h"
#include "posix/thread_pool.h"

namespace cllm {
namespace {

struct Options {
  std::string in, out, format, embedding, calibration, documents = "auto";
  double bits = 0;
  uint32_t bytes = 0, tokens = 32768, threads = 1;
  bool chosen() const { return bytes != 0 || bits != 0; }
};

void CheckUsage(const Options& options) {
  if (options.format == "bf16" && !options.embedding.empty()) {
    throw UsageError("--embedding", "goes with integers: floats and integers do not mix");
  }
  if (options.format.empty() != options.chosen()) {
    throw UsageError("--format", "or --bytes or --bits, which choose the formats, must be given");
  }
  if (options.chosen() && !options.embedding.empty()) {
    throw UsageError("--embedding", "does not go with --bytes or --bits, which choose its format, too");
  }
}

// The size that is asked for in one of the ways.
absl::StatusOr<uint64_t> WantedBytes(const Options& options) {
  if (options.bits == 0) return options.bytes;
  absl::StatusOr<ModelFile> file = ModelFile::Open(options.in);
  if (!file.ok()) return file.status();
  return static_cast<uint64_t>(options.bits * static_cast<double>(file->model().parameters) / 8);
}

absl::Status ReadCalibration(const Options& options, QuantizeOptions* quantize) {
  if (options.calibration.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> text = ReadText(options.calibration);
  if (!text.ok()) return text.status();
  quantize->calibration = *std::move(text);
  absl::StatusOr<DocumentSplit> split = SplitNamed(options.documents, options.calibration);
  if (!split.ok()) return split.status();
  quantize->documents = *split;
  return absl::OkStatus();
}

absl::Status Run(const Options& options) {
  CheckUsage(options);
  const uint64_t before = FileBytes(options.in);
  {
    WeightFormats formats = options.chosen() ? Dtype::kLattice4 : FormatNamed(options.format);
    for (const Role role : {Role::kTokenEmbedding, Role::kHead}) {
      if (!options.embedding.empty()) formats.Set({role, 0}, FormatNamed(options.embedding));
    }
    QuantizeOptions quantize = formats;
    if (absl::Status status = ReadCalibration(options, &quantize); !status.ok()) return status;
    const absl::StatusOr<uint64_t> bytes = WantedBytes(options);
    if (!bytes.ok()) return bytes.status();
    quantize.bytes = *bytes;
    quantize.calibration_tokens = options.tokens;
    ThreadPool pool(options.threads);
    quantize.workers = pool.workers();
    quantize.progress = [](const std::string& done) { absl::FPrintF(stderr, "%s\n", done); };
    const SignalsHeld held;
    if (absl::Status status = Quantize(options.in, quantize, options.out); !status.ok()) return status;
  }
  const uint64_t after = FileBytes(options.out);
  absl::FPrintF(stderr, "%s: %s bytes\n%s: %s bytes, %.1f%% of it\n", options.in, Grouped(before),
                options.out, Grouped(after),
                100.0 * static_cast<double>(after) / static_cast<double>(before));
  return absl::OkStatus();
}

}  // namespace

Command AddQuantize(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("quantize", "makes a model about two, four or seven times smaller");
  flags.Add("IN", &options->in, "a .cllm file with float weights").Required().Kind("");
  AddChoice(flags, "--format", &options->format, {"bf16", "int8", "int4", "lattice2", "lattice3", "lattice4"},
            "bf16: bfloat16, the upper half of each float32, rounded to nearest; int8: 8-bit integers with a "
            "scale for each matrix row; int4: 4-bit integers with a scale and a "
            "zero for each 32 of a row, 4.3 bits a weight in all; lattice2, lattice3, lattice4: points of "
            "the lattice "
            "E8, about 2.1, 3.1 and 4.1 bits a weight; norms stay float32",
            "none: --bytes or --bits");
  AddChoice(flags, "--embedding", &options->embedding, {"int8", "int4", "lattice2", "lattice3", "lattice4"},
            "format of the embedding and of the output head, which may deserve more bits than the layers",
            "as --format");
  AddCount(
      flags, "--bytes", &options->bytes, 1, 0xFFFFFFFF,
      "instead of --format: choose, for each matrix, among lattice2, lattice3, lattice4 and int8, the best\n"
      "for a file of at most this size",
      "none");
  AddNumber(flags, "--bits", &options->bits, {1, 32},
            "the same for so many bits a parameter, the whole file counted", "none");
  flags
      .Add("--calibrate", &options->calibration,
           "lattices: a text like those that the model will read, to round for. Without it the model writes\n"
           "one itself")
      .Kind("FILE");
  AddChoice(flags, "--documents", &options->documents, {"auto", "whole", "paragraphs", "lines"},
            "of that text, as for 'cllm train'");
  AddCount(flags, "--calibration-tokens", &options->tokens, 2, 1u << 24, "how much of it is read");
  AddThreads(flags, &options->threads);
  AddOutput(flags, &options->out);
  flags.SetFooter(
      "Prints both sizes on stderr, nothing on stdout. Integers give the same bits on every machine, bf16 "
      "where\nfloat32 does: the bits of a float32 file with the same weights.\n\n"
      "Example:\n"
      "  cllm quantize stories.cllm --format int8 -o stories8.cllm\n"
      "  cllm eval stories8.cllm --data held_out.txt     # what it lost\n"
      "  cllm quantize stories.cllm --format int4 --embedding int8 -o stories4.cllm\n"
      "  cllm quantize stories.cllm --format lattice3 --calibrate some.txt -o stories3.cllm\n"
      "  cllm quantize stories.cllm --bits 3.5 --calibrate some.txt -o small.cllm");
  return {flags, [options] { return Run(*options); }};
}

}  // namespace cllm
