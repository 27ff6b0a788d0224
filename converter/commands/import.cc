// `cllm import`: checkpoints by others.
#include <cstdio>
#include <fstream>
#include <memory>
#include <string_view>

#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/export/write_model.h"
#include "converter/import/llama2c.h"

namespace cllm {
namespace {

struct Options {
  std::string source, tokenizer, out;
};

// Whether the file begins as FORMAT.md says: a size, an offset and the identifier.
bool IsModelFile(const std::string& path) {
  char start[12] = {};
  std::ifstream(path, std::ios::binary).read(start, sizeof(start));
  return std::string_view(start + 8, 4) == "CLLM";
}

absl::Status Run(const Options& options) {
  if (IsModelFile(options.source)) {
    return absl::InvalidArgumentError(options.source +
                                      ": is a .cllm file already; all other commands take it");
  }
  if (absl::Status status = CheckOutputPath(options.out); !status.ok()) return status;
  absl::StatusOr<Checkpoint> checkpoint = ImportLlama2c(options.source, options.tokenizer);
  if (!checkpoint.ok()) return checkpoint.status();
  {
    const SignalsHeld held;
    if (absl::Status status = WriteModel(*checkpoint, Dtype::kF32, options.out); !status.ok()) return status;
  }
  absl::FPrintF(stderr, "%s: %s bytes, float32%s\n", options.out, Grouped(FileBytes(options.out)),
                checkpoint->tokenizer.kind == TokenizerKind::kNone
                    ? "; no tokenizer, so it can run token ids but no text (--tokenizer adds one)"
                    : "");
  return absl::OkStatus();
}

}  // namespace

Command AddImport(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App* app = program.add_subcommand("import", "turns a checkpoint by others into a .cllm file");
  app->add_option("SRC", options->source,
                  "a checkpoint of karpathy/llama2.c: a .bin file of format version 0")
      ->required()
      ->type_name("");
  app->add_option("--tokenizer", options->tokenizer,
                  "its tokenizer.bin (tok512.bin and the like); without it the model has none")
      ->type_name("FILE");
  AddOutput(app, &options->out);
  app->footer(
      "Weights stay float32, to the bit; `cllm quantize` makes them smaller. The size is printed on stderr,\n"
      "nothing on stdout.\n\n"
      "Example:\n"
      "  cllm import stories260K.bin --tokenizer tok512.bin -o stories.cllm");
  return {app, [options] { return Run(*options); }};
}

}  // namespace cllm
