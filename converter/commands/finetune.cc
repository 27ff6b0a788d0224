// `cllm finetune`: what a text changes of a model, into a delta. `cllm merge`: both into one model.
#include "converter/finetune/finetune.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/data/document_reader.h"
#include "converter/export/output_file.h"
#include "converter/import/model_file.h"
#include "converter/json/json_text.h"
#include "converter/run/hosted_session.h"
#include "nlohmann/json.hpp"
#include "posix/thread_pool.h"

namespace cllm {
namespace {

struct Options {
  std::string model, delta, data, out, documents = "auto", after, state;
  std::vector<std::string> adapt = {"qkv", "output", "gate-up", "down"}, train;
  std::string method = "adamw";
  uint32_t rank = 8, layers = 0, length = 0, steps = 200, batch = 8, every = 50, threads = 1;
  double alpha = 0, rate = 2e-3, decay = 0;
  uint64_t seed = 1;
  uint32_t room_kilobytes = 0;
  bool resume = false;
};

uint32_t BitNamed(const std::string& name) {
  if (name == "qkv") return CLLM_TUNE_QUERY_KEY_VALUE;
  if (name == "output") return CLLM_TUNE_ATTENTION_OUTPUT;
  if (name == "gate-up") return CLLM_TUNE_GATE_UP;
  if (name == "down") return CLLM_TUNE_DOWN;
  if (name == "norms") return CLLM_TUNE_NORMS;
  if (name == "embedding") return CLLM_TUNE_EMBEDDING;
  return name == "head" ? CLLM_TUNE_HEAD : 0u;  // "none"
}

uint32_t BitsNamed(const std::vector<std::string>& names) {
  uint32_t bits = 0;
  for (const std::string& name : names) bits |= BitNamed(name);
  return bits;
}

cllm_tuner_limits LimitsOf(const Options& options, const cllm_model_info& info, uint32_t length) {
  cllm_tuner_limits limits{};
  limits.length = length;
  limits.method = options.method == "sgd" ? CLLM_SGD : options.method == "adamw8" ? CLLM_ADAMW8 : CLLM_ADAMW;
  limits.adapted = BitsNamed(options.adapt);
  limits.trained = BitsNamed(options.train);
  limits.rank = limits.adapted != 0 ? options.rank : 0;
  limits.alpha = static_cast<float>(options.alpha);
  limits.first_layer = options.layers == 0 || options.layers > info.layers ? 0 : info.layers - options.layers;
  limits.room_bytes = uint64_t{options.room_kilobytes} * 1024;
  limits.seed = options.seed;
  return limits;
}

// What must be the same for a run to go on; the first line of a state's file.
std::string RunLine(const Options& options, size_t sequences) {
  const nlohmann::ordered_json json = {{"steps", options.steps}, {"batch", options.batch},
                                       {"rate", options.rate},   {"weight_decay", options.decay},
                                       {"seed", options.seed},   {"sequences", sequences}};
  return JsonText(json);
}

absl::StatusOr<std::string> ReadState(const Options& options, const std::string& line) {
  absl::StatusOr<std::string> file = ReadText(options.state);
  if (!file.ok()) return file.status();
  const size_t end = file->find('\n');
  if (end == std::string::npos || file->substr(0, end) != line) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.state, " was kept by a run with other options or data: ",
                     file->substr(0, std::min<size_t>(end, 200)), ". Give the same, or leave --resume out"));
  }
  return file->substr(end + 1);
}

void SaveState(const Options& options, const std::string& line, uint64_t step, std::string_view state) {
  const SignalsHeld held;
  const absl::Status status = WriteWholeFile(options.state, absl::StrCat(line, "\n", std::string(state)));
  if (!status.ok()) absl::FPrintF(stderr, "\nno state of step %u: %s\n", step, status.message());
}

void Report(const Options& options, const FinetuneResult& result) {
  absl::FPrintF(stderr, "%s %u steps: loss on the data %.4f before, %.4f after, nats a token\n",
                result.interrupted ? "interrupted after" : "tuned", result.steps, result.first_loss,
                result.last_loss);
  absl::FPrintF(stderr, "%s: %s bytes, %u tensors, %s parameters; room %s bytes%s\n", options.out,
                Grouped(result.delta.size()), result.info.tensors, Grouped(result.info.parameters),
                Grouped(result.info.room_bytes),
                result.info.recompute != 0
                    ? absl::StrCat(", layers computed again, ", result.info.chunk, " tokens at once")
                    : std::string());
}

absl::Status Tune(const Options& options, const ModelFile& file, const std::vector<TuningSequence>& sequences,
                  FinetuneOptions finetune) {
  const std::string line = RunLine(options, sequences.size());
  if (options.resume) {
    absl::StatusOr<std::string> state = ReadState(options, line);
    if (!state.ok()) return state.status();
    finetune.resume = *std::move(state);
  }
  if (!options.state.empty()) {
    finetune.save_interval = options.every;
    finetune.save = [&](uint64_t step, std::string_view state) { SaveState(options, line, step, state); };
  }
  const bool live = isatty(STDERR_FILENO) != 0;
  finetune.progress = [&](uint64_t step, double loss) {
    if (live) absl::FPrintF(stderr, "\rstep %u of %u  loss %.4f ", step, options.steps, loss);
    if (!live && (step % 50 == 0 || step == options.steps))
      absl::FPrintF(stderr, "step %u of %u  loss %.4f\n", step, options.steps, loss);
  };
  finetune.stop = CatchStopSignals();
  absl::StatusOr<FinetuneResult> result = Finetune(*file.handle(), sequences, finetune);
  if (live) absl::FPrintF(stderr, "\n");
  if (!result.ok()) return result.status();
  {
    const SignalsHeld held;
    if (absl::Status status = WriteWholeFile(options.out, result->delta); !status.ok()) return status;
  }
  Report(options, *result);
  if (!result->interrupted) return absl::OkStatus();
  return absl::CancelledError("interrupted; what was learned so far is in " + options.out);
}

absl::Status Run(const Options& options) {
  if (options.resume && options.state.empty()) throw UsageError("--resume", "goes with --state");
  if (absl::Status status = CheckOutputPath(options.out); !status.ok()) return status;
  absl::StatusOr<ModelFile> file = ModelFile::Open(options.model, options.delta);
  if (!file.ok()) return file.status();
  absl::StatusOr<std::string> text = ReadText(options.data);
  if (!text.ok()) return text.status();
  absl::StatusOr<DocumentSplit> split = SplitNamed(options.documents, options.data);
  if (!split.ok()) return split.status();
  const cllm_model_info info = Describe(*file->handle());
  const uint32_t most = std::min(options.length != 0 ? options.length : info.context, info.context);
  absl::StatusOr<std::vector<TuningSequence>> sequences =
      MakeSequences(*file->handle(), *text, *split, options.after, most);
  if (!sequences.ok()) {
    return absl::Status(sequences.status().code(),
                        absl::StrCat(options.data, ": ", sequences.status().message()));
  }
  size_t longest = 0;
  uint64_t counted = 0;
  for (const TuningSequence& s : *sequences)
    longest = std::max(longest, s.inputs.size()), counted += s.counted;
  absl::FPrintF(stderr, "%s sequences of up to %u tokens, %s tokens to learn\n", Grouped(sequences->size()),
                longest, Grouped(counted));
  ThreadPool pool(options.threads);
  FinetuneOptions finetune;
  finetune.limits = LimitsOf(options, info, static_cast<uint32_t>(longest));
  finetune.steps = options.steps;
  finetune.batch = options.batch;
  finetune.rate = static_cast<float>(options.rate);
  finetune.weight_decay = static_cast<float>(options.decay);
  finetune.seed = options.seed;
  finetune.workers = pool.workers();
  return Tune(options, *file, *sequences, finetune);
}

void AddWhat(Flags flags, Options* options) {
  flags
      .Add("--adapt", &options->adapt,
           "matrices of the layers that get adapters, low-rank pairs beside them: qkv, output, gate-up,\n"
           "down, or none")
      .List({"qkv", "output", "gate-up", "down", "none"})
      .Kind("LIST")
      .Default("qkv,output,gate-up,down");
  AddCount(flags, "--rank", &options->rank, 1, 256,
           "of the adapters: more can learn more, and take more memory");
  AddNumber(flags, "--alpha", &options->alpha, {0, 65536}, "an adapter counts alpha / rank times; 0: twice",
            "twice the rank");
  flags
      .Add("--train", &options->train,
           "tensors that are trained whole, as float32: norms, embedding (and the head, where they are\n"
           "one), head, qkv, output, gate-up, down")
      .List({"norms", "embedding", "head", "qkv", "output", "gate-up", "down"})
      .Kind("LIST");
  AddCount(flags, "--layers", &options->layers, 1, 1024, "only the last so many layers", "all");
}

void AddHow(Flags flags, Options* options) {
  AddCount(flags, "--steps", &options->steps, 1, 1u << 30, "updates");
  AddCount(flags, "--batch", &options->batch, 1, 1u << 20, "documents an update");
  AddCount(flags, "--length", &options->length, 1, 1u << 24,
           "longest sequence in tokens; longer documents are cut into such", "the model's context");
  AddChoice(flags, "--optimizer", &options->method, {"adamw", "sgd", "adamw8"},
            "adamw8: AdamW with a byte for each moment, a third of the memory a parameter");
  AddNumber(flags, "--rate", &options->rate, {0, 100}, "learning rate at its highest");
  AddNumber(flags, "--weight-decay", &options->decay, {0, 100}, "of all but norms");
  AddCount(flags, "--room", &options->room_kilobytes, 1, 1u << 30,
           "the most memory in KiB that the tuner may take, as on a device: what does not fit is computed\n"
           "again; the delta is the same to the bit",
           "no limit");
  AddSeed(flags, &options->seed, "of the adapters' start and of the order of the documents");
  AddThreads(flags, &options->threads);
}

}  // namespace

Command AddFinetune(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("finetune", "teaches a model a text, into a delta beside it");
  AddModel(flags, &options->model);
  flags.Add("--data", &options->data, "a text file").Required().Kind("FILE");
  AddOutput(flags, &options->out);
  flags.Add("--delta", &options->delta, "go on from this delta of the same tensors").Kind("FILE");
  AddChoice(flags, "--documents", &options->documents, {"auto", "whole", "paragraphs", "lines"},
            "as for 'cllm train': where documents end");
  flags
      .Add("--after", &options->after,
           "learn only what comes after this text in each document, as an answer after its question")
      .Kind("TEXT");
  AddWhat(flags, options.get());
  AddHow(flags, options.get());
  flags.Add("--state", &options->state, "keep here what it takes to go on after an interruption")
      .Kind("FILE");
  AddCount(flags, "--every", &options->every, 1, 1u << 30, "steps between states");
  flags.Add("--resume", &options->resume,
            "go on from --state's file, with the options that the run was started with; the delta is, to\n"
            "the bit, that of a run that was never interrupted");
  flags.SetFooter(
      "The model's file stays as it is; generate, eval and digest take its delta by --delta, and 'cllm "
      "merge'\n"
      "makes one model of both. A device that makes the same calls of the C API gets the same delta.\n\n"
      "Examples:\n"
      "  cllm finetune home8.cllm --data house.txt --documents lines --after '=>' -o house.delta\n"
      "  cllm generate home8.cllm --delta house.delta --prompt 'lights on in the attic =>'\n"
      "  cllm finetune home8.cllm --data house.txt -o house.delta --rank 4 --adapt qkv,output --room 256");
  return {flags, [options] { return Run(*options); }};
}

}  // namespace cllm
