// Room: converter/commands. What `cllm train` was asked for, and how a checkpoint remembers it.
#ifndef CLLM_CONVERTER_COMMANDS_TRAIN_OPTIONS_H_
#define CLLM_CONVERTER_COMMANDS_TRAIN_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/commands/train_architecture.h"
#include "converter/commands/train_recipe.h"
#include "converter/commands/train_shape.h"
#include "converter/data/data_files.h"
#include "converter/train/configurations.h"

namespace cllm {

struct TrainCommandOptions {
  std::vector<std::string> data;
  std::string out;
  std::string configuration = "quickstart";
  std::string tokenizer;
  std::string documents = "auto";
  uint32_t vocabulary = 0, steps = 0, threads = 1;
  double minutes = 0, validation_fraction = 0.1;
  uint64_t seed = 1;
  std::string checkpoints, resume;  // folders
  uint32_t every = 500, keep = 3;
  uint32_t evaluate_every = 0, patience = 0;
  ShapeOptions shape;
  ArchitectureOptions architecture;
  RecipeOptions recipe;
  std::string init;                 // a model to start from
  std::string quantize = "f32";     // the format to train for
  std::string log;                  // JSON lines
  std::string tensorboard, report;  // a folder; a page of HTML
  std::string cache;                // a folder for tokens; "": none
  std::string order = "random";
  bool threads_given = false;
  bool quiet = false;  // one of several ranks and not the first: neither prints nor writes
};

// The options as JSON, but for threads, `quiet` and `resume`, with absolute paths, and all files that go into
// the run.
std::string RunDescription(const TrainCommandOptions& options, const std::vector<DataFile>& files);

// Back from JSON; threads, `quiet` and `resume` stay. Error: DataLoss.
absl::Status ReadRunDescription(absl::string_view json, TrainCommandOptions* options,
                                std::vector<DataFile>* files);

// The file of --tokenizer; "" if it names a kind, or nothing.
std::string TokenizerFile(const TrainCommandOptions& options);

// What --tokenizer says, else the configuration: the name of a kind (tokenizer_kinds.h) or a file; "" where
// the model that the run starts from has one.
std::string TokenizerName(const TrainCommandOptions& options);

// `before` is that of the model the run starts from.
Provenance MakeProvenance(const TrainCommandOptions& options, uint32_t steps, const Provenance& before);

// What the options say over the configuration's recipe.
void ApplyTo(const TrainCommandOptions& options, Recipe* recipe);

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_TRAIN_OPTIONS_H_
