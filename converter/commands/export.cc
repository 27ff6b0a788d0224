// `cllm export`: models for others' engines.
#include <cstdio>
#include <memory>

#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/export/gguf.h"
#include "converter/export/gguf_tokenizer.h"
#include "converter/import/read_model.h"
#include "converter/train/configurations.h"

namespace cllm {
namespace {

constexpr uint64_t kWeightSeed = 1;

struct Options {
  std::string model, shape, format, out;
};

const char* TokenizerNote(const TokenizerTables& tokenizer) {
  if (!HasGgufTokenizer(tokenizer)) return "; no tokenizer, for GGUF has none like it";
  if (tokenizer.kind == TokenizerKind::kScoredMerges) return "";
  return "; words are split as GPT-2 does it, so that rare texts give other tokens";
}

absl::Status Run(const Options& options) {
  if (options.model.empty() == options.shape.empty()) {
    throw CLI::ValidationError("MODEL, --shape", "give one of them, a file or the name of a shape");
  }
  if (absl::Status status = CheckOutputPath(options.out); !status.ok()) return status;
  Checkpoint checkpoint;
  if (options.shape.empty()) {
    absl::StatusOr<Checkpoint> read = ReadModel(options.model);
    if (!read.ok()) return read.status();
    checkpoint = *std::move(read);
  } else {
    checkpoint = InitialCheckpoint(FindConfiguration(options.shape)->architecture, kWeightSeed);
  }
  {
    const SignalsHeld held;
    if (absl::Status status = ExportGguf(checkpoint, options.out); !status.ok()) return status;
  }
  absl::FPrintF(stderr, "%s: %s bytes, float32%s\n", options.out, Grouped(FileBytes(options.out)),
                TokenizerNote(checkpoint.tokenizer));
  return absl::OkStatus();
}

}  // namespace

Command AddExport(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App* app = program.add_subcommand("export", "turns a .cllm file into one for another engine");
  app->add_option("MODEL", options->model, "a .cllm file")->type_name("");
  std::vector<std::string> shapes;
  for (const Configuration& configuration : Configurations()) shapes.push_back(configuration.name);
  AddChoice(app, "--shape", &options->shape, shapes, "random weights of this shape instead of a file");
  AddChoice(app, "--to", &options->format, {"gguf"}, "gguf, for llama.cpp")->required();
  AddOutput(app, &options->out);
  app->footer(
      "Weights become float32, quantised ones the numbers that they stand for; llama-quantize of llama.cpp\n"
      "makes its own formats of them. The size is printed on stderr, nothing on stdout.\n\n"
      "Examples:\n"
      "  cllm export stories.cllm --to gguf -o stories.gguf\n"
      "  cllm export --shape 15m --to gguf -o random.gguf     # what llama-bench compares");
  return {app, [options] { return Run(*options); }};
}

}  // namespace cllm
