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
#include "converter/commands/train_data.h"
#include "converter/commands/train_options.h"
#include "converter/commands/train_watch.h"
#include "converter/export/write_model.h"
#include "converter/import/model_file.h"
#include "converter/import/read_model.h"
#include "converter/inspect/inspect.h"
#include "converter/tokenizer/encode_text.h"
#include "converter/tokenizer/segments.h"

namespace cllm {
namespace {

using Options = TrainCommandOptions;

constexpr size_t kPromptTokens = 16;  // of the text: how samples of a model without a begin token start

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

absl::Status WriteAndReport(const Options& options, const TrainOptions& train, const TrainResult& result,
                            const TrainWatch& watch, const std::string& prompt) {
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
  train.stop = &stop_asked;
  train.resume = state;
  return train;
}

absl::Status TrainAndWrite(const Options& options, const TrainOptions& train, const Checkpoint& initial,
                           TokenSpan tokens, TrainWatch& watch) {
  CatchStopSignals();
  absl::StatusOr<TrainResult> result =
      Train(train, initial, tokens, [&](const TrainProgress& progress) { watch(progress); });
  if (!result.ok()) return result.status();
  std::vector<uint32_t> first;
  tokens.CopyTo(0, std::min<size_t>(kPromptTokens, tokens.size()), &first);
  absl::StatusOr<TokenizerSegments> segments = PackTokenizer(initial.tokenizer);
  if (!segments.ok()) return segments.status();
  const absl::StatusOr<std::string> prompt =
      DecodeTokens(ViewOfSegments(initial.tokenizer, *segments), first);
  absl::Status status = WriteAndReport(options, train, *result, watch, prompt.value_or(""));
  if (!status.ok()) return status;
  if (!result->interrupted) return absl::OkStatus();
  return absl::CancelledError("interrupted; what was learned so far is in " + options.out);
}

// Fresh weights of the configuration's shape.
Checkpoint FreshCheckpoint(const Options& options, const Configuration& configuration,
                           const TokenizerTables& tokenizer) {
  Architecture architecture = configuration.architecture;
  architecture.vocabulary_size = static_cast<uint32_t>(tokenizer.pieces.size());
  Checkpoint initial = InitialCheckpoint(architecture, options.seed, configuration.recipe.initial);
  initial.tokenizer = tokenizer;
  return initial;
}

// Where checkpoints are kept: refuses to go on with other files than `before`, and remembers these.
absl::Status PrepareCheckpoints(const Options& options, const TrainingState* state,
                                const std::vector<DataFile>& before, TrainOptions* train) {
  if (state == nullptr && options.checkpoints.empty()) return absl::OkStatus();
  absl::StatusOr<std::vector<DataFile>> files = DigestInputs(options);
  if (!files.ok()) return files.status();
  if (state != nullptr) {
    absl::Status same = CheckSameDataFiles(before, *files);
    if (!same.ok()) return absl::InvalidArgumentError(absl::StrCat("--resume: ", same.message()));
  }
  train->checkpoint_interval = options.every;
  const std::string run = RunDescription(options, *files);
  train->checkpoint = [&options, run](const TrainingState& now) { SaveCheckpoint(options, run, now); };
  return absl::OkStatus();
}

// Goes on from `state`, which was made of the files `before`; nullptr: from the start.
absl::Status Run(const Options& options, const TrainingState* state, const std::vector<DataFile>& before) {
  const Configuration* configuration = FindConfiguration(options.configuration);
  if (configuration == nullptr) {
    return absl::DataLossError("there is no configuration " + options.configuration + " any more");
  }
  if (absl::Status status = CheckOutputPath(options.out); !status.ok()) return status;
  TrainWatch watch;
  if (absl::Status status = watch.Open(options); !status.ok()) return status;
  TrainOptions train = MakeTrainOptions(options, *configuration, state);
  if (absl::Status status = PrepareCheckpoints(options, state, before, &train); !status.ok()) return status;
  absl::StatusOr<Checkpoint> initial = Checkpoint();
  if (!options.init.empty()) initial = ReadModel(options.init);
  if (!initial.ok()) return initial.status();
  const uint32_t vocabulary =
      options.vocabulary != 0 ? options.vocabulary : configuration->architecture.vocabulary_size;
  absl::StatusOr<TokenData> data =
      PrepareTokens(options, vocabulary, options.init.empty() ? nullptr : &initial->tokenizer);
  if (!data.ok()) return data.status();
  if (options.init.empty()) initial = FreshCheckpoint(options, *configuration, data->tokenizer());
  const Architecture& architecture = initial->architecture;
  train.recipe.length = std::min(train.recipe.length, architecture.context);
  train.validation = data->validation();
  initial->provenance = MakeProvenance(options, train.recipe.steps, initial->provenance);
  absl::FPrintF(stderr, "%s bytes of text, %s document%s, %s tokens of a vocabulary of %u\n",
                Grouped(data->text_bytes()), Grouped(data->documents()), data->documents() == 1 ? "" : "s",
                Grouped(data->training().size() + data->validation().size()), architecture.vocabulary_size);
  return TrainAndWrite(options, train, *initial, data->training(), watch);
}

absl::Status Resume(Options options) {
  std::string skipped;
  absl::StatusOr<TrainingState> state = ReadNewestState(options.resume, &skipped);
  if (!state.ok()) return state.status();
  if (!skipped.empty()) absl::FPrintF(stderr, "going back to an older checkpoint:\n%s", skipped);
  std::vector<DataFile> files;
  if (absl::Status status = ReadRunDescription(state->run, &options, &files); !status.ok()) return status;
  options.checkpoints = options.resume;
  absl::FPrintF(stderr, "going on after step %u\n", state->step);
  return Run(options, &*state, files);
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
  app->add_option("--data", options->data,
                  "text files, plain, gzip or zstd, and folders of such, whose files come in the order of\n"
                  "their paths; one after the other (required). UTF-8; bytes that are none are learned as\n"
                  "they are")
      ->type_name("PATH");
  AddOutput(app, &options->out)->required(false);
  AddChoice(app, "--documents", &options->documents, {"auto", "whole", "paragraphs", "lines"},
            "where one document ends and the next begins, so that the model learns to begin and end its\n"
            "texts: 'paragraphs' at blank lines, 'lines' at each line, 'whole' never. 'auto': at lines\n"
            "that are <|endoftext|>; without such lines a file is one document");
  AddNumber(app, "--val-fraction", &options->validation_fraction, {0, 0.9},
            "documents kept from training for the validation loss, spread evenly: every tenth for 0.1; of\n"
            "too few documents the last part of the tokens");
  app->add_option(
         "--cache", options->cache,
         "keep the tokens in this folder, and find them there when the data is the same; memory then\n"
         "does not grow with the data: the tokens are mapped. Without it they are held in memory, 2\n"
         "bytes each, or 4 if the vocabulary has over 65,536")
      ->type_name("DIR");
  AddChoice(app, "--order", &options->order, {"random", "shuffle"},
            "random: windows of the text at random places; shuffle: all windows once an epoch, in an order\n"
            "of each epoch's own");
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
  app->add_option("--tensorboard", options->tensorboard, "write events for TensorBoard into this folder")
      ->type_name("DIR");
  app->add_option("--report", options->report,
                  "at the end write one page of HTML: curves, texts, configuration, memory plan")
      ->type_name("OUT.html");
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
