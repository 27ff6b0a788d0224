// What examples/quickstart/run says to wrong arguments, before it builds or downloads anything.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace {

struct Outcome {
  int code;
  std::string output;
};

Outcome Run(const std::string& arguments) {
  const std::string command = "examples/quickstart/run " + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Outcome outcome{0, ""};
  std::array<char, 4096> buffer;
  while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    outcome.output.append(buffer.data(), count);
  }
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

class TextFile {
 public:
  explicit TextFile(const std::string& content)
      : path_((std::filesystem::temp_directory_path() /
               ("cllm_quickstart_" + std::to_string(getpid()) + ".txt"))
                  .string()) {
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TextFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void CheckFailure(const Outcome& outcome, int code, const std::string& problem, const std::string& remedy) {
  CAPTURE(outcome.output);
  CHECK(outcome.code == code);
  CHECK(outcome.output.find(problem) != std::string::npos);
  CHECK(outcome.output.find(remedy) != std::string::npos);
  CHECK(outcome.output.find("Set-up and build") == std::string::npos);
}

TEST_CASE("help goes to stdout and is no error") {
  const Outcome outcome = Run("--help 2>/dev/null");
  CHECK(outcome.code == 0);
  CHECK(outcome.output.find("examples/quickstart/run my.txt") != std::string::npos);
}

TEST_CASE("unknown options and wrong numbers show the right use") {
  CheckFailure(Run("--colour"), 2, "--minutes", "examples/quickstart/run my.txt");
  CheckFailure(Run("--minutes"), 1, "--minutes needs a number", "such as --minutes 10");
  CheckFailure(Run("--minutes ten"), 1, "--minutes needs a number", "such as --minutes 10");
}

TEST_CASE("a text that cannot be learned from is named, with the remedy") {
  CheckFailure(Run("no_such_text.txt"), 1, "there is no file no_such_text.txt", "give the path");
  CheckFailure(Run("examples"), 1, "examples is not a file", "give the path");
  CheckFailure(Run("a.txt b.txt"), 1, "one text file", "cat a.txt b.txt");
  {
    const TextFile empty("");
    CheckFailure(Run(empty.path()), 1, empty.path() + " is empty", "give a text of 1 MB");
  }
  {
    const TextFile tiny("Only a few words.\n");
    CheckFailure(Run(tiny.path()), 1, tiny.path() + " has 18 bytes",
                 "less than 20,000; 1 MB or more is good");
  }
  {
    const TextFile binary(std::string(30000, '\0'));
    CheckFailure(Run(binary.path()), 1, binary.path() + " is not plain text", "save it as plain UTF-8 text");
  }
}

}  // namespace
