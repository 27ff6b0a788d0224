// Room: converter/commands. The program `cllm`: one file a subcommand. Results go to stdout, progress and
// statistics to stderr; a failure ends the program with 1, wrong usage with 2. What another program could use
// is not here but in the library rooms beside.
#ifndef CLLM_CONVERTER_COMMANDS_COMMANDS_H_
#define CLLM_CONVERTER_COMMANDS_COMMANDS_H_

#include <functional>

#include "absl/status/status.h"
#include "converter/commands/flags.h"

namespace cllm {

struct Command {
  Flags flags;
  std::function<absl::Status()> run;  // after a successful parse; may throw UsageError
};

// Each adds its subcommand with all options and the help text.
Command AddTrain(Flags program);
Command AddFinetune(Flags program);
Command AddMerge(Flags program);
Command AddImport(Flags program);
Command AddQuantize(Flags program);
Command AddExport(Flags program);
Command AddGenerate(Flags program);
Command AddChat(Flags program);
Command AddEval(Flags program);
Command AddInspect(Flags program);
Command AddDigest(Flags program);
Command AddBench(Flags program);
Command AddTokenizer(Flags program);
Command AddKeygen(Flags program);
Command AddSign(Flags program);
Command AddVerify(Flags program);
Command AddDiff(Flags program);
Command AddPatch(Flags program);

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_COMMANDS_H_
