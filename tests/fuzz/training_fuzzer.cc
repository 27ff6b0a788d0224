#include "fuzz/training_fuzzer.h"

#include <cstring>

#include "converter/export/sha256.h"
#include "converter/train/training_state.h"
#include "fuzz/small_session.h"

namespace cllm::testing {
namespace {

std::string Training(char first) {
  TrainingState state;
  state.run = R"({"steps": 100, "data": ["stories.txt"]})";
  state.step = 7;
  state.weights.assign(24, 0.5f);
  state.first_moments = state.weights;
  state.second_moments.assign(16, 0.25f);
  state.average_weights = state.weights;
  state.best_step = 5;
  state.best_loss = 1.5;
  state.best_weights = state.weights;
  return first + StateToBytes(state);
}

}  // namespace

absl::Status ReadTraining(const uint8_t* data, size_t size) {
  if (size == 0) return absl::DataLossError("no first byte");
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 1) != 0 && bytes.size() >= sizeof(Sha256Digest)) {
    const size_t covered = bytes.size() - sizeof(Sha256Digest);
    const Sha256Digest digest = Sha256(std::string_view(bytes).substr(0, covered));
    std::memcpy(bytes.data() + covered, digest.data(), digest.size());
  }
  const absl::StatusOr<TrainingState> state = StateFromBytes(bytes);
  if (!state.ok()) {
    Require(!state.status().message().empty(), "a refusal has words");
    return state.status();
  }
  const absl::StatusOr<TrainingState> again = StateFromBytes(StateToBytes(*state));
  Require(again.ok(), "what is written again is read again");
  Require(again->step == state->step && again->best_step == state->best_step, "with its numbers");
  Require(again->weights.size() == state->weights.size(), "and weights");
  return absl::OkStatus();
}

const std::string& GoodTraining(bool sealed) {
  static const auto* const made = new std::string[2]{Training('\0'), Training('\1')};
  return made[sealed ? 1 : 0];
}

}  // namespace cllm::testing
