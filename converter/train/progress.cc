#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/train/train.h"

namespace cllm {
namespace {

std::string WithCommas(uint64_t number) {
  if (number < 1000) return absl::StrCat(number);
  return absl::StrCat(WithCommas(number / 1000), ",", absl::Dec(number % 1000, absl::kZeroPad3));
}

}  // namespace

std::string FormatProgress(const TrainProgress& progress) {
  const uint64_t left = static_cast<uint64_t>(std::lround(progress.seconds_left));
  std::string line =
      absl::StrFormat("step %5d/%d  loss %.4f  rate %.1e  %s tok/s  %d:%02d left", progress.step,
                      progress.steps, progress.loss, progress.learning_rate,
                      WithCommas(static_cast<uint64_t>(progress.tokens_per_second)), left / 60, left % 60);
  if (progress.evaluated) absl::StrAppendFormat(&line, "  validation %.4f", progress.validation_loss);
  if (progress.went_back) line += "  diverged: went back to this step, with a quarter of the rate";
  return line;
}

}  // namespace cllm
