// `cllm generate`: text from a model.
#include "converter/run/generate.h"

#include <cstdio>
#include <memory>

#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/commands/sampling_options.h"
#include "converter/export/output_file.h"
#include "converter/import/model_file.h"
#include "kernels/targets.h"
#include "posix/thread_pool.h"

namespace cllm {
namespace {

struct Options {
  std::string model, delta, prompt, state, save_state;
  uint32_t tokens = 256;
  SamplingOptions sampling;
  uint32_t threads = 1;
  cllm_kv_format kv = CLLM_KV_F32;
};

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
  absl::StatusOr<MappedFile> state = OpenState(options.state);
  if (!state.ok()) return state.status();
  absl::StatusOr<ModelFile> file = ModelFile::Open(options.model, options.delta);
  if (!file.ok()) return file.status();
  ThreadPool pool(options.threads);
  GenerateOptions generate;
  generate.prompt = options.prompt;
  generate.text_tokens = options.tokens;
  generate.kv_format = options.kv;
  generate.state = state->bytes();
  generate.workers = pool.workers();
  generate.sampling = ToSampling(options.sampling);
  if (!options.save_state.empty()) return SaveState(*file->handle(), generate, options.save_state);
  absl::StatusOr<GenerateResult> result = Generate(*file->handle(), generate, WriteOut);
  if (!result.ok()) return result.status();
  if (absl::Status status = WriteOut("\n"); !status.ok()) return status;
  PrintStatistics(*result, options.threads);
  return absl::OkStatus();
}

}  // namespace

Command AddGenerate(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("generate", "writes text with a model");
  AddModel(flags, &options->model);
  AddDelta(flags, &options->delta);
  flags
      .Add("--prompt", &options->prompt,
           "the text to go on with; printed too. Empty: the model starts a text of its own, if it has\n"
           "a begin token")
      .Kind("TEXT");
  AddCount(flags, "--tokens", &options->tokens, 1, 1u << 30,
           "length of the whole text in tokens, the prompt's included and a begin token not; at most what\n"
           "the context holds. The model may end the text sooner");
  AddSamplingOptions(flags, &options->sampling,
                     "of the random draws: the same seed gives the same text on every machine");
  flags
      .Add("--save-state", &options->save_state,
           "feeds the prompt and writes what the session then holds to FILE; no text")
      .Kind("FILE");
  flags
      .Add("--state", &options->state,
           "goes on where the state in FILE ends, as if its prompt had just been fed. Its text is not\n"
           "printed and does not count for --tokens; a --prompt goes after it. Same model file, same "
           "--kv")
      .Kind("FILE");
  AddKv(flags, &options->kv);
  AddThreads(flags, &options->threads);
  flags.SetFooter(
      "The text goes to stdout as it comes, with one newline at its end and nothing else. Statistics go to\n"
      "stderr: tokens, speed in tokens a second, and the memory that the session took (room).\n\n"
      "Examples:\n"
      "  cllm generate stories.cllm --prompt \"Once upon a time\" --tokens 200\n"
      "  cllm generate stories.cllm --prompt \"The dog\" --temperature 0 2>/dev/null   # the likeliest text\n"
      "  for s in 1 2 3; do cllm generate stories.cllm --seed $s; done               # three texts\n"
      "  cllm generate chat.cllm --prompt \"You are a polite robot.\" --save-state robot.state  # once\n"
      "  cllm generate chat.cllm --state robot.state --prompt \"Who are you?\"                 # at any "
      "time");
  return {flags, [options] { return Run(*options); }};
}

}  // namespace cllm
