// `cllm train`: text to a model.
#include "converter/train/train.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/commands/tokenizer_kinds.h"
#include "converter/commands/train_options.h"
#include "converter/commands/train_progress.h"
#include "converter/commands/train_text.h"
#include "converter/export/sha256.h"
#include "converter/export/write_model.h"
#include "converter/import/model_file.h"
#include "converter/import/read_model.h"
#include "converter/inspect/inspect.h"
#include "converter/train/documents.h"

namespace cllm {
namespace {

using Options = TrainCommandOptions;

std::atomic<int> stop_asked{0};  // some machines have no lock-free byte
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler sets it");

// From the first signal on the default action is back, so that a second one ends the program at once.
void CatchStopSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_asked.store(1); };
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

absl::Status WriteAndReport(const Options& options, const TrainResult& result) {
  {
    const SignalsHeld held;
    if (absl::Status status = WriteModel(result.checkpoint, Dtype::kF32, options.out); !status.ok())
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
  return absl::OkStatus();
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
  train.stop = &stop_asked;
  train.resume = state;
  return train;
}

absl::Status TrainAndWrite(const Options& options, const TrainOptions& train, const Checkpoint& initial,
                           absl::Span<const uint32_t> tokens) {
  ProgressLog log;
  if (absl::Status status = log.Open(options.log); !status.ok()) return status;
  ProgressLine line;
  CatchStopSignals();
  absl::StatusOr<TrainResult> result = Train(train, initial, tokens, [&](const TrainProgress& progress) {
    line(progress);
    log(progress);
  });
  if (!result.ok()) return result.status();
  if (absl::Status status = WriteAndReport(options, *result); !status.ok()) return status;
  if (!result->interrupted) return absl::OkStatus();
  return absl::CancelledError("interrupted; what was learned so far is in " + options.out);
}

// Weights, shape and vocabulary at the start: fresh ones of the configuration, or those of --init.
absl::StatusOr<Checkpoint> StartingPoint(const Options& options, const Configuration& configuration,
                                         const TrainingText& text) {
  if (!options.init.empty()) return ReadModel(options.init);
  const uint32_t vocabulary =
      options.vocabulary != 0 ? options.vocabulary : configuration.architecture.vocabulary_size;
  absl::StatusOr<TokenizerTables> tables = MakeTokenizer(options, vocabulary, text);
  if (!tables.ok()) return tables.status();
  Architecture architecture = configuration.architecture;
  architecture.vocabulary_size = static_cast<uint32_t>(tables->pieces.size());
  Checkpoint initial = InitialCheckpoint(architecture, options.seed, configuration.recipe.initial);
  initial.tokenizer = *std::move(tables);
  return initial;
}

absl::StatusOr<std::vector<std::string>> FileDigests(const Options& options, const TrainingText& text) {
  std::vector<std::string> digests = text.Digests();
  for (const std::string& path : {TokenizerFile(options), options.init}) {
    if (path.empty()) continue;
    absl::StatusOr<std::string> file = ReadText(path);
    if (!file.ok()) return file.status();
    digests.push_back(Hexadecimal(Sha256(*file)));
  }
  return digests;
}

// Goes on from `state`, whose files had `digests_before`; nullptr: from the start.
absl::Status Run(const Options& options, const TrainingState* state,
                 const std::vector<std::string>& digests_before) {
  const Configuration* configuration = FindConfiguration(options.configuration);
  if (configuration == nullptr) {
    return absl::DataLossError("there is no configuration " + options.configuration + " any more");
  }
  if (absl::Status status = CheckOutputPath(options.out); !status.ok()) return status;
  absl::StatusOr<TrainingText> text = ReadTrainingText(options);
  if (!text.ok()) return text.status();
  TrainOptions train = MakeTrainOptions(options, *configuration, state);
  if (state != nullptr || !options.checkpoints.empty()) {
    absl::StatusOr<std::vector<std::string>> digests = FileDigests(options, *text);
    if (!digests.ok()) return digests.status();
    if (state != nullptr) {
      absl::Status same = CheckSameFiles(options, digests_before, *digests);
      if (!same.ok()) return same;
    }
    train.checkpoint_interval = options.every;
    const std::string run = RunDescription(options, *digests);
    train.checkpoint = [&options, run](const TrainingState& now) { SaveCheckpoint(options, run, now); };
  }
  absl::StatusOr<Checkpoint> initial = StartingPoint(options, *configuration, *text);
  if (!initial.ok()) return initial.status();
  absl::StatusOr<std::vector<uint32_t>> tokens = EncodeDocuments(initial->tokenizer, text->documents);
  if (!tokens.ok()) return tokens.status();
  const Architecture& architecture = initial->architecture;
  train.recipe.length = std::min(train.recipe.length, architecture.context);
  initial->provenance = MakeProvenance(options, train.recipe.steps, initial->provenance);
  absl::FPrintF(stderr, "%s bytes of text, %s document%s, %s tokens of a vocabulary of %u\n",
                Grouped(text->bytes), Grouped(text->documents.size()), text->documents.size() == 1 ? "" : "s",
                Grouped(tokens->size()), architecture.vocabulary_size);
  return TrainAndWrite(options, train, *initial, *tokens);
}

absl::Status Resume(Options options) {
  std::string skipped;
  absl::StatusOr<TrainingState> state = ReadNewestState(options.resume, &skipped);
  if (!state.ok()) return state.status();
  if (!skipped.empty()) absl::FPrintF(stderr, "going back to an older checkpoint:\n%s", skipped);
  std::vector<std::string> digests;
  if (absl::Status status = ReadRunDescription(state->run, &options, &digests); !status.ok()) return status;
  options.checkpoints = options.resume;
  absl::FPrintF(stderr, "going on after step %u\n", state->step);
  return Run(options, &*state, digests);
}

absl::Status RunOrResume(const CLI::App& app, const Options& options) {
  if (options.resume.empty()) {
    if (options.data.empty()) throw CLI::RequiredError("--data");
    if (options.out.empty()) throw CLI::RequiredError("-o,--output");
    if (const std::string file = TokenizerFile(options); !file.empty() && access(file.c_str(), F_OK) != 0) {
      throw CLI::ValidationError("--tokenizer", "there is no file '" + file +
                                                    "' and no kind of that name; kinds "
                                                    "are bpe, wordpiece, words, char");
    }
    if (options.vocabulary != 0 && !TakesVocabularySize(options.tokenizer)) {
      throw CLI::ValidationError("--vocab",
                                 "goes with --tokenizer bpe, wordpiece and words: characters takes "
                                 "all of the text's, and a file has its own");
    }
    if (!options.init.empty() && (!options.tokenizer.empty() || options.vocabulary != 0)) {
      throw CLI::ValidationError("--init", "brings its own vocabulary: leave --tokenizer and --vocab out");
    }
    if (options.patience != 0 && options.evaluate_every == 0) {
      throw CLI::ValidationError("--patience", "counts evaluations: give --evaluate-every too");
    }
    return Run(options, nullptr, {});
  }
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0 || option->get_name() == "--resume" || option->get_name() == "--threads")
      continue;
    throw CLI::ValidationError("--resume",
                               "goes with --threads only, and " + option->get_name() + " stays what it was");
  }
  return Resume(options);
}

std::string ConfigurationList() {
  std::string list = "Configurations:\n";
  for (const Configuration& configuration : Configurations()) {
    absl::StrAppend(&list, absl::StrFormat("  %-12s %s\n", configuration.name, configuration.summary));
  }
  return list;
}

void AddDataOptions(CLI::App* app, Options* options) {
  app->add_option("--data", options->data, "text files, UTF-8; one after the other (required)")
      ->type_name("FILE");
  AddOutput(app, &options->out)->required(false);
  AddChoice(app, "--documents", &options->documents, {"auto", "whole", "paragraphs", "lines"},
            "where one document ends and the next begins, so that the model learns to begin and end its\n"
            "texts: 'paragraphs' at blank lines, 'lines' at each line, 'whole' never. 'auto': at lines\n"
            "that are <|endoftext|>; without such lines a file is one document");
  AddNumber(app, "--val-fraction", &options->validation_fraction, {0, 0.9},
            "the last part of the tokens, kept from training for the validation loss");
}

void AddCheckpointOptions(CLI::App* app, Options* options) {
  app->add_option("--checkpoint", options->checkpoints,
                  "keep checkpoints in this folder: all it takes to go on from there")
      ->type_name("DIR");
  AddCount(app, "--every", &options->every, 1, 1u << 30, "steps between checkpoints");
  AddCount(app, "--keep", &options->keep, 1, 1000, "how many checkpoints, the newest, stay in the folder");
  app->add_option(
         "--resume", options->resume,
         "go on from the newest checkpoint in this folder, with the options it was made with; a run\n"
         "by steps ends with the weights, to the bit, of one that was never interrupted")
      ->type_name("DIR");
}

}  // namespace

Command AddTrain(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App* app = program.add_subcommand("train", "trains a model on text files");
  AddDataOptions(app, options.get());
  std::vector<std::string> names;
  for (const Configuration& configuration : Configurations()) names.push_back(configuration.name);
  AddChoice(app, "--config", &options->configuration, names, "shape and recipe, see below")
      ->type_name("NAME");
  app->add_option(
         "--tokenizer", options->tokenizer,
         "what to learn from the text: bpe (byte-level pair encoding), wordpiece, words, or char (its\n"
         "characters); or a file of 'cllm tokenizer train', or a .cllm file: its tokenizer")
      ->type_name("KIND|FILE")
      ->default_str("the configuration's");
  AddCount(app, "--vocab", &options->vocabulary, 4, 1u << 20,
           "tokens of a bpe, wordpiece or words vocabulary", "the configuration's");
  CLI::Option* steps =
      AddCount(app, "--steps", &options->steps, 1, 1u << 30, "training steps", "the configuration's");
  AddNumber(
      app, "--minutes", &options->minutes, {0.001, 1e6},
      "train for this long instead of a number of steps; only a run by steps can be repeated to the bit",
      "none")
      ->excludes(steps);
  app->add_option("--init", options->init,
                  "start from this model: its shape, vocabulary and weights, and the recipe of --config")
      ->type_name("MODEL");
  AddRecipeOptions(app, &options->recipe);
  AddCount(app, "--evaluate-every", &options->evaluate_every, 1, 1u << 30,
           "steps between evaluations; the model written is then the best of them", "only at the end");
  AddCount(app, "--patience", &options->patience, 1, 1u << 20,
           "end after this many evaluations in a row without a better one", "never");
  app->add_option("--log", options->log, "append a line of JSON for each report of progress to this file")
      ->type_name("FILE");
  AddThreads(app, &options->threads);
  AddCheckpointOptions(app, options.get());
  AddSeed(app, &options->seed, "of the first weights and of the order of the data");
  app->footer(
      ConfigurationList() +
      "\nProgress goes to stderr: step, loss in nats a token, speed, time left; at the end the loss over\n"
      "the whole validation part, the file's size and the digest of its contents. Nothing goes to stdout.\n"
      "Ctrl-C ends training early: what was learned so far is written, and the exit code is 130.\n\n"
      "Examples:\n"
      "  cllm train --data stories.txt --documents paragraphs -o stories.cllm --minutes 2\n"
      "  cllm train --data big.txt -o big.cllm --checkpoint big.run, and after a power cut:\n"
      "  cllm train --resume big.run\n"
      "  cllm train --init base.cllm --data mine.txt -o mine.cllm --rate 5e-4 --evaluate-every 100 "
      "--patience 3\n"
      "  cllm train --data a.txt b.txt -o ab.cllm --tokenizer bpe --vocab 1024 --steps 5000 --seed 7");
  return {app, [app, options] { return RunOrResume(*app, *options); }};
}

}  // namespace cllm
