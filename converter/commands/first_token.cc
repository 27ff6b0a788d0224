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
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "converter/commands/files.h"
#include "converter/export/write_model.h"

namespace cllm {
namespace {

absl::Status SystemError(const std::string& what, int error) {
  return absl::InternalError(absl::StrCat(what, ": ", std::strerror(error)));
}

absl::StatusOr<double> TimeOnce(const std::string& program, const std::string& model_path, uint32_t threads) {
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
  close(ends[0]);
  if (error != 0) return SystemError("cannot start the program again", error);
  int status = 0;
  waitpid(child, &status, 0);
  if (got != 1) return absl::InternalError("the program that was started again gave no token");
  return seconds;
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

absl::StatusOr<double> TimeToFirstToken(const std::string& model_path, uint32_t threads) {
  std::error_code error;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (error) return absl::InternalError("cannot find this program's own file: " + error.message());
  std::array<double, 5> seconds{};
  for (double& value : seconds) {
    absl::StatusOr<double> once = TimeOnce(program, model_path, threads);
    if (!once.ok()) return once.status();
    value = *once;
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

}  // namespace cllm
