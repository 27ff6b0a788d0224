// `cllm train`: text to a model.
#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/options.h"
#include "converter/commands/tokenizer_kinds.h"
#include "converter/commands/train_options.h"
#include "converter/commands/train_run.h"

namespace cllm {
namespace {

using Options = TrainCommandOptions;

absl::Status CheckAndRun(Flags flags, Options options) {
  options.threads_given = flags.given("--threads");
  if (options.resume.empty()) {
    if (options.data.empty()) throw UsageError::Missing("--data");
    if (options.out.empty()) throw UsageError::Missing("-o,--output");
    if (const std::string file = TokenizerFile(options); !file.empty() && access(file.c_str(), F_OK) != 0) {
      throw UsageError("--tokenizer", "there is no file '" + file +
                                          "' and no kind of that name; kinds "
                                          "are bpe, wordpiece, words, char");
    }
    if (options.vocabulary != 0 && !TakesVocabularySize(options.tokenizer)) {
      throw UsageError("--vocab",
                       "goes with --tokenizer bpe, wordpiece and words: characters takes "
                       "all of the text's, and a file has its own");
    }
    if (!options.init.empty() && (!options.tokenizer.empty() || options.vocabulary != 0)) {
      throw UsageError("--init", "brings its own vocabulary: leave --tokenizer and --vocab out");
    }
    if (const std::string set = FirstSet(options.shape); !options.init.empty() && !set.empty()) {
      throw UsageError("--init", "brings its own shape: leave " + set + " out");
    }
    if (const std::string set = FirstSet(options.architecture); !options.init.empty() && !set.empty()) {
      throw UsageError("--init", "brings its own architecture: leave " + set + " out");
    }
    if (options.patience != 0 && options.evaluate_every == 0) {
      throw UsageError("--patience", "counts evaluations: give --evaluate-every too");
    }
    return RunTraining(std::move(options));
  }
  for (const std::string& name : flags.all_given()) {
    if (name == "--resume" || name == "--threads") continue;
    throw UsageError("--resume", "goes with --threads only, and " + name + " stays what it was");
  }
  return RunTraining(std::move(options));
}

std::string ConfigurationList() {
  std::string list = "Configurations:\n";
  for (const Configuration& configuration : Configurations()) {
    absl::StrAppend(&list, absl::StrFormat("  %-12s %s\n", configuration.name, configuration.summary));
  }
  return list;
}

void AddDataOptions(Flags flags, Options* options) {
  flags
      .Add("--data", &options->data,
           "text files, plain, gzip or zstd, and folders of such, whose files come in the order of\n"
           "their paths; one after the other (required). UTF-8; bytes that are none are learned as\n"
           "they are")
      .Kind("PATH");
  AddOutput(flags, &options->out).Required(false);
  AddChoice(flags, "--documents", &options->documents, {"auto", "whole", "paragraphs", "lines"},
            "where one document ends and the next begins, so that the model learns to begin and end its\n"
            "texts: 'paragraphs' at blank lines, 'lines' at each line, 'whole' never. 'auto': at lines\n"
            "that are <|endoftext|>; without such lines a file is one document");
  AddNumber(flags, "--val-fraction", &options->validation_fraction, {0, 0.9},
            "documents kept from training for the validation loss, spread evenly: every tenth for 0.1; of\n"
            "too few documents the last part of the tokens");
  flags
      .Add("--cache", &options->cache,
           "keep the tokens in this folder, and find them there when the data is the same; memory then\n"
           "does not grow with the data: the tokens are mapped. Without it they are held in memory, 2\n"
           "bytes each, or 4 if the vocabulary has over 65,536")
      .Kind("DIR");
  AddChoice(flags, "--order", &options->order, {"random", "shuffle"},
            "random: windows of the text at random places; shuffle: all windows once an epoch, in an order\n"
            "of each epoch's own");
}

void AddCheckpointOptions(Flags flags, Options* options) {
  flags
      .Add("--checkpoint", &options->checkpoints,
           "keep checkpoints in this folder: all it takes to go on from there")
      .Kind("DIR");
  AddCount(flags, "--every", &options->every, 1, 1u << 30, "steps between checkpoints");
  AddCount(flags, "--keep", &options->keep, 1, 1000, "how many checkpoints, the newest, stay in the folder");
  flags
      .Add("--resume", &options->resume,
           "go on from the newest checkpoint in this folder, with the options it was made with; a run\n"
           "by steps ends with the weights, to the bit, of one that was never interrupted")
      .Kind("DIR");
}

}  // namespace

Command AddTrain(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("train", "trains a model on text files");
  AddDataOptions(flags, options.get());
  std::vector<std::string> names;
  for (const Configuration& configuration : Configurations()) names.push_back(configuration.name);
  AddChoice(flags, "--config", &options->configuration, names, "shape and recipe, see below").Kind("NAME");
  flags
      .Add("--tokenizer", &options->tokenizer,
           "what to learn from the text: bpe (byte-level pair encoding), wordpiece, words, or char (its\n"
           "characters); or a file of 'cllm tokenizer train', or a .cllm file: its tokenizer")
      .Kind("KIND|FILE")
      .Default("the configuration's");
  AddCount(flags, "--vocab", &options->vocabulary, 4, 1u << 20,
           "tokens of a bpe, wordpiece or words vocabulary", "the configuration's");
  const Flag steps =
      AddCount(flags, "--steps", &options->steps, 1, 1u << 30, "training steps", "the configuration's");
  AddNumber(
      flags, "--minutes", &options->minutes, {0.001, 1e6},
      "train for this long instead of a number of steps; only a run by steps can be repeated to the bit",
      "none")
      .NotWith(steps);
  flags
      .Add("--init", &options->init,
           "start from this model: its shape, vocabulary and weights, and the recipe of --config")
      .Kind("MODEL");
  AddChoice(flags, "--quantize", &options->quantize,
            {"f32", "bf16", "int8", "int4", "lattice2", "lattice3", "lattice4"},
            "train for this format: losses are those of the rounded weights, and these are written. From a\n"
            "trained model, a tenth of its steps at a third of its rate is enough");
  AddShapeOptions(flags, &options->shape);
  AddArchitectureOptions(flags, &options->architecture);
  AddRecipeOptions(flags, &options->recipe);
  AddCount(flags, "--evaluate-every", &options->evaluate_every, 1, 1u << 30,
           "steps between evaluations; the model written is then the best of them", "only at the end");
  AddCount(flags, "--patience", &options->patience, 1, 1u << 20,
           "end after this many evaluations in a row without a better one", "never");
  flags.Add("--log", &options->log, "append a line of JSON for each report of progress to this file")
      .Kind("FILE");
  flags.Add("--tensorboard", &options->tensorboard, "write events for TensorBoard into this folder")
      .Kind("DIR");
  flags
      .Add("--report", &options->report,
           "at the end write one page of HTML: curves, texts, configuration, memory plan")
      .Kind("OUT.html");
  AddThreads(flags, &options->threads);
  AddCheckpointOptions(flags, options.get());
  AddSeed(flags, &options->seed, "of the first weights and of the order of the data");
  flags.SetFooter(
      ConfigurationList() +
      "\nProgress goes to stderr: step, loss in nats a token, speed, time left; at the end the loss over\n"
      "the whole validation part, the file's size and the digest of its contents. Nothing goes to stdout.\n"
      "Ctrl-C ends training early: what was learned so far is written, and the exit code is 130.\n"
      "Under mpirun the processes share each step's segments, all with the same data and options, and the\n"
      "first one writes: the model is, to the bit, that of one process with the same --segments.\n\n"
      "Examples:\n"
      "  cllm train --data stories.txt --documents paragraphs -o stories.cllm --minutes 2\n"
      "  cllm train --data big.txt -o big.cllm --checkpoint big.run, and after a power cut:\n"
      "  cllm train --resume big.run\n"
      "  mpirun -np 4 cllm train --data big.txt -o big.cllm --segments 8\n"
      "  cllm train --init base.cllm --data mine.txt -o mine.cllm --rate 5e-4 --evaluate-every 100 "
      "--patience 3\n"
      "  cllm train --init base.cllm --data stories.txt --quantize lattice2 --distill 1 -o small.cllm\n"
      "      --steps 300 --rate 2e-3\n"
      "  cllm train --data a.txt b.txt -o ab.cllm --tokenizer bpe --vocab 1024 --steps 5000 --seed 7");
  return {flags, [flags, options] { return CheckAndRun(flags, *options); }};
}

}  // namespace cllm
