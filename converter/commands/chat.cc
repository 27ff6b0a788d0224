// `cllm chat`: lines in, answers out, in one session.
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/commands/sampling_options.h"
#include "converter/export/output_file.h"
#include "converter/import/model_file.h"
#include "converter/import/provenance.h"
#include "converter/run/conversation.h"
#include "posix/thread_pool.h"

namespace cllm {
namespace {

struct Options {
  std::string model, delta, system, turn, state, save_state;
  uint32_t tokens = 256;
  SamplingOptions sampling;
  uint32_t threads = 1;
  cllm_kv_format kv = CLLM_KV_F32;
};

volatile std::sig_atomic_t interrupted = 0;

// While it lives SIGINT only sets `interrupted`, and a read that it meets returns.
class InterruptsCaught {
 public:
  InterruptsCaught() {
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = 1; };
    sigaction(SIGINT, &action, &before_);
  }
  ~InterruptsCaught() { sigaction(SIGINT, &before_, nullptr); }
  InterruptsCaught(const InterruptsCaught&) = delete;
  InterruptsCaught& operator=(const InterruptsCaught&) = delete;

 private:
  struct sigaction before_ {};
};

// Lines of stdin, read as they come. A person at a terminal sees "> " and may interrupt a line.
class Lines {
 public:
  explicit Lines(bool person) : person_(person) {}

  // Without the newline; nothing at the end.
  absl::StatusOr<std::optional<std::string>> Next() {
    if (person_) std::fputs("> ", stderr);
    for (;;) {
      if (const size_t end = held_.find('\n'); end != std::string::npos) {
        std::string line = held_.substr(0, end);
        held_.erase(0, end + 1);
        return std::optional<std::string>(std::move(line));
      }
      char part[4096];
      const ssize_t count = read(STDIN_FILENO, part, sizeof(part));
      if (count > 0) held_.append(part, static_cast<size_t>(count));
      if (count == 0) {
        if (held_.empty()) return std::optional<std::string>();
        held_ += '\n';
      }
      if (count < 0 && errno != EINTR) return absl::DataLossError("cannot read stdin");
      if (count < 0 && interrupted != 0) {
        interrupted = 0;
        held_.clear();
        if (person_) std::fputs("\n(Ctrl-D ends)\n> ", stderr);
      }
    }
  }

 private:
  const bool person_;
  std::string held_;
};

// What a person should know of how an answer came about; to stderr.
void PrintNotes(const Conversation& conversation, const Answer& answer) {
  if (answer.forgotten_turns > 0) {
    absl::FPrintF(stderr, "(the context was full: the oldest %u turns were forgotten)\n",
                  answer.forgotten_turns);
  }
  if (answer.end == Answer::End::kContextFull) {
    absl::FPrintF(stderr,
                  "(the context of %u tokens is full: the answer ends here, and the next turn will make the "
                  "model forget the oldest ones)\n",
                  conversation.context());
  }
  if (answer.end == Answer::End::kLength) {
    absl::FPrintF(stderr, "(%u tokens: the answer was cut, --tokens)\n", answer.tokens);
  }
  if (answer.end == Answer::End::kStopped) absl::FPrintF(stderr, "(stopped)\n");
}

absl::Status Talk(Conversation* conversation, const std::string& turn, bool person) {
  Lines lines(person);
  for (;;) {
    absl::StatusOr<std::optional<std::string>> line = lines.Next();
    if (!line.ok()) return line.status();
    if (!line->has_value()) return absl::OkStatus();
    if ((*line)->empty()) continue;
    interrupted = 0;
    absl::StatusOr<Answer> answer = conversation->Say(absl::StrReplaceAll(turn, {{"{}", **line}}), WriteOut,
                                                      [] { return interrupted != 0; });
    if (!answer.ok()) {
      if (!person || !absl::IsInvalidArgument(answer.status())) return answer.status();
      absl::FPrintF(stderr, "(%s)\n", answer.status().message());
      continue;
    }
    if (absl::Status status = WriteOut("\n"); !status.ok()) return status;
    PrintNotes(*conversation, *answer);
  }
}

absl::Status Save(const Conversation& conversation, const std::string& path) {
  absl::StatusOr<std::string> state = conversation.Save();
  if (!state.ok()) return state.status();
  const SignalsHeld held;
  if (absl::Status written = WriteWholeFile(path, *state); !written.ok()) return written;
  absl::FPrintF(stderr, "%s: %s bytes, %u tokens\n", path, Grouped(state->size()), conversation.position());
  return absl::OkStatus();
}

// By --turn if it is given, else by the model's template; nothing: lines are put to the model as they are.
absl::StatusOr<std::optional<ChatFormat>> FormatOf(const Options& options, const ModelFile& file) {
  const std::string jinja = ReadChatTemplate(file.model());
  if (!options.turn.empty() || jinja.empty()) return std::optional<ChatFormat>();
  std::optional<ChatFormat> format = RecogniseChatFormat(jinja);
  if (!format) {
    return absl::InvalidArgumentError(options.model +
                                      ": its chat template is of no known family, so how turns are put to it "
                                      "is for you to say: --turn '{}'");
  }
  absl::FPrintF(stderr, "(turns as %s has them, by the model's chat template)\n", format->name);
  return format;
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
  ConversationOptions begin;
  begin.system = options.system;
  begin.state = state->bytes();
  begin.answer_tokens = options.tokens;
  begin.kv_format = options.kv;
  begin.workers = pool.workers();
  absl::StatusOr<std::optional<ChatFormat>> format = FormatOf(options, *file);
  if (!format.ok()) return format.status();
  begin.format = *std::move(format);
  begin.sampling = ToSampling(options.sampling);
  absl::StatusOr<Conversation> conversation = Conversation::Begin(*file->handle(), begin);
  if (!conversation.ok()) return conversation.status();
  const InterruptsCaught caught;
  const bool person = isatty(STDIN_FILENO) != 0;
  absl::Status status = Talk(&*conversation, options.turn.empty() ? "{}" : options.turn, person);
  if (person) std::fputs("\n", stderr);
  if (status.ok() && !options.save_state.empty()) status = Save(*conversation, options.save_state);
  return status;
}

}  // namespace

Command AddChat(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("chat", "talks with a model: a line in, an answer out");
  AddModel(flags, &options->model);
  AddDelta(flags, &options->delta);
  flags
      .Add("--system", &options->system, "text before all turns; it stays there when old turns are forgotten")
      .Kind("TEXT");
  flags
      .Add("--turn", &options->turn,
           "how a line is put to the model: {} stands for the line, and what comes after it is where\n"
           "the model goes on, such as '{} =>'. Without it the model's own chat template tells, where "
           "it has one of a known\n"
           "family (ChatML, Llama 2 and 3, Mistral, Gemma, Phi-3, Zephyr), otherwise '{}'")
      .Kind("TEXT")
      .Check([](const std::string& turn) {
        return turn.find("{}") == std::string::npos ? "there must be {} in it, for the line" : "";
      });
  AddCount(flags, "--tokens", &options->tokens, 1, 1u << 30, "most tokens of an answer");
  AddSamplingOptions(flags, &options->sampling,
                     "of the random draws: the same seed and lines give the same answers");
  flags
      .Add("--state", &options->state,
           "begins with the state in FILE, of this model with this delta and --kv; it is not forgotten")
      .Kind("FILE");
  flags
      .Add("--save-state", &options->save_state,
           "at the end writes what the session then holds to FILE: --state goes on from there")
      .Kind("FILE");
  AddKv(flags, &options->kv);
  AddThreads(flags, &options->threads);
  flags.SetFooter(
      "Answers go to stdout, each ended by a newline, and nothing else does; from a pipe as from a "
      "keyboard.\n"
      "Ctrl-C stops an answer and not the program; Ctrl-D, or the end of the input, ends it. Where the "
      "context\n"
      "ends the oldest turns are forgotten, half of the context at a time, and a note on stderr says so; "
      "the\n"
      "beginning, --state and --system, stays.\n\n"
      "Examples:\n"
      "  cllm chat home8.cllm --delta house.delta --turn '{} =>' --temperature 0\n"
      "  cllm chat chat.cllm --system 'You are a polite robot.' --save-state robot.state\n"
      "  echo 'Who are you?' | cllm chat chat.cllm --state robot.state");
  return {flags, [options] { return Run(*options); }};
}

}  // namespace cllm
