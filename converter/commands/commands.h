// Room: converter/commands. The program `cllm`: one file a subcommand. Results go to stdout, progress and
// statistics to stderr; a failure ends the program with 1, wrong usage with 2. What another program could use
// is not here but in the library rooms beside.
#ifndef CLLM_CONVERTER_COMMANDS_COMMANDS_H_
#define CLLM_CONVERTER_COMMANDS_COMMANDS_H_

#include <functional>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"

namespace cllm {

struct Command {
  CLI::App* app;                      // owned by the program's App
  std::function<absl::Status()> run;  // after a successful parse; may throw CLI::ParseError: wrong usage
};

// Each adds its subcommand with all options and the help text.
Command AddTrain(CLI::App& program);
Command AddFinetune(CLI::App& program);
Command AddMerge(CLI::App& program);
Command AddImport(CLI::App& program);
Command AddQuantize(CLI::App& program);
Command AddExport(CLI::App& program);
Command AddGenerate(CLI::App& program);
Command AddChat(CLI::App& program);
Command AddEval(CLI::App& program);
Command AddInspect(CLI::App& program);
Command AddDigest(CLI::App& program);
Command AddBench(CLI::App& program);
Command AddTokenizer(CLI::App& program);
Command AddKeygen(CLI::App& program);
Command AddSign(CLI::App& program);
Command AddVerify(CLI::App& program);
Command AddDiff(CLI::App& program);
Command AddPatch(CLI::App& program);

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_COMMANDS_H_
