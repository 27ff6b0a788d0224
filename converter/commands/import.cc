// `cllm import`: checkpoints by others.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/export/write_model.h"
#include "converter/import/gguf.h"
#include "converter/import/hugging_face.h"
#include "converter/import/llama2c.h"
#include "converter/import/read_model.h"

namespace cllm {
namespace {

struct Options {
  std::string source, tokenizer, out;
};

// What stands at the start of a .cllm file, after a size and an offset, and of a GGUF file.
enum class FileKind { kCllm, kGguf, kFolder, kOther };

FileKind KindOf(const std::string& path) {
  if (std::filesystem::is_directory(path)) return FileKind::kFolder;
  char start[12] = {};
  std::ifstream(path, std::ios::binary).read(start, sizeof(start));
  const std::string_view bytes(start, sizeof(start));
  return bytes.substr(8) == "CLLM" ? FileKind::kCllm : IsGguf(bytes) ? FileKind::kGguf : FileKind::kOther;
}

absl::StatusOr<Checkpoint> Import(const Options& options) {
  const FileKind kind = KindOf(options.source);
  switch (kind) {
    case FileKind::kCllm:
      return absl::InvalidArgumentError(options.source +
                                        ": is a .cllm file already; all other commands take it");
    case FileKind::kGguf:
    case FileKind::kFolder:
      if (!options.tokenizer.empty())
        return absl::InvalidArgumentError(options.source + ": brings its own tokenizer; leave --tokenizer");
      return kind == FileKind::kGguf ? StreamGguf(options.source) : StreamHuggingFace(options.source);
    case FileKind::kOther: break;
  }
  return StreamLlama2c(options.source, options.tokenizer);
}

// With the tokenizer of a .cllm file in place of its own.
absl::StatusOr<Checkpoint> ImportWithTokenizerOf(const Options& options) {
  absl::StatusOr<TokenizerTables> other = ReadTokenizer(options.tokenizer);
  if (!other.ok()) return other.status();
  absl::StatusOr<Checkpoint> checkpoint = Import({options.source, "", options.out});
  if (!checkpoint.ok()) return checkpoint.status();
  const uint32_t tokens = checkpoint->architecture.vocabulary_size;
  if (other->pieces.size() != tokens) {
    return absl::InvalidArgumentError(absl::StrCat(options.tokenizer, ": its tokenizer has ",
                                                   other->pieces.size(), " tokens, and ", options.source,
                                                   " has ", tokens));
  }
  checkpoint->tokenizer = *std::move(other);
  return checkpoint;
}

absl::Status Run(const Options& options) {
  if (absl::Status status = CheckOutputPath(options.out); !status.ok()) return status;
  const bool of_model = !options.tokenizer.empty() && KindOf(options.tokenizer) == FileKind::kCllm;
  absl::StatusOr<Checkpoint> checkpoint = of_model ? ImportWithTokenizerOf(options) : Import(options);
  if (!checkpoint.ok()) return checkpoint.status();
  {
    const SignalsHeld held;
    if (absl::Status status = WriteModel(*checkpoint, Dtype::kF32, options.out); !status.ok()) return status;
  }
  absl::FPrintF(stderr, "%s: %s bytes, float32%s\n", options.out, Grouped(FileBytes(options.out)),
                checkpoint->tokenizer.kind == TokenizerKind::kNone
                    ? "; no tokenizer, so it can run token ids but no text"
                    : "");
  if (!checkpoint->without_tokenizer.empty())
    absl::FPrintF(stderr, "note: %s\n", checkpoint->without_tokenizer);
  return absl::OkStatus();
}

}  // namespace

Command AddImport(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("import", "turns a checkpoint by others into a .cllm file");
  flags
      .Add("SRC", &options->source,
           "a GGUF file of llama.cpp (architecture llama, weights of any type but the IQ ones), a folder of\n"
           "Hugging Face (config.json of a llama or mistral, safetensors), or a checkpoint of "
           "karpathy/llama2.c\n"
           "(a .bin file of format version 0, 1 or 2)")
      .Required()
      .Kind("");
  flags
      .Add("--tokenizer", &options->tokenizer,
           "llama2.c's tokenizer.bin (tok512.bin and the like); without it the model has none. Or a "
           ".cllm file\n"
           "whose tokenizer the source, of whatever kind, is to have. The others\n"
           "bring theirs, where it is of SentencePiece's kind")
      .Kind("FILE");
  AddOutput(flags, &options->out);
  flags.SetFooter(
      "Weights become float32, exactly; `cllm quantize` makes them smaller. The size is printed on stderr,\n"
      "nothing on stdout.\n\n"
      "Examples:\n"
      "  cllm import stories260K.bin --tokenizer tok512.bin -o stories.cllm\n"
      "  cllm import stories.gguf -o stories.cllm\n"
      "  cllm import TinyLlama-1.1B/ -o tinyllama.cllm");
  return {flags, [options] { return Run(*options); }};
}

}  // namespace cllm
