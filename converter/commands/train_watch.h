// Room: converter/commands. Everything that tells of a run of `cllm train`: the line, the log, TensorBoard's
// events, and the page at its end.
#ifndef CLLM_CONVERTER_COMMANDS_TRAIN_WATCH_H_
#define CLLM_CONVERTER_COMMANDS_TRAIN_WATCH_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "converter/commands/train_options.h"
#include "converter/commands/train_progress.h"
#include "converter/import/model_file.h"
#include "converter/inspect/inspect.h"
#include "converter/train/train.h"
#include "converter/watch/event_file.h"

namespace cllm {

class TrainWatch {
 public:
  // Errors now rather than after hours: a file that cannot be written.
  absl::Status Open(const TrainCommandOptions& options);

  // A failure to write events is told once, and ends them only.
  void operator()(const TrainProgress& progress);

  // Writes the page of --report, if there is one. prompt: what texts of a model without a begin token start
  // with.
  absl::Status WriteReport(const TrainOptions& train, const TrainResult& result, const ModelFile& file,
                           const ModelReport& model, const std::string& prompt) const;

 private:
  struct Point {
    double step, loss, rate;
  };

  std::string report_;
  ProgressLine line_;
  ProgressLog log_;
  EventFile events_;
  bool events_failed_ = false;
  std::vector<Point> history_;  // thinned out when it gets long
  std::vector<Point> evaluations_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_TRAIN_WATCH_H_
