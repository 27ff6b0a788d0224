// `cllm train` under mpirun: the same file, to the byte, as one process.
#include <doctest/doctest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

namespace fs = std::filesystem;

std::string Stories() {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    const char* names[] = {"Lily", "Tom", "Anna", "Ben", "Mia"};
    const char* things[] = {"ball", "dog", "tree", "boat"};
    text += std::string(names[i % 5]) + " had a " + things[i % 4] + ". " + names[i % 5] + " was happy.\n\n";
  }
  return text;
}

// Says "skipped" where the build has found no MPI.
bool HasMpi() {
  const fs::path program = fs::path(ProgramCommand({}).back()).parent_path() / "cllm-mpi";
  if (fs::exists(program)) return true;
  std::printf("skipped: no MPI\n");
  return false;
}

std::vector<std::string> Mpirun(int count, const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {
      "mpirun", "--oversubscribe", "--allow-run-as-root", "--bind-to", "none", "-np", std::to_string(count)};
  const std::vector<std::string> program = ProgramCommand(arguments);
  words.insert(words.end(), program.begin(), program.end());
  return words;
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

// Of the processes that mpirun has started.
std::vector<pid_t> ChildrenOf(pid_t process) {
  std::vector<pid_t> children;
  const std::string id = std::to_string(process);
  for (const auto& thread : fs::directory_iterator("/proc/" + id + "/task")) {
    std::ifstream file(thread.path() / "children");
    for (pid_t child; file >> child;) children.push_back(child);
  }
  return children;
}

struct Run {
  TemporaryDirectory folder;
  std::string text = folder.path() + "/text", model = folder.path() + "/m.cllm";
  std::string states = folder.path() + "/run";

  Run() { WriteBytes(text, Stories()); }
  std::vector<std::string> Arguments(const std::string& steps, const std::vector<std::string>& more,
                                     const std::string& segments = "5") const {
    std::vector<std::string> arguments = {
        "train", "--data",  text,  "-o",           model, "--config",   "82k",    "--steps",
        steps,   "--batch", "3",   "--accumulate", "2",   "--segments", segments, "--optimizer",
        "muon",  "--ema",   "0.9", "--dropout",    "0.1", "--threads",  "1",      "--evaluate-every",
        "4"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
};

TEST_CASE("ranks: one to four processes write the file of one") {
  if (!HasMpi()) return;
  const Run run;
  REQUIRE(RunProgram(run.Arguments("8", {})).exit_code == 0);
  const std::string expected = ReadBytes(run.model);
  for (const int count : {1, 2, 3, 4}) {
    CAPTURE(count);
    fs::remove(run.model);
    const Finished finished = RunCommand(
        Mpirun(count, run.Arguments("8", {"--cache", run.folder.path() + "/cache", "--documents", "auto"})));
    CAPTURE(finished.err);
    REQUIRE(finished.exit_code == 0);
    CHECK(finished.out.empty());
    CHECK(ReadBytes(run.model) == expected);
    // Only the first one speaks.
    CHECK(Count(finished.err, "trained 8 steps") == 1);
    CHECK(Count(finished.err, "bytes of text") == 1);
  }
}

TEST_CASE("ranks: one that is killed ends all, and any number goes on from the checkpoint") {
  if (!HasMpi()) return;
  const Run run;
  REQUIRE(RunProgram(run.Arguments("60", {})).exit_code == 0);
  const std::string expected = ReadBytes(run.model);
  fs::remove(run.model);
  const Finished killed = InterruptCommand(
      Mpirun(2, run.Arguments("60", {"--checkpoint", run.states, "--every", "3"})), "step     4/60",
      [](pid_t mpirun) {
        for (const pid_t child : ChildrenOf(mpirun)) {
          if (Contains(fs::read_symlink("/proc/" + std::to_string(child) + "/exe").string(), "cllm-mpi")) {
            kill(child, SIGKILL);
            return;
          }
        }
      });
  CAPTURE(killed.err);
  CHECK(killed.exit_code != 0);
  CHECK_FALSE(fs::exists(run.model));
  const Finished resumed = RunCommand(Mpirun(3, {"train", "--resume", run.states, "--threads", "1"}));
  CAPTURE(resumed.err);
  REQUIRE(resumed.exit_code == 0);
  CHECK(Count(resumed.err, "going on after step") == 1);
  CHECK(ReadBytes(run.model) == expected);
}

TEST_CASE("ranks: an interrupted run writes what it has") {
  if (!HasMpi()) return;
  const Run run;
  const Finished finished =
      InterruptCommand(Mpirun(2, run.Arguments("100000000", {})), "step     4/", [](pid_t mpirun) {
        for (const pid_t child : ChildrenOf(mpirun)) kill(child, SIGTERM);
      });
  CAPTURE(finished.err);
  CHECK(finished.exit_code != 0);
  CHECK(Count(finished.err, "what was learned so far is in") == 1);
  CHECK(RunProgram({"inspect", run.model}).exit_code == 0);
}

TEST_CASE("ranks: an error is told once, and idle processes are") {
  if (!HasMpi()) return;
  const Run run;
  const Finished shared = RunCommand(Mpirun(3, run.Arguments("1", {}, "2")));
  CAPTURE(shared.err);
  CHECK(shared.exit_code == 0);
  CHECK(Contains(shared.err, "1 of them have nothing to do: --segments 3"));
  WriteBytes(run.text, "");
  const Finished failed = RunCommand(Mpirun(2, run.Arguments("1", {})));
  CAPTURE(failed.err);
  CHECK(failed.exit_code == 1);
  CHECK(Count(failed.err, "empty") == 1);
}

TEST_CASE("ranks: without MPI several processes are refused, and told what to do") {
  const Run run;
  const fs::path program = ProgramCommand({}).back(), alone = fs::path(run.folder.path()) / "cllm";
  fs::copy_file(program, alone);
  setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
  std::vector<std::string> words = run.Arguments("1", {});
  words.insert(words.begin(), alone.string());
  const Finished refused = RunCommand(words);
  setenv("OMPI_COMM_WORLD_RANK", "1", 1);
  const Finished silent = RunCommand(words);
  unsetenv("OMPI_COMM_WORLD_SIZE");
  unsetenv("OMPI_COMM_WORLD_RANK");
  CHECK(refused.exit_code == 1);
  CHECK(Contains(refused.err, "this build has no MPI"));
  CHECK(silent.exit_code == 1);
  CHECK(silent.err.empty());
  CHECK_FALSE(fs::exists(run.model));
}

}  // namespace
}  // namespace cllm::testing
