// Room: converter/commands. The program's side of files: texts in, paths checked before long work, and
// signals kept off while a file is written.
#ifndef CLLM_CONVERTER_COMMANDS_FILES_H_
#define CLLM_CONVERTER_COMMANDS_FILES_H_

#include <atomic>
#include <csignal>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "converter/data/documents.h"
#include "converter/import/mapped_file.h"

namespace cllm {

// A whole text file. Errors name the path: missing, a directory, unreadable, empty.
absl::StatusOr<std::string> ReadText(const std::string& path);

// Where documents of the file at `path` end, by the name of an option: "whole", "paragraphs", "lines", or
// "auto": at markers if it has any.
absl::StatusOr<DocumentSplit> SplitNamed(const std::string& name, const std::string& path);

// An error now rather than after the work, if `path` could not be written: its folder is missing or
// read-only, or it is a folder itself.
absl::Status CheckOutputPath(const std::string& path);

// "123,456"
std::string Grouped(uint64_t number);

// Bytes of the file at `path`; 0 if there is none.
uint64_t FileBytes(const std::string& path);

// Text to stdout, at once.
absl::Status WriteOut(std::string_view text);

// The state that --save-state wrote; no bytes for an empty path.
absl::StatusOr<MappedFile> OpenState(const std::string& path);

// Holds back SIGINT and SIGTERM while it lives, so that they cannot leave a temporary file behind.
class SignalsHeld {
 public:
  SignalsHeld();
  ~SignalsHeld();
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_;
};

// From now on the first SIGINT or SIGTERM sets what is returned to 1; the default action is back then, so
// that a second one ends the program at once.
const std::atomic<int>* CatchStopSignals();

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_FILES_H_
