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

// The exit code; an error is told on stderr.
int Finish(const Program& program, absl::Status status) {
  if (status.ok() && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)) {
    status = absl::DataLossError("cannot write all of the result to stdout; is the disk full?");
  }
  if (status.ok()) return 0;
  // One without words has been told by another rank.
  if (!status.message().empty()) std::cerr << program.called() << ": " << status.message() << "\n";
  return absl::IsCancelled(status) ? kInterrupted : kFailure;
}

int Run(int argc, char** argv) {
  Program program("cllm",
                  "CLLM: trains, converts, measures and runs small language models, one .cllm file each.",
                  std::string("cllm ") + cllm_version(), kFooter);
  const Flags flags = program.flags();
  const std::vector<Command> commands = {
      AddTrain(flags),  AddFinetune(flags), AddMerge(flags),     AddImport(flags), AddQuantize(flags),
      AddExport(flags), AddGenerate(flags), AddChat(flags),      AddEval(flags),   AddInspect(flags),
      AddDigest(flags), AddBench(flags),    AddTokenizer(flags), AddKeygen(flags), AddSign(flags),
      AddVerify(flags), AddDiff(flags),     AddPatch(flags)};
  return program.Parse(argc, argv, kWrongUsage, [&] {
    for (const Command& command : commands) {
      if (command.flags.called()) return Finish(program, command.run());
    }
    throw UsageError::Missing("a COMMAND");
  });
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
