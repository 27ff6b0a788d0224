#include "converter/commands/first_token.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "converter/commands/files.h"
#include "converter/export/write_model.h"

namespace cllm {
namespace {

absl::Status SystemError(const std::string& what, int error) {
  return absl::InternalError(absl::StrCat(what, ": ", std::strerror(error)));
}

// The child prints its token, which stops the clock, then the memory it took.
absl::StatusOr<FirstTokenCost> MeasureOnce(const std::string& program, const std::string& model_path,
                                           uint32_t threads) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return SystemError("pipe", errno);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  const std::string count = absl::StrCat(threads);
  const char* arguments[] = {"cllm",        "bench", model_path.c_str(), "--first-token", "--threads",
                             count.c_str(), nullptr};
  const auto start = std::chrono::steady_clock::now();
  pid_t child = 0;
  const int error =
      posix_spawn(&child, program.c_str(), &actions, nullptr, const_cast<char**>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  char byte = 0;
  const ssize_t got = error == 0 ? read(ends[0], &byte, 1) : 0;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::string rest;
  for (char more = 0; got == 1 && read(ends[0], &more, 1) == 1;) rest += more;
  close(ends[0]);
  if (error != 0) return SystemError("cannot start the program again", error);
  int status = 0;
  waitpid(child, &status, 0);
  uint64_t bytes = 0;
  if (got != 1 || !absl::SimpleAtoi(rest.substr(rest.find('\n') + 1), &bytes)) {
    return absl::InternalError("the program that was started again gave no token");
  }
  return FirstTokenCost{seconds, bytes};
}

}  // namespace

absl::StatusOr<TemporaryModel> TemporaryModel::Write(const Checkpoint& checkpoint, Dtype format) {
  const SignalsHeld held;
  std::error_code error;
  std::string folder = (std::filesystem::temp_directory_path(error) / "cllm-bench-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return SystemError("cannot make " + folder, errno);
  const std::string path = folder + "/model.cllm";
  const absl::Status written = WriteModel(checkpoint, format, path);
  const int descriptor = written.ok() ? open(path.c_str(), O_RDONLY) : -1;
  const int open_error = errno;
  std::filesystem::remove_all(folder, error);
  if (!written.ok()) return written;
  if (descriptor < 0) return SystemError(path, open_error);
  return TemporaryModel(descriptor);
}

TemporaryModel::TemporaryModel(TemporaryModel&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

TemporaryModel::~TemporaryModel() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::string TemporaryModel::path() const { return absl::StrCat("/dev/fd/", descriptor_); }

absl::StatusOr<FirstTokenCost> MeasureFirstToken(const std::string& model_path, uint32_t threads) {
  std::error_code error;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (error) return absl::InternalError("cannot find this program's own file: " + error.message());
  std::array<FirstTokenCost, 5> costs{};
  for (FirstTokenCost& cost : costs) {
    absl::StatusOr<FirstTokenCost> once = MeasureOnce(program, model_path, threads);
    if (!once.ok()) return once.status();
    cost = *once;
  }
  std::sort(costs.begin(), costs.end(), [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
  return costs[costs.size() / 2];
}

absl::StatusOr<uint64_t> PeakResidentBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    uint64_t kibibytes = 0;
    const absl::string_view text = line;
    if (absl::StartsWith(text, "VmHWM:") &&
        absl::SimpleAtoi(absl::StripSuffix(text.substr(6), " kB"), &kibibytes)) {
      return kibibytes * 1024;
    }
  }
  return absl::InternalError("cannot read VmHWM in /proc/self/status");
}

}  // namespace cllm
