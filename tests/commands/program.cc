#include "commands/program.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "support/file_tools.h"

namespace cllm::testing {
namespace {

const char* Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

pid_t Start(std::vector<std::string> words, const std::string& out, const std::string& err) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t child = 0;
  const int error = posix_spawnp(&child, pointers[0], &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start " + words[0]);
  return child;
}

int Wait(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

std::vector<std::string> ProgramCommand(const std::vector<std::string>& arguments) {
  std::vector<std::string> words;
  if (*Environment("CLLM_EMULATOR") != '\0') words.push_back(Environment("CLLM_EMULATOR"));
  if (*Environment("CLLM_PROGRAM") == '\0')
    throw std::runtime_error("CLLM_PROGRAM does not name the program");
  words.push_back(Environment("CLLM_PROGRAM"));
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

Finished RunCommand(const std::vector<std::string>& words, const std::string& stdout_path) {
  const TemporaryDirectory folder;
  const std::string out = stdout_path.empty() ? folder.path() + "/out" : stdout_path;
  const int exit_code = Wait(Start(words, out, folder.path() + "/err"));
  return {exit_code, stdout_path.empty() ? ReadBytes(out) : "", ReadBytes(folder.path() + "/err")};
}

Finished InterruptCommand(const std::vector<std::string>& words, const std::string& until,
                          const std::function<void(pid_t)>& interrupt) {
  const TemporaryDirectory folder;
  const std::string out = folder.path() + "/out", err = folder.path() + "/err";
  const pid_t child = Start(words, out, err);
  for (int i = 0; i < 3000 && !Contains(ReadBytes(err), until); ++i) usleep(20000);
  interrupt(child);
  const int exit_code = Wait(child);
  return {exit_code, ReadBytes(out), ReadBytes(err)};
}

Finished RunProgram(const std::vector<std::string>& arguments, const std::string& stdout_path) {
  return RunCommand(ProgramCommand(arguments), stdout_path);
}

Finished InterruptProgram(const std::vector<std::string>& arguments, const std::string& until, int signal) {
  return InterruptCommand(ProgramCommand(arguments), until, [signal](pid_t child) { kill(child, signal); });
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string Listing(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  std::string all;
  for (const std::string& name : names) all += name + " ";
  return all;
}

}  // namespace cllm::testing
