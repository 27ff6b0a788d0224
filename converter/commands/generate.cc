// `cllm generate`: text from a model.
#include "converter/run/generate.h"

#include <cstdio>
#include <memory>

#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/export/output_file.h"
#include "converter/import/mapped_file.h"
#include "converter/import/model_file.h"
#include "kernels/targets.h"
#include "posix/thread_pool.h"

namespace cllm {
namespace {

struct Options {
  std::string model, delta, prompt, state, save_state;
  uint32_t tokens = 256;
  double temperature = 0.8, top_p = 0.95, min_p = 0, repetition_penalty = 1;
  uint32_t top_k = 0;
  uint64_t seed = 1;
  uint32_t threads = 1;
  cllm_kv_format kv = CLLM_KV_F32;
};

absl::Status WriteOut(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return absl::DataLossError("cannot write the text to stdout; is the disk full?");
  }
  return absl::OkStatus();
}

double Rate(uint32_t tokens, double seconds) { return seconds > 0 ? tokens / seconds : 0; }

void PrintStatistics(const GenerateResult& result, uint32_t threads) {
  const char* end = result.end_of_text    ? "the text ended"
                    : result.context_full ? "the context is full"
                                          : "as many tokens as asked for";
  if (result.state_tokens > 0) absl::FPrintF(stderr, "%u tokens in the state, ", result.state_tokens);
  absl::FPrintF(stderr, "%u prompt tokens, %u generated: %s\n", result.prompt_tokens, result.generated_tokens,
                end);
  absl::FPrintF(stderr, "prefill %.0f tok/s, decode %.0f tok/s; room %s bytes; %u thread%s, %s\n",
                Rate(result.prefill_tokens, result.prefill_seconds),
                Rate(result.decode_tokens, result.decode_seconds), Grouped(result.room_bytes), threads,
                threads == 1 ? "" : "s", ChosenTarget());
}

absl::Status SaveState(const cllm_model& model, const GenerateOptions& generate, const std::string& path) {
  absl::StatusOr<std::string> state = FeedAndSave(model, generate);
  if (!state.ok()) return state.status();
  const SignalsHeld held;
  if (absl::Status written = WriteWholeFile(path, *state); !written.ok()) return written;
  absl::FPrintF(stderr, "%s: %s bytes\n", path, Grouped(state->size()));
  return absl::OkStatus();
}

absl::Status Run(const Options& options) {
  if (!options.save_state.empty()) {
    if (absl::Status status = CheckOutputPath(options.save_state); !status.ok()) return status;
  }
  MappedFile state;
  if (!options.state.empty()) {
    absl::StatusOr<MappedFile> opened = MappedFile::Open(options.state, "a file that --save-state wrote");
    if (!opened.ok()) return opened.status();
    state = *std::move(opened);
  }
  absl::StatusOr<ModelFile> file = ModelFile::Open(options.model, options.delta);
  if (!file.ok()) return file.status();
  ThreadPool pool(options.threads);
  GenerateOptions generate;
  generate.prompt = options.prompt;
  generate.text_tokens = options.tokens;
  generate.kv_format = options.kv;
  generate.state = state.bytes();
  generate.workers = pool.workers();
  generate.sampling.temperature = static_cast<float>(options.temperature);
  generate.sampling.top_k = options.top_k;
  generate.sampling.top_p = static_cast<float>(options.top_p);
  generate.sampling.min_p = static_cast<float>(options.min_p);
  generate.sampling.repetition_penalty = static_cast<float>(options.repetition_penalty);
  generate.sampling.seed = options.seed;
  if (!options.save_state.empty()) return SaveState(*file->handle(), generate, options.save_state);
  absl::StatusOr<GenerateResult> result = Generate(*file->handle(), generate, WriteOut);
  if (!result.ok()) return result.status();
  if (absl::Status status = WriteOut("\n"); !status.ok()) return status;
  PrintStatistics(*result, options.threads);
  return absl::OkStatus();
}

}  // namespace

Command AddGenerate(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App* app = program.add_subcommand("generate", "writes text with a model");
  AddModel(app, &options->model);
  AddDelta(app, &options->delta);
  app->add_option(
         "--prompt", options->prompt,
         "the text to go on with; printed too. Empty: the model starts a text of its own, if it has\n"
         "a begin token")
      ->type_name("TEXT");
  AddCount(app, "--tokens", &options->tokens, 1, 1u << 30,
           "length of the whole text in tokens, the prompt's included and a begin token not; at most what\n"
           "the context holds. The model may end the text sooner");
  AddNumber(app, "--temperature", &options->temperature, {0, 100},
            "0: always the likeliest token; 1: as the model says; more: wilder");
  AddCount(app, "--top-k", &options->top_k, 0, 1u << 30, "only the k likeliest tokens; 0: all");
  AddNumber(app, "--top-p", &options->top_p, {0, 1},
            "only the likeliest tokens whose probabilities reach p; 0 or 1: all");
  AddNumber(app, "--min-p", &options->min_p, {0, 1},
            "no token below p times the likeliest one's probability; 0: all");
  AddNumber(app, "--repetition-penalty", &options->repetition_penalty, {0, 100},
            "over 1: tokens that came already become less likely; 0 or 1: off");
  AddSeed(app, &options->seed, "of the random draws: the same seed gives the same text on every machine");
  app->add_option("--save-state", options->save_state,
                  "feeds the prompt and writes what the session then holds to FILE; no text")
      ->type_name("FILE");
  app->add_option(
         "--state", options->state,
         "goes on where the state in FILE ends, as if its prompt had just been fed. Its text is not\n"
         "printed and does not count for --tokens; a --prompt goes after it. Same model file, same "
         "--kv")
      ->type_name("FILE");
  AddKv(app, &options->kv);
  AddThreads(app, &options->threads);
  app->footer(
      "The text goes to stdout as it comes, with one newline at its end and nothing else. Statistics go to\n"
      "stderr: tokens, speed in tokens a second, and the memory that the session took (room).\n\n"
      "Examples:\n"
      "  cllm generate stories.cllm --prompt \"Once upon a time\" --tokens 200\n"
      "  cllm generate stories.cllm --prompt \"The dog\" --temperature 0 2>/dev/null   # the likeliest text\n"
      "  for s in 1 2 3; do cllm generate stories.cllm --seed $s; done               # three texts\n"
      "  cllm generate chat.cllm --prompt \"You are a polite robot.\" --save-state robot.state  # once\n"
      "  cllm generate chat.cllm --state robot.state --prompt \"Who are you?\"                 # at any "
      "time");
  return {app, [options] { return Run(*options); }};
}

}  // namespace cllm
