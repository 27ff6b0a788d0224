#include <doctest/doctest.h>

#include <filesystem>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

// 'a' 'b' for a shell.
std::string Quoted(const std::vector<std::string>& words) {
  std::string quoted;
  for (const std::string& word : words) quoted += "'" + word + "' ";
  return quoted;
}

Finished Shell(const std::string& script) { return RunCommand({"bash", "-c", script}); }

// The program's output where `lines`, as printf takes them, come through a pipe.
Finished Chat(const std::string& lines, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "chat");
  return Shell("printf '" + lines + "' | " + Quoted(ProgramCommand(arguments)));
}

size_t Lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST_CASE("chat answers each line of a pipe, in one session") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kI8);
  const std::vector<std::string> arguments = {model,      "--temperature", "0",      "--tokens", "5",
                                              "--system", "Hi ",           "--turn", "{}!"};
  const Finished both = Chat("abc\\n\\ndog\\n", arguments), first = Chat("abc", arguments);
  CHECK(both.exit_code == 0);
  CHECK(Lines(both.out) >= 2);
  CHECK(first.exit_code == 0);
  CHECK(both.out.rfind(first.out, 0) == 0);
  CHECK(!Contains(both.err, ">"));
  // The first answer is what generate writes after the same text.
  const Finished text =
      RunProgram({"generate", model, "--temperature", "0", "--tokens", "12", "--prompt", "Hi abc!"});
  CHECK(text.out == "Hi abc!" + first.out);

  // A state between the two lines changes nothing.
  const std::string state = folder.path() + "/a.state";
  std::vector<std::string> saving = arguments;
  saving.insert(saving.end(), {"--save-state", state});
  CHECK(Contains(Chat("abc\\n", saving).err, "bytes"));
  const Finished second =
      Chat("dog\\n", {model, "--temperature", "0", "--tokens", "5", "--turn", "{}!", "--state", state});
  CHECK(first.out + second.out == both.out);
  const Finished other_cache = Chat("dog\\n", {model, "--state", state, "--kv", "int8"});
  CHECK(other_cache.exit_code == 1);
  CHECK(Contains(other_cache.err, "Give the --kv"));
}

TEST_CASE("a full context is told, and the conversation goes on") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kI8, false);
  std::string lines;
  for (int i = 0; i < 8; ++i) lines += "The old dogs\\n";
  const Finished finished = Chat(lines, {model, "--tokens", "3"});
  CHECK(finished.exit_code == 0);
  CHECK(Lines(finished.out) >= 8);
  CHECK(Contains(finished.err, "forgotten"));
}

TEST_CASE("an interrupt stops no more than an answer") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kI8);
  const std::string program = Quoted(ProgramCommand({"chat", model, "--tokens", "4"}));
  const Finished finished =
      Shell("cd " + folder.path() + " && mkfifo in && { " + program +
            "<in >out & } && exec 3>in && echo abc >&3 && until [ -s out ]; do sleep 0.02; done && "
            "kill -INT $! && sleep 0.1 && before=$(wc -l <out) && echo dog >&3 && exec 3>&- && "
            "wait $! && [ $(wc -l <out) -gt $before ] && echo went on");
  CHECK(finished.exit_code == 0);
  CHECK(finished.out == "went on\n");
}

TEST_CASE("mistakes have words") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kI8);
  const Finished digit = Chat("7\\n", {model});
  CHECK(digit.exit_code == 1);
  CHECK(Contains(digit.err, "7"));
  const Finished long_line = Chat(std::string(60, 'a') + "\\n", {model});
  CHECK(long_line.exit_code == 1);
  CHECK(Contains(long_line.err, "60 tokens"));
  CHECK(RunProgram({"chat", model, "--turn", "a"}).exit_code == 2);
  CHECK(RunProgram({"chat", model, "--state", folder.path() + "/none"}).exit_code == 1);
  CHECK(Contains(RunProgram({"chat", model, "--system", std::string(60, 'a')}).err, "context"));
  const Finished silent = RunProgram({"chat", model});
  CHECK(silent.exit_code == 0);
  CHECK(silent.out.empty());
}

}  // namespace
}  // namespace cllm::testing
