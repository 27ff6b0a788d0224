#include "converter/commands/train_progress.h"

#include <unistd.h>

#include <cstdio>

#include "absl/strings/str_format.h"
#include "converter/json/json_text.h"
#include "nlohmann/json.hpp"

namespace cllm {
namespace {

constexpr double kSecondsBetweenLines = 10;  // where they do not go to a terminal

}  // namespace

ProgressLine::ProgressLine() : live_(isatty(STDERR_FILENO) != 0) {}

void ProgressLine::operator()(const TrainProgress& progress) {
  const bool last = progress.step == progress.steps;
  if (!live_ && !progress.evaluated && !progress.went_back && !last && progress.seconds < next_) return;
  next_ = progress.seconds + kSecondsBetweenLines;
  absl::FPrintF(stderr, "%s%s%s", live_ ? "\r\033[K" : "", FormatProgress(progress), live_ ? "" : "\n");
  if (live_ && (progress.evaluated || progress.went_back || last)) absl::FPrintF(stderr, "\n");
}

absl::Status ProgressLog::Open(const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  file_.open(path, std::ios::app);
  return file_ ? absl::OkStatus() : absl::UnavailableError("--log: cannot write " + path);
}

void ProgressLog::operator()(const TrainProgress& progress) {
  if (!file_.is_open()) return;
  nlohmann::ordered_json line = {{"step", progress.step},
                                 {"loss", progress.loss},
                                 {"rate", progress.learning_rate},
                                 {"gradient_norm", progress.gradient_norm},
                                 {"tokens_per_second", progress.tokens_per_second},
                                 {"seconds", progress.seconds}};
  if (progress.evaluated) line["validation_loss"] = progress.validation_loss;
  if (progress.went_back) line["went_back"] = true;
  file_ << JsonText(line) << std::endl;
}

}  // namespace cllm
