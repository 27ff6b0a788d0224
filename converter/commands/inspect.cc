// `cllm inspect`: what is in a model file.
#include "converter/inspect/inspect.h"

#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/export/weight_formats.h"

namespace cllm {
namespace {

struct Options {
  std::string model;
  uint32_t context = 0, batch = 0;
  cllm_kv_format kv = CLLM_KV_F32;
  bool json = false;
};

std::string TokenWords(uint32_t token) { return token == CLLM_NO_TOKEN ? "none" : absl::StrCat(token); }

void PrintConfiguration(const ModelReport& report) {
  const cllm_model_info& info = report.info;
  absl::PrintF("%s\n", report.path);
  absl::PrintF("  file          %s bytes, format %u.%u, %s weights\n", Grouped(report.file_bytes),
               report.format_major, report.format_minor, FormatWords(static_cast<Dtype>(info.weight_format)));
  absl::PrintF("  parameters    %s\n", Grouped(info.parameters));
  absl::PrintF("  architecture  %u layers, %u wide, %u heads of %u (%u for keys and values), hidden %u\n",
               info.layers, info.width, info.heads, info.head_size, info.kv_heads, info.hidden);
  absl::PrintF("                RMS norm (epsilon %g), SwiGLU, RoPE on %s pairs, %s head\n",
               report.norm_epsilon, report.rope_pairs == RopePairs::kAdjacent ? "adjacent" : "half-way",
               info.tied_head ? "tied" : "untied");
  absl::PrintF("  context       %u tokens\n", info.context);
  absl::PrintF("  tokenizer     %s, %u tokens, begin %s, end %s\n", report.tokenizer, info.vocabulary_size,
               TokenWords(info.begin_token), TokenWords(info.end_token));
  for (const auto& [name, value] :
       {std::pair("source", &report.source), std::pair("licence", &report.licence),
        std::pair("recipe", &report.recipe), std::pair("tool", &report.tool)}) {
    if (!value->empty()) absl::PrintF("  %-12s  %s\n", name, *value);
  }
}

void PrintTables(const ModelReport& report) {
  absl::PrintF("\nbytes by part\n");
  for (const PartReport& part : report.parts) {
    absl::PrintF("  %-28s %14s\n", part.name, Grouped(part.bytes));
  }
  absl::PrintF("\n%-29s %7s x %-8s %-8s %12s\n", absl::StrCat(report.tensors.size(), " tensors"), "rows",
               "columns", "format", "bytes");
  for (const TensorReport& tensor : report.tensors) {
    absl::PrintF("  %-27s %7u x %-8u %-8s %12s%s\n", tensor.name, tensor.rows, tensor.columns,
                 FormatWords(tensor.dtype), Grouped(tensor.bytes),
                 tensor.digest_matches ? "" : "  DIGEST DOES NOT MATCH");
  }
}

absl::Status Run(const Options& options) {
  absl::StatusOr<ModelFile> file = ModelFile::Open(options.model);
  if (!file.ok()) return file.status();
  absl::StatusOr<ModelReport> report = Inspect(*file, options.context, options.batch, options.kv);
  if (!report.ok()) return report.status();
  if (options.json) {
    std::puts(ReportJson(*report).c_str());
  } else {
    PrintConfiguration(*report);
    absl::PrintF("  digest        %s\n", report->content_digest);
    absl::PrintF("  memory        %s bytes of room for context %u, batch %u%s\n", Grouped(report->room_bytes),
                 report->plan_context, report->plan_batch,
                 report->plan_kv_format == CLLM_KV_INT8 ? ", int8 cache" : "");
    PrintTables(*report);
  }
  if (!report->digests_match) {
    return absl::DataLossError(
        options.model +
        ": the digests in the file do not match its contents: it was damaged or changed. Get it again");
  }
  return absl::OkStatus();
}

}  // namespace

Command AddInspect(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App* app = program.add_subcommand("inspect", "shows what is in a model file");
  AddModel(app, &options->model);
  app->add_flag("--json", options->json, "print one JSON object");
  AddCount(app, "--context", &options->context, 1, 1u << 30,
           "tokens of the session that the memory plan is for", "the model's");
  AddCount(app, "--batch", &options->batch, 1, 1u << 30, "tokens that it computes at once",
           "32, 12 with an int8 cache, or the context if less");
  AddKv(app, &options->kv);
  app->footer(
      "On stdout: configuration, number of parameters, origin, bytes by part of the file, every tensor, the\n"
      "SHA-256 of all contents (checked against them: a damaged file is reported and ends with exit code "
      "1),\n"
      "and the room: the bytes of memory, to the byte, that a session takes on any machine.\n\n"
      "Examples:\n"
      "  cllm inspect stories.cllm\n"
      "  cllm inspect stories.cllm --context 128 --batch 1     # the memory that a small device needs\n"
      "  cllm inspect stories.cllm --json | python3 -m json.tool");
  return {app, [options] { return Run(*options); }};
}

}  // namespace cllm
