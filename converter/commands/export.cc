// `cllm export`: models for others' engines.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/export/gguf.h"
#include "converter/export/gguf_tokenizer.h"
#include "converter/export/hugging_face.h"
#include "converter/export/hugging_face_tokenizer.h"
#include "converter/export/onnx.h"
#include "converter/export/output_folder.h"
#include "converter/export/source_file.h"
#include "converter/export/torchscript.h"
#include "converter/import/read_model.h"
#include "converter/train/configurations.h"

namespace cllm {
namespace {

constexpr uint64_t kWeightSeed = 1;
constexpr char kFolderFormat[] = "hf";

struct Options {
  std::string model, shape, format, out;
  bool with_past = false, external_data = false;
};

// What is exported: a model's floats.
struct Source {
  Checkpoint checkpoint;
  WeightFormats stored = Dtype::kF32;
};

absl::StatusOr<Source> ReadSource(const Options& options) {
  if (!options.shape.empty())
    return Source{InitialCheckpoint(FindConfiguration(options.shape)->architecture, kWeightSeed)};
  const absl::StatusOr<ModelFile> file = ModelFile::Open(options.model);
  if (!file.ok()) return file.status();
  return Source{ToCheckpoint(*file), StoredFormats(*file)};
}

// Each writes the output and returns what else there is to say of it.
using Exported = absl::StatusOr<std::string>;

const char* TokenizerNote(const TokenizerTables& tokenizer) {
  if (!HasGgufTokenizer(tokenizer)) return "; no tokenizer, for GGUF has none like it";
  if (tokenizer.kind != TokenizerKind::kByteBpe || tokenizer.pretokenizer > Pretokenizer::kWords) return "";
  return "; words are split as GPT-2 does it, so that rare texts give other tokens";
}

const char* FormatNote(const Source& source) {
  const bool halves = source.stored.Narrowest(ToConfig(source.checkpoint.architecture)) == Dtype::kBf16;
  return halves ? "bfloat16" : "float32";
}

Exported ToGguf(Source source, const Options& options) {
  absl::Status status = ExportGguf(source.checkpoint, source.stored, options.out);
  if (!status.ok()) return status;
  const TokenizerTables& tokenizer = source.checkpoint.tokenizer;
  return absl::StrCat(FormatNote(source), TokenizerNote(tokenizer));
}

Exported ToHuggingFace(Source source, const Options& options) {
  const bool has_tokenizer = HasHuggingFaceTokenizer(source.checkpoint.tokenizer);
  const char* format = FormatNote(source);
  absl::StatusOr<std::string> family =
      ExportHuggingFace(std::move(source.checkpoint), source.stored, options.out);
  if (!family.ok()) return family;
  return absl::StrCat(format, ", model_type ", *family,
                      has_tokenizer ? "" : "; no tokenizer, for transformers has none like it");
}

Exported ToOnnx(Source source, const Options& options) {
  OnnxOptions onnx;
  onnx.with_past = options.with_past;
  if (options.external_data) onnx.inline_bytes = 0;
  absl::Status status = ExportOnnx(std::move(source.checkpoint), onnx, options.out);
  if (!status.ok()) return status;
  const std::string data = options.out + ".data";
  return absl::StrCat("float32", !std::filesystem::exists(data) ? "" : "; weights lie in " + data);
}

Exported ToTorchScript(Source source, const Options& options) {
  absl::Status status = ExportTorchScript(std::move(source.checkpoint), options.out);
  if (!status.ok()) return status;
  return "float32";
}

struct Format {
  const char* name;
  Exported (*write)(Source source, const Options& options);
};
constexpr Format kFormats[] = {
    {"gguf", ToGguf}, {kFolderFormat, ToHuggingFace}, {"onnx", ToOnnx}, {"torchscript", ToTorchScript}};

// The file itself, as source text.
Exported ToSourceText(const Options& options) {
  const absl::StatusOr<ModelFile> file = ModelFile::Open(options.model);
  if (!file.ok()) return file.status();
  absl::Status status =
      options.format == "c" ? ExportCArray(*file, options.out) : ExportAssembler(*file, options.out);
  if (!status.ok()) return status;
  return absl::StrCat("for a model of ", Grouped(file->size()));
}

Exported Write(const Options& options) {
  const auto* format = std::find_if(std::begin(kFormats), std::end(kFormats),
                                    [&](const Format& each) { return options.format == each.name; });
  if (format == std::end(kFormats)) {
    const SignalsHeld held;
    return ToSourceText(options);
  }
  absl::StatusOr<Source> source = ReadSource(options);
  if (!source.ok()) return source.status();
  const SignalsHeld held;
  return format->write(*std::move(source), options);
}

void CheckUsage(const Options& options) {
  const bool is_source_text = options.format == "c" || options.format == "asm";
  if (options.model.empty() == options.shape.empty()) {
    throw UsageError("MODEL, --shape", "give one of them, a file or the name of a shape");
  }
  if (is_source_text && options.model.empty())
    throw UsageError("--shape", "has no file, whose bytes these formats are; give MODEL");
  if (options.format != "onnx" && (options.with_past || options.external_data))
    throw UsageError("--with-past, --external-data", "go with --to onnx");
}

// Of a file, or of all files in a folder.
uint64_t BytesAt(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return FileBytes(path);
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path)) bytes += FileBytes(entry.path());
  return bytes;
}

absl::Status Run(const Options& options) {
  CheckUsage(options);
  absl::Status status =
      options.format == kFolderFormat ? CheckOutputFolder(options.out) : CheckOutputPath(options.out);
  if (!status.ok()) return status;
  const Exported note = Write(options);
  if (!note.ok()) return note.status();
  absl::FPrintF(stderr, "%s: %s bytes, %s\n", options.out, Grouped(BytesAt(options.out)), *note);
  return absl::OkStatus();
}

constexpr char kFooter[] =
    "Formats:\n"
    "  gguf         a file for llama.cpp: Llama's own architecture\n"
    "  hf           a folder for transformers: config.json, model.safetensors, tokenizer.json and what goes\n"
    "               with them, of the first family that the architecture fits: llama, mistral, qwen2,\n"
    "               qwen3, phi3, gemma, gemma2, gemma3_text, smollm3, gpt2, gpt_neo, gpt_neox\n"
    "  onnx         a file for ONNX Runtime (operator set 18), every architecture: input_ids,\n"
    "               attention_mask, position_ids to logits, any batch and length; with --with-past also\n"
    "               past_key_values.N.key, .value to present.N.key, .value. Over 1.9 GB the weights lie\n"
    "               beside it, in OUT.data\n"
    "  torchscript  a file for torch.jit.load, every architecture, up to 4 GB: forward(input_ids) gives "
    "logits\n"
    "  c            NAME.c and NAME.h: the .cllm file itself as an array NAME of NAME_bytes, aligned to 64\n"
    "  asm          NAME.S, NAME.h and NAME.cllm, a copy that NAME.S includes: the same for larger ones\n"
    "\n"
    "Weights become float32, quantised ones the numbers that they stand for; gguf and hf keep bfloat16.\n"
    "Memory: 4 bytes a weight, and twice the largest tensor; c and asm, which take the file as it is, need\n"
    "next to none. An output appears whole or not at all, and a folder must be new. The size is printed on\n"
    "stderr, nothing on stdout.\n"
    "\n"
    "Examples:\n"
    "  cllm export stories.cllm --to gguf -o stories.gguf\n"
    "  cllm export stories.cllm --to hf -o stories        # AutoModelForCausalLM.from_pretrained('stories')\n"
    "  cllm export stories.cllm --to onnx --with-past -o stories.onnx\n"
    "  cllm export stories.cllm --to torchscript -o stories.pt\n"
    "  cllm export stories8.cllm --to c -o model_file.c   # examples/firmware/run takes it\n"
    "  cllm export --shape 15m --to gguf -o random.gguf   # what llama-bench compares";

}  // namespace

Command AddExport(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("export", "turns a .cllm file into one for another engine");
  flags.Add("MODEL", &options->model, "a .cllm file").Kind("");
  std::vector<std::string> shapes;
  for (const Configuration& configuration : Configurations()) shapes.push_back(configuration.name);
  AddChoice(flags, "--shape", &options->shape, shapes, "random weights of this shape instead of a file");
  AddChoice(flags, "--to", &options->format, {"gguf", kFolderFormat, "onnx", "torchscript", "c", "asm"},
            "the format, see below")
      .Required();
  flags.Add("--with-past", &options->with_past,
            "onnx: with keys and values of earlier positions as inputs and outputs");
  flags.Add("--external-data", &options->external_data,
            "onnx: weights in a file of their own, however small");
  AddOutput(flags, &options->out);
  flags.SetFooter(kFooter);
  return {flags, [options] { return Run(*options); }};
}

}  // namespace cllm
