// `cllm eval`: the loss of a model over a text.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/data/document_reader.h"
#include "converter/import/model_file.h"
#include "converter/run/evaluate.h"
#include "nlohmann/json.hpp"
#include "posix/thread_pool.h"

namespace cllm {
namespace {

struct Options {
  std::string model, delta, data, documents = "none";
  uint32_t context = 0, threads = 1;
  bool json = false;
  cllm_kv_format kv = CLLM_KV_F32;
};

// Nothing for "none" and "auto".
std::optional<DocumentSplit> SplitOf(const std::string& name) {
  if (name == "whole") return DocumentSplit::kWhole;
  if (name == "paragraphs") return DocumentSplit::kParagraphs;
  if (name == "lines") return DocumentSplit::kLines;
  return std::nullopt;
}

void PrintJson(const EvaluateResult& result) {
  const nlohmann::ordered_json json = {{"nats_per_token", result.NatsPerToken()},
                                       {"bits_per_byte", result.BitsPerByte()},
                                       {"perplexity", result.Perplexity()},
                                       {"tokens", result.tokens},
                                       {"bytes", result.bytes},
                                       {"windows", result.windows},
                                       {"context", result.context}};
  std::puts(json.dump(2).c_str());
}

void PrintText(const EvaluateResult& result) {
  absl::PrintF("nats a token  %.6f\nbits a byte   %.6f\nperplexity    %.4f\n", result.NatsPerToken(),
               result.BitsPerByte(), result.Perplexity());
  absl::PrintF("tokens        %u\nbytes         %u\n", result.tokens, result.bytes);
}

absl::Status Run(const Options& options) {
  absl::StatusOr<ModelFile> file = ModelFile::Open(options.model, options.delta);
  if (!file.ok()) return file.status();
  absl::StatusOr<std::string> text = ReadText(options.data);
  if (!text.ok()) return text.status();
  ThreadPool pool(options.threads);
  EvaluateOptions evaluate;
  evaluate.documents = SplitOf(options.documents);
  if (options.documents == "auto") {
    const absl::StatusOr<bool> marker = FileHasDocumentMarker(options.data);
    if (!marker.ok()) return marker.status();
    evaluate.documents = *marker ? DocumentSplit::kMarker : DocumentSplit::kWhole;
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
  options.json ? PrintJson(*result) : PrintText(*result);
  return absl::OkStatus();
}

}  // namespace

Command AddEval(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App* app = program.add_subcommand("eval", "measures how well a model predicts a text");
  AddModel(app, &options->model);
  AddDelta(app, &options->delta);
  app->add_option("--data", options->data, "a text file that the model was not trained on")
      ->required()
      ->type_name("FILE");
  AddChoice(app, "--documents", &options->documents, {"none", "auto", "whole", "paragraphs", "lines"},
            "as for 'cllm train': where documents end. Each is then read from its beginning, and its end is\n"
            "predicted too, as in training. 'none': the text is a piece of one");
  app->add_flag("--json", options->json, "print one JSON object");
  AddCount(app, "--context", &options->context, 1, 1u << 30,
           "tokens a window, at most the model's context: each token is predicted from what is before it in\n"
           "its window",
           "the model's");
  AddKv(app, &options->kv);
  AddThreads(app, &options->threads);
  app->footer(
      "The whole text counts, in windows that do not overlap and end with their document. A model with a "
      "begin token reads it first in\n"
      "each window and predicts every token; one without reads the last token of the window before instead,\n"
      "and predicts every token but the text's first.\n"
      "On stdout: nats a token (mean negative log-likelihood), bits a byte (comparable between tokenizers),\n"
      "perplexity (e to the nats a token), and how many tokens and bytes were predicted.\n\n"
      "Examples:\n"
      "  cllm eval stories.cllm --data held_out.txt\n"
      "  cllm eval stories8.cllm --data held_out.txt --json | python3 -m json.tool");
  return {app, [options] { return Run(*options); }};
}

}  // namespace cllm
