#include "converter/commands/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "converter/data/document_reader.h"

namespace cllm {
namespace {

absl::Status PathError(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

std::atomic<int> stop_asked{0};  // some machines have no lock-free byte
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler sets it");

}  // namespace

absl::StatusOr<std::string> ReadText(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return PathError(path, absl::StrCat("cannot read: ", std::strerror(errno)));
  std::string text;
  char block[1 << 16];
  ssize_t count = 0;
  while ((count = read(file, block, sizeof(block))) > 0) text.append(block, static_cast<size_t>(count));
  const int error = errno;
  close(file);
  if (count < 0 && error == EISDIR) return PathError(path, "is a folder; give the text files in it by name");
  if (count < 0) return PathError(path, absl::StrCat("cannot read: ", std::strerror(error)));
  if (text.empty()) return PathError(path, "is empty; give a file with text");
  return text;
}

absl::StatusOr<DocumentSplit> SplitNamed(const std::string& name, const std::string& path) {
  if (name == "whole") return DocumentSplit::kWhole;
  if (name == "paragraphs") return DocumentSplit::kParagraphs;
  if (name == "lines") return DocumentSplit::kLines;
  const absl::StatusOr<bool> marker = FileHasDocumentMarker(path);
  if (!marker.ok()) return marker.status();
  return *marker ? DocumentSplit::kMarker : DocumentSplit::kWhole;
}

absl::Status CheckOutputPath(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return PathError(path, "is a folder; give the name of the file to write");
  }
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  if (!std::filesystem::is_directory(folder, ignored)) {
    return PathError(path, absl::StrCat("the folder ", folder.string(), " does not exist; make it first"));
  }
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    return PathError(
        path, absl::StrCat("cannot write into the folder ", folder.string(), ": ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

std::string Grouped(uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string grouped;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) grouped += ',';
    grouped += digits[i];
  }
  return grouped;
}

uint64_t FileBytes(const std::string& path) {
  std::error_code error;
  const uintmax_t bytes = std::filesystem::file_size(path, error);
  return error ? 0 : bytes;
}

absl::Status WriteOut(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return absl::DataLossError("cannot write the text to stdout; is the disk full?");
  }
  return absl::OkStatus();
}

absl::StatusOr<MappedFile> OpenState(const std::string& path) {
  if (path.empty()) return MappedFile();
  return MappedFile::Open(path, "a file that --save-state wrote");
}

SignalsHeld::SignalsHeld() {
  sigset_t held;
  sigemptyset(&held);
  sigaddset(&held, SIGINT);
  sigaddset(&held, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &held, &before_);
}

SignalsHeld::~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

const std::atomic<int>* CatchStopSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_asked.store(1); };
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return &stop_asked;
}

}  // namespace cllm
