// Runs the built program `cllm` ($CLLM_PROGRAM, under $CLLM_EMULATOR where it is another machine's) and keeps
// what it says.
#ifndef CLLM_TESTS_COMMANDS_PROGRAM_H_
#define CLLM_TESTS_COMMANDS_PROGRAM_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "support/letter_model.h"

namespace cllm::testing {

struct Finished {
  int exit_code;  // 128 + the signal's number if one ended it
  std::string out;
  std::string err;
};

// The words that run the program with these arguments.
std::vector<std::string> ProgramCommand(const std::vector<std::string>& arguments);

// With stdout_path the output goes to that file instead of `out`.
Finished RunCommand(const std::vector<std::string>& words, const std::string& stdout_path = "");
Finished RunProgram(const std::vector<std::string>& arguments, const std::string& stdout_path = "");

// Runs it, waits until its stderr has `until`, interrupts it, or sends it the signal, and waits for its end.
Finished InterruptCommand(const std::vector<std::string>& words, const std::string& until,
                          const std::function<void(pid_t)>& interrupt);
Finished InterruptProgram(const std::vector<std::string>& arguments, const std::string& until, int signal);

bool Contains(const std::string& text, const std::string& part);

// Names of all files in a folder, sorted, each followed by a space.
std::string Listing(const std::string& folder);

}  // namespace cllm::testing

#endif  // CLLM_TESTS_COMMANDS_PROGRAM_H_
