// Room: converter/commands. The time from the start of a process to its first token and the memory it takes,
// found by running this program again, and the nameless file that the child reads when the weights are
// random.
#ifndef CLLM_CONVERTER_COMMANDS_FIRST_TOKEN_H_
#define CLLM_CONVERTER_COMMANDS_FIRST_TOKEN_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// A model file without a name: it is gone when this process and its children are, however they end.
class TemporaryModel {
 public:
  static absl::StatusOr<TemporaryModel> Write(const Checkpoint& checkpoint, Dtype format);

  TemporaryModel(TemporaryModel&& other) noexcept;
  TemporaryModel& operator=(TemporaryModel&&) = delete;
  ~TemporaryModel();

  // Of the open descriptor: valid in this process and in its children.
  std::string path() const;

 private:
  explicit TemporaryModel(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// Seconds from just before the start of a child process, which opens the model, creates a session and feeds
// one token, until its first token arrives here; and the most memory it had resident, mapped files included.
struct FirstTokenCost {
  double seconds;
  uint64_t resident_bytes;
};

// That of the median time of five.
absl::StatusOr<FirstTokenCost> MeasureFirstToken(const std::string& model_path, uint32_t threads);

// Of this process so far.
absl::StatusOr<uint64_t> PeakResidentBytes();

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_FIRST_TOKEN_H_
