#include "converter/commands/train_watch.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/commands/files.h"
#include "converter/export/output_file.h"
#include "converter/run/generate.h"
#include "converter/watch/html_report.h"

namespace cllm {
namespace {

constexpr size_t kMostPoints = 4000;
constexpr uint32_t kSamples = 3, kSampleTokens = 200;

// Texts as `cllm generate` would write them.
std::vector<std::string> Samples(const ModelFile& file, const std::string& prompt) {
  const bool begins = file.model().tokenizer.begin_token != CLLM_NO_TOKEN;
  std::vector<std::string> samples;
  for (uint32_t i = 0; i < kSamples; ++i) {
    GenerateOptions options;
    options.prompt = begins ? "" : prompt;
    options.text_tokens = std::min(kSampleTokens, file.model().config.context);
    options.sampling.temperature = 0.8f;
    options.sampling.top_p = 0.95f;
    options.sampling.seed = i + 1;
    std::string text;
    const absl::StatusOr<GenerateResult> result =
        Generate(*file.handle(), options, [&text](std::string_view piece) {
          text += piece;
          return absl::OkStatus();
        });
    samples.push_back(result.ok() ? text : absl::StrCat("(no text: ", result.status().message(), ")"));
  }
  return samples;
}

HtmlReport::Rows ResultRows(const TrainResult& result) {
  HtmlReport::Rows rows = {{"steps", Grouped(result.steps)},
                           {"tokens", Grouped(result.training_tokens)},
                           {"tokens a second", Grouped(static_cast<uint64_t>(result.tokens_per_second))},
                           {"seconds", absl::StrFormat("%.1f", result.seconds)},
                           {"training loss", absl::StrFormat("%.4f nats a token", result.training_loss)}};
  if (std::isfinite(result.validation_loss)) {
    rows.push_back(
        {"validation loss", absl::StrFormat("%.4f nats a token over %s tokens", result.validation_loss,
                                            Grouped(result.validation_tokens))});
  }
  if (result.best_step != result.steps) rows.push_back({"weights of step", Grouped(result.best_step)});
  return rows;
}

HtmlReport::Rows ModelRows(const ModelReport& model) {
  const cllm_model_info& info = model.info;
  return {{"file", model.path},
          {"parameters", Grouped(info.parameters)},
          {"architecture",
           absl::StrFormat("%u layers, %u wide, %u heads of %u (%u for keys and values), hidden %u",
                           info.layers, info.width, info.heads, info.head_size, info.kv_heads, info.hidden)},
          {"context", absl::StrCat(info.context, " tokens")},
          {"tokenizer", absl::StrCat(model.tokenizer, ", ", info.vocabulary_size, " tokens")},
          {"source", model.source},
          {"recipe", model.recipe},
          {"tool", model.tool},
          {"digest", model.content_digest}};
}

}  // namespace

absl::Status TrainWatch::Open(const TrainCommandOptions& options) {
  report_ = options.report;
  if (!report_.empty()) {
    absl::Status status = CheckOutputPath(report_);
    if (!status.ok()) return absl::Status(status.code(), absl::StrCat("--report: ", status.message()));
  }
  if (absl::Status status = log_.Open(options.log); !status.ok()) return status;
  return options.tensorboard.empty() ? absl::OkStatus() : events_.Open(options.tensorboard);
}

void TrainWatch::operator()(const TrainProgress& progress) {
  line_(progress);
  log_(progress);
  const double step = progress.step;
  if (std::isfinite(progress.loss)) history_.push_back({step, progress.loss, progress.learning_rate});
  if (progress.evaluated && std::isfinite(progress.validation_loss)) {
    evaluations_.push_back({step, progress.validation_loss, 0});
  }
  if (history_.size() > kMostPoints) {
    for (size_t i = 0; 2 * i < history_.size(); ++i) history_[i] = history_[2 * i];
    history_.resize((history_.size() + 1) / 2);
  }
  if (!events_.is_open() || events_failed_) return;
  std::vector<EventFile::Scalar> scalars = {{"loss/training", progress.loss},
                                            {"learning_rate", progress.learning_rate},
                                            {"gradient_norm", progress.gradient_norm},
                                            {"tokens_per_second", progress.tokens_per_second}};
  if (progress.evaluated) scalars.push_back({"loss/validation", progress.validation_loss});
  const absl::Status status = events_.Add(progress.step, scalars);
  events_failed_ = !status.ok();
  if (events_failed_) absl::FPrintF(stderr, "\n%s\n", std::string(status.message()));
}

absl::Status TrainWatch::WriteReport(const TrainOptions& train, const TrainResult& result,
                                     const ModelFile& file, const ModelReport& model,
                                     const std::string& prompt) const {
  if (report_.empty()) return absl::OkStatus();
  HtmlReport report;
  report.title = "Training of " + model.path;
  report.losses = {{"training", "#1f77b4", {}}, {"validation", "#d62728", {}}};
  report.learning_rate = {{"learning rate", "#2ca02c", {}}};
  for (const Point& point : history_) {
    report.losses[0].points.emplace_back(point.step, point.loss);
    report.learning_rate[0].points.emplace_back(point.step, point.rate);
  }
  for (const Point& point : evaluations_) report.losses[1].points.emplace_back(point.step, point.loss);
  if (std::isfinite(result.validation_loss) &&
      (evaluations_.empty() || evaluations_.back().step < result.best_step)) {
    report.losses[1].points.emplace_back(result.best_step, result.validation_loss);
  }
  const std::string limits = absl::StrCat("context ", model.plan_context, ", batch ", model.plan_batch);
  report.tables = {{"Result", ResultRows(result)},
                   {"Configuration", ModelRows(model)},
                   {"Memory",
                    {{"model file", Grouped(model.file_bytes) + " bytes, read only"},
                     {"session", absl::StrCat(Grouped(model.room_bytes), " bytes of room for ", limits)},
                     {"training", absl::StrCat(Grouped(result.room_bytes), " bytes of room for batches of ",
                                               train.recipe.batch, " x ", train.recipe.length, " tokens")}}}};
  report.samples = Samples(file, prompt);
  return WriteWholeFile(report_, RenderHtmlReport(report));
}

}  // namespace cllm
