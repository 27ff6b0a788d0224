// `cllm eval`: the loss of a model over a text.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/export/output_file.h"
#include "converter/export/weight_formats.h"
#include "converter/import/model_file.h"
#include "converter/json/json_text.h"
#include "converter/run/evaluate.h"
#include "converter/run/quality_plot.h"
#include "nlohmann/json.hpp"
#include "posix/thread_pool.h"

namespace cllm {
namespace {

struct Options {
  std::string model, delta, data, plot, documents = "none";
  std::vector<std::string> others;  // to compare with
  uint32_t context = 0, threads = 1;
  bool json = false;
  cllm_kv_format kv = CLLM_KV_F32;
};

void PrintJson(const EvaluateResult& result) {
  const nlohmann::ordered_json json = {{"nats_per_token", result.NatsPerToken()},
                                       {"bits_per_byte", result.BitsPerByte()},
                                       {"perplexity", result.Perplexity()},
                                       {"tokens", result.tokens},
                                       {"bytes", result.bytes},
                                       {"windows", result.windows},
                                       {"context", result.context}};
  std::puts(JsonText(json, 2).c_str());
}

void PrintText(const EvaluateResult& result) {
  absl::PrintF("nats a token  %.6f\nbits a byte   %.6f\nperplexity    %.4f\n", result.NatsPerToken(),
               result.BitsPerByte(), result.Perplexity());
  absl::PrintF("tokens        %u\nbytes         %u\n", result.tokens, result.bytes);
}

struct Evaluated {
  uint64_t file_bytes;
  const char* format;
  EvaluateResult result;
};

absl::StatusOr<Evaluated> EvaluateModel(const Options& options, const std::string& path) {
  absl::StatusOr<ModelFile> file = ModelFile::Open(path, options.delta);
  if (!file.ok()) return file.status();
  absl::StatusOr<std::string> text = ReadText(options.data);
  if (!text.ok()) return text.status();
  ThreadPool pool(options.threads);
  EvaluateOptions evaluate;
  if (options.documents != "none") {
    const absl::StatusOr<DocumentSplit> split = SplitNamed(options.documents, options.data);
    if (!split.ok()) return split.status();
    evaluate.documents = *split;
  }
  evaluate.context = options.context;
  evaluate.kv_format = options.kv;
  evaluate.workers = pool.workers();
  const bool live = isatty(STDERR_FILENO) != 0;
  if (live) {
    evaluate.progress = [](uint64_t done, uint64_t tokens) {
      absl::FPrintF(stderr, "\r%s of %s tokens", Grouped(done), Grouped(tokens));
    };
  }
  absl::StatusOr<EvaluateResult> result = Evaluate(*file->handle(), *text, evaluate);
  if (live) absl::FPrintF(stderr, "\n");
  if (!result.ok()) {
    return absl::Status(result.status().code(), absl::StrCat(options.data, ": ", result.status().message()));
  }
  absl::FPrintF(stderr, "%u window%s of up to %u tokens\n", result->windows, result->windows == 1 ? "" : "s",
                result->context);
  return Evaluated{file->size(), FormatName(file->model().config.weights), *result};
}

// A line for each model, with what it loses beside the first.
void PrintComparison(const std::vector<std::string>& models, const std::vector<Evaluated>& all) {
  absl::PrintF("%-32s %-9s %12s %10s %10s %12s %9s\n", "model", "format", "file, bytes", "of first",
               "bits/byte", "nats/token", "lost");
  const Evaluated& first = all.front();
  for (size_t i = 0; i < all.size(); ++i) {
    const double share = static_cast<double>(all[i].file_bytes) / static_cast<double>(first.file_bytes);
    const double lost = all[i].result.NatsPerToken() / first.result.NatsPerToken() - 1;
    absl::PrintF("%-32s %-9s %12s %9.1f%% %10.6f %12.6f %+8.2f%%\n", models[i], all[i].format,
                 Grouped(all[i].file_bytes), 100 * share, all[i].result.BitsPerByte(),
                 all[i].result.NatsPerToken(), 100 * lost);
  }
}

void PrintComparisonJson(const std::vector<std::string>& models, const std::vector<Evaluated>& all) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (size_t i = 0; i < all.size(); ++i) {
    json.push_back({{"model", models[i]},
                    {"format", all[i].format},
                    {"file_bytes", all[i].file_bytes},
                    {"nats_per_token", all[i].result.NatsPerToken()},
                    {"bits_per_byte", all[i].result.BitsPerByte()}});
  }
  std::puts(JsonText(json, 2).c_str());
}

absl::Status WritePlot(const std::string& path, const std::vector<std::string>& models,
                       const std::vector<Evaluated>& all) {
  std::vector<QualityPoint> points;
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string name = std::filesystem::path(models[i]).filename().string();
    points.push_back({name, all[i].file_bytes, all[i].result.BitsPerByte()});
  }
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = file->WriteAt(0, QualityPlot(points)); !status.ok()) return status;
  return file->Commit();
}

absl::Status Run(const Options& options) {
  if (options.others.empty() && !options.plot.empty()) {
    throw UsageError("--plot", "goes with --compare");
  }
  std::vector<std::string> models = options.others;
  if (!options.model.empty()) models.insert(models.begin(), options.model);
  if (models.empty()) throw UsageError("MODEL", "is required, or --compare with several");
  std::vector<Evaluated> all;
  for (const std::string& model : models) {
    absl::StatusOr<Evaluated> evaluated = EvaluateModel(options, model);
    if (!evaluated.ok()) return evaluated.status();
    all.push_back(*evaluated);
  }
  if (!options.plot.empty()) {
    if (absl::Status status = WritePlot(options.plot, models, all); !status.ok()) return status;
  }
  if (options.others.empty()) {
    options.json ? PrintJson(all[0].result) : PrintText(all[0].result);
  } else {
    options.json ? PrintComparisonJson(models, all) : PrintComparison(models, all);
  }
  return absl::OkStatus();
}

}  // namespace

Command AddEval(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("eval", "measures how well a model predicts a text");
  AddModel(flags, &options->model).Required(false);
  AddDelta(flags, &options->delta);
  flags.Add("--data", &options->data, "a text file that the model was not trained on")
      .Required()
      .Kind("FILE");
  AddChoice(flags, "--documents", &options->documents, {"none", "auto", "whole", "paragraphs", "lines"},
            "as for 'cllm train': where documents end. Each is then read from its beginning, and its end is\n"
            "predicted too, as in training. 'none': the text is a piece of one");
  flags
      .Add("--compare", &options->others,
           "several models: prints a line for each, its file's bytes and what it loses beside the first")
      .Kind("MODEL");
  flags.Add("--plot", &options->plot, "of the comparison: bits a byte against the files' bytes, as SVG")
      .Kind("FILE");
  flags.Add("--json", &options->json, "print one JSON object");
  AddCount(flags, "--context", &options->context, 1, 1u << 30,
           "tokens a window, at most the model's context: each token is predicted from what is before it in\n"
           "its window",
           "the model's");
  AddKv(flags, &options->kv);
  AddThreads(flags, &options->threads);
  flags.SetFooter(
      "The whole text counts, in windows that do not overlap and end with their document. A model with a "
      "begin token reads it first in\n"
      "each window and predicts every token; one without reads the last token of the window before instead,\n"
      "and predicts every token but the text's first.\n"
      "On stdout: nats a token (mean negative log-likelihood), bits a byte (comparable between tokenizers),\n"
      "perplexity (e to the nats a token), and how many tokens and bytes were predicted.\n\n"
      "Examples:\n"
      "  cllm eval stories.cllm --data held_out.txt\n"
      "  cllm eval stories8.cllm --data held_out.txt --json | python3 -m json.tool\n"
      "  cllm eval --compare stories.cllm stories8.cllm stories4.cllm --data held_out.txt --plot sizes.svg");
  return {flags, [options] { return Run(*options); }};
}

}  // namespace cllm
