// Room: converter/commands. The progress of `cllm train`: a line for people and a file for programs.
#ifndef CLLM_CONVERTER_COMMANDS_TRAIN_PROGRESS_H_
#define CLLM_CONVERTER_COMMANDS_TRAIN_PROGRESS_H_

#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "converter/train/train.h"

namespace cllm {

// One line that renews itself on a terminal, and a line now and then elsewhere.
class ProgressLine {
 public:
  ProgressLine();
  void operator()(const TrainProgress& progress);

 private:
  const bool live_;
  double next_ = 0;
};

// A line of JSON for each report, after what the file has already.
class ProgressLog {
 public:
  // "": no log.
  absl::Status Open(const std::string& path);
  void operator()(const TrainProgress& progress);

 private:
  std::ofstream file_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_TRAIN_PROGRESS_H_
