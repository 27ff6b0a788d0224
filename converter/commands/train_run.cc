#include "converter/commands/train_run.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/commands/files.h"
#include "converter/commands/join_ranks.h"
#include "converter/commands/train_data.h"
#include "converter/commands/train_watch.h"
#include "converter/export/weight_formats.h"
#include "converter/export/write_model.h"
#include "converter/import/model_file.h"
#include "converter/import/read_model.h"
#include "converter/inspect/inspect.h"
#include "converter/tokenizer/encode_text.h"
#include "converter/tokenizer/segments.h"
#include "converter/train/train.h"

namespace cllm {
namespace {

using Options = TrainCommandOptions;

constexpr size_t kPromptTokens = 16;  // of the text: how samples of a model without a begin token start

absl::Status WriteAndReport(const Options& options, const TrainOptions& train, const TrainResult& result,
                            const TrainWatch& watch, const std::string& prompt) {
  {
    const SignalsHeld held;
    if (absl::Status status = WriteModel(result.checkpoint, train.format, options.out, result.rounded);
        !status.ok())
      return status;
  }
  absl::StatusOr<ModelFile> file = ModelFile::Open(options.out);
  if (!file.ok()) return file.status();
  absl::StatusOr<ModelReport> report = Inspect(*file, 0, 0);
  if (!report.ok()) return report.status();
  absl::FPrintF(stderr, "%s %u steps, %s tokens in %.1f s, training loss %.4f nats a token\n",
                result.interrupted ? "interrupted after" : "trained", result.steps,
                Grouped(result.training_tokens), result.seconds, result.training_loss);
  if (result.best_step != result.steps) {
    absl::FPrintF(stderr, "kept the weights of step %u, the best by validation loss\n", result.best_step);
  }
  if (result.validation_tokens > 0 && std::isfinite(result.validation_loss)) {
    absl::FPrintF(stderr, "validation loss %.4f nats a token over %s tokens\n", result.validation_loss,
                  Grouped(result.validation_tokens));
  }
  absl::FPrintF(stderr, "%s: %s bytes, %s parameters, digest %s\n", options.out, Grouped(file->size()),
                Grouped(report->info.parameters), report->content_digest);
  absl::Status status = watch.WriteReport(train, result, *file, *report, prompt);
  if (status.ok() && !options.report.empty()) absl::FPrintF(stderr, "%s: the report\n", options.report);
  return status;
}

// A failure is no reason to end the run: what is there already stays, and the next one may succeed.
void SaveCheckpoint(const Options& options, const std::string& run, TrainingState state) {
  state.run = run;
  const SignalsHeld held;
  const absl::Status status = WriteState(options.checkpoints, state, options.keep);
  if (!status.ok()) absl::FPrintF(stderr, "\nno checkpoint of step %u: %s\n", state.step, status.message());
}

TrainOptions MakeTrainOptions(const Options& options, const Configuration& configuration,
                              const TrainingState* state) {
  TrainOptions train;
  train.recipe = configuration.recipe;
  ApplyTo(options, &train.recipe);
  train.minutes = options.minutes;
  train.threads = options.threads;
  train.seed = options.seed;
  train.validation_fraction = options.validation_fraction;
  train.evaluation_interval = options.evaluate_every;
  train.patience = options.patience;
  train.shuffle = options.order == "shuffle";
  train.format = FormatNamed(options.quantize);
  train.trained = !options.init.empty();
  train.resume = state;
  return train;
}

absl::Status TrainAndWrite(const Options& options, const TrainOptions& train, Checkpoint initial,
                           TokenSpan tokens, TrainWatch& watch) {
  std::function<void(const TrainProgress&)> progress;
  if (!options.quiet) progress = std::ref(watch);
  absl::StatusOr<TrainResult> result = Train(train, std::move(initial), tokens, progress);
  if (!result.ok()) return result.status();
  if (options.quiet) return result->interrupted ? absl::CancelledError() : absl::OkStatus();
  std::vector<uint32_t> first;
  tokens.CopyTo(0, std::min<size_t>(kPromptTokens, tokens.size()), &first);
  absl::StatusOr<TokenizerSegments> segments = PackTokenizer(result->checkpoint.tokenizer);
  if (!segments.ok()) return segments.status();
  const absl::StatusOr<std::string> prompt =
      DecodeTokens(ViewOfSegments(result->checkpoint.tokenizer, *segments), first);
  absl::Status status = WriteAndReport(options, train, *result, watch, prompt.value_or(""));
  if (!status.ok()) return status;
  if (!result->interrupted) return absl::OkStatus();
  return absl::CancelledError("interrupted; what was learned so far is in " + options.out);
}

// Fresh weights of the configuration's shape.
absl::StatusOr<Checkpoint> FreshCheckpoint(const Options& options, const Configuration& configuration,
                                           const TokenizerTables& tokenizer) {
  Architecture architecture = configuration.architecture;
  ApplyTo(options.architecture, &architecture);
  if (absl::Status status = ApplyTo(options.shape, &architecture); !status.ok()) return status;
  architecture.vocabulary_size = static_cast<uint32_t>(tokenizer.pieces.size());
  if (absl::Status status = CheckArchitecture(architecture); !status.ok()) return status;
  Initialization first_weights = configuration.recipe.initial;
  ApplyTo(options.architecture, &first_weights);
  Checkpoint initial = InitialCheckpoint(architecture, options.seed, first_weights);
  initial.tokenizer = tokenizer;
  return initial;
}

// Where checkpoints are kept: refuses to go on with other files than `before`, and remembers these.
absl::Status PrepareCheckpoints(const Options& options, const TrainingState* state,
                                const std::vector<DataFile>& before, const std::vector<DataFile>& files,
                                TrainOptions* train) {
  if (options.checkpoints.empty()) return absl::OkStatus();
  if (state != nullptr) {
    absl::Status same = CheckSameDataFiles(before, files);
    if (!same.ok()) return absl::InvalidArgumentError(absl::StrCat("--resume: ", same.message()));
  }
  const std::string run = RunDescription(options, files);
  train->checkpoint = [&options, run](const TrainingState& now) { SaveCheckpoint(options, run, now); };
  return absl::OkStatus();
}

// What training starts from, on this rank.
struct Prepared {
  TrainOptions train;
  Checkpoint initial;
  TokenData data;
};

absl::Status PrepareData(const Options& options, const TrainInputs& inputs,
                         const Configuration& configuration, Prepared* prepared) {
  Checkpoint& initial = prepared->initial;
  if (!options.init.empty()) {
    absl::StatusOr<Checkpoint> read = ReadModel(options.init);
    if (!read.ok()) return read.status();
    initial = *std::move(read);
  }
  const uint32_t vocabulary =
      options.vocabulary != 0 ? options.vocabulary : configuration.architecture.vocabulary_size;
  absl::StatusOr<TokenData> data =
      PrepareTokens(options, inputs, vocabulary, options.init.empty() ? nullptr : &initial.tokenizer);
  if (!data.ok()) return data.status();
  prepared->data = *std::move(data);
  if (!options.init.empty()) return absl::OkStatus();
  absl::StatusOr<Checkpoint> fresh = FreshCheckpoint(options, configuration, prepared->data.tokenizer());
  if (fresh.ok()) initial = *std::move(fresh);
  return fresh.status();
}

absl::Status Prepare(const Options& options, const TrainingState* state, const std::vector<DataFile>& before,
                     TrainWatch* watch, Prepared* prepared) {
  const Configuration* configuration = FindConfiguration(options.configuration);
  if (configuration == nullptr) {
    return absl::DataLossError("there is no configuration " + options.configuration + " any more");
  }
  TrainOptions& train = prepared->train;
  train = MakeTrainOptions(options, *configuration, state);
  if (!options.quiet) {
    if (absl::Status status = CheckOutputPath(options.out); !status.ok()) return status;
    if (absl::Status status = watch->Open(options); !status.ok()) return status;
  }
  const absl::StatusOr<TrainInputs> inputs = FindInputs(options);
  if (!inputs.ok()) return inputs.status();
  if (!options.checkpoints.empty()) train.checkpoint_interval = options.every;
  if (!options.quiet) {
    absl::Status status = PrepareCheckpoints(options, state, before, inputs->digests, &train);
    if (!status.ok()) return status;
  }
  absl::Status status = PrepareData(options, *inputs, *configuration, prepared);
  if (!status.ok()) return status;
  train.recipe.length = std::min(train.recipe.length, prepared->initial.architecture.context);
  train.validation = prepared->data.validation();
  prepared->initial.provenance = MakeProvenance(options, train.recipe.steps, prepared->initial.provenance);
  return absl::OkStatus();
}

void PrintData(const TokenData& data, const Checkpoint& initial) {
  absl::FPrintF(stderr, "%s bytes of text, %s document%s, %s tokens of a vocabulary of %u\n",
                Grouped(data.text_bytes()), Grouped(data.documents()), data.documents() == 1 ? "" : "s",
                Grouped(data.training().size() + data.validation().size()),
                initial.architecture.vocabulary_size);
}

// A number of segments is no default for them: it would make the result depend on the number of ranks.
void PrintSharing(uint32_t ranks, uint32_t segments) {
  absl::FPrintF(stderr, "%u processes share %u segment%s of each step\n", ranks, segments,
                segments == 1 ? "" : "s");
  if (segments >= ranks) return;
  absl::FPrintF(stderr,
                "%u of them have nothing to do: --segments %u would give each its share. It is part of the "
                "recipe: the same\nweights in one process take the same --segments there\n",
                ranks - segments, ranks);
}

// Goes on from `state`, which was made of the files `before`; nullptr: from the start.
absl::Status Run(const Options& options, const TrainingState* state, const std::vector<DataFile>& before,
                 Ranks* ranks) {
  TrainWatch watch;
  Prepared prepared;
  // A folder for tokens is filled by the first rank; the others find them there.
  const bool in_turn = ranks != nullptr && !options.cache.empty();
  absl::Status status;
  if (!in_turn || !options.quiet) status = Prepare(options, state, before, &watch, &prepared);
  if (in_turn) {
    if (status = Agree(ranks, status); !status.ok()) return status;
    if (options.quiet) status = Prepare(options, state, before, &watch, &prepared);
  }
  if (status = Agree(ranks, status); !status.ok()) return status;
  prepared.train.ranks = ranks;
  if (!options.quiet) PrintData(prepared.data, prepared.initial);
  if (!options.quiet && ranks != nullptr) PrintSharing(ranks->count(), prepared.train.recipe.segments);
  prepared.train.stop = CatchStopSignals();
  return TrainAndWrite(options, prepared.train, std::move(prepared.initial), prepared.data.training(), watch);
}

// The newest checkpoint; where there are ranks, the first one's, which is in its bytes then.
absl::StatusOr<TrainingState> ReadState(const Options& options, Ranks* ranks) {
  std::string skipped;
  absl::StatusOr<TrainingState> state = TrainingState();
  if (!options.quiet) state = ReadNewestState(options.resume, &skipped);
  if (absl::Status status = Agree(ranks, state.status()); !status.ok()) return status;
  if (!options.quiet) {
    if (!skipped.empty()) absl::FPrintF(stderr, "going back to an older checkpoint:\n%s", skipped);
    absl::FPrintF(stderr, "going on after step %u\n", state->step);
  }
  if (ranks == nullptr) return state;
  return StateFromBytes(FromFirst(*ranks, options.quiet ? "" : StateToBytes(*state)));
}

absl::Status RunOrResume(Options options, Ranks* ranks) {
  if (options.resume.empty()) return Run(options, nullptr, {}, ranks);
  absl::StatusOr<TrainingState> state = ReadState(options, ranks);
  if (!state.ok()) return state.status();
  std::vector<DataFile> files;
  if (absl::Status status = ReadRunDescription(state->run, &options, &files); !status.ok()) return status;
  options.checkpoints = options.resume;
  return Run(options, &*state, files, ranks);
}

}  // namespace

absl::Status RunTraining(TrainCommandOptions options) {
  const absl::StatusOr<std::unique_ptr<Ranks>> joined = JoinRanks();
  if (!joined.ok()) return joined.status();
  Ranks* const ranks = joined->get();
  if (ranks == nullptr) return RunOrResume(std::move(options), nullptr);
  options.quiet = ranks->rank() != 0;
  if (!options.threads_given) options.threads = ranks->cores();
  absl::Status status;
  try {
    status = RunOrResume(options, ranks);
  } catch (const std::exception& error) {
    ranks->Abort(error.what());
  }
  return options.quiet ? absl::Status(status.code(), "") : status;
}

}  // namespace cllm
