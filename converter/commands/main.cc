// The program `cllm`.
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <vector>

#include "cllm/cllm.h"
#include "converter/commands/commands.h"

namespace cllm {
namespace {

constexpr int kFailure = 1;
constexpr int kWrongUsage = 2;
constexpr int kInterrupted = 130;  // what a shell reports for a program that SIGINT ended

constexpr char kFooter[] =
    "Examples:\n"
    "  cllm train --data stories.txt -o stories.cllm --minutes 2\n"
    "  cllm quantize stories.cllm --format int8 -o stories8.cllm\n"
    "  cllm generate stories8.cllm --prompt \"Once upon a time\" --tokens 200\n"
    "\n"
    "'cllm COMMAND --help' explains each command. Results go to stdout, progress and statistics to stderr.\n"
    "Exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted (what was learned so far is saved).";

// "cllm train", "cllm tokenizer encode": the command that was being parsed, for messages.
std::string Called(const CLI::App& program) {
  std::string called = program.get_name();
  const CLI::App* app = &program;
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
    called += " " + app->get_name();
  }
  return called;
}

int ReportUsage(CLI::App& program, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return program.exit(error, std::cout, std::cerr);
  const std::string called = Called(program);
  std::cerr << called << ": " << error.what() << "\nRun '" << called << " --help' for what it takes.\n";
  return kWrongUsage;
}

int Finish(const CLI::App& program, absl::Status status) {
  if (status.ok() && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)) {
    status = absl::DataLossError("cannot write all of the result to stdout; is the disk full?");
  }
  if (status.ok()) return 0;
  // One without words has been told by another rank.
  if (!status.message().empty()) std::cerr << Called(program) << ": " << status.message() << "\n";
  return absl::IsCancelled(status) ? kInterrupted : kFailure;
}

int Run(int argc, char** argv) {
  CLI::App program("CLLM: trains, converts, measures and runs small language models, one .cllm file each.",
                   "cllm");
  program.set_version_flag("--version", std::string("cllm ") + cllm_version(), "prints the version");
  program.get_formatter()->column_width(28);
  program.get_formatter()->label("REQUIRED", "(required)");
  program.get_formatter()->label("SUBCOMMAND", "COMMAND");
  program.get_formatter()->label("Excludes", ", not with");
  program.require_subcommand(0, 1);
  program.footer(kFooter);
  const std::vector<Command> commands = {AddTrain(program),     AddFinetune(program), AddMerge(program),
                                         AddImport(program),    AddQuantize(program), AddExport(program),
                                         AddGenerate(program),  AddChat(program),     AddEval(program),
                                         AddInspect(program),   AddDigest(program),   AddBench(program),
                                         AddTokenizer(program), AddKeygen(program),   AddSign(program),
                                         AddVerify(program),    AddDiff(program),     AddPatch(program)};
  try {
    program.parse(argc, argv);
    for (const Command& command : commands) {
      if (command.app->parsed()) return Finish(program, command.run());
    }
    throw CLI::RequiredError("a COMMAND");
  } catch (const CLI::ParseError& error) {
    return ReportUsage(program, error);
  }
}

}  // namespace
}  // namespace cllm

int main(int argc, char** argv) {
  // A limit on the size of files is then an error of writing, which is told, and not the end of the program.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    return cllm::Run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::cerr << "cllm: out of memory\n";
  } catch (const std::exception& error) {
    std::cerr << "cllm: " << error.what() << "\n";
  }
  return cllm::kFailure;
}
