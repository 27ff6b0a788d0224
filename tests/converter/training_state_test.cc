#include "converter/train/training_state.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "support/file_tools.h"

namespace cllm {
namespace {

using testing::ReadBytes;
using testing::TemporaryDirectory;
using testing::WriteBytes;

TrainingState State(uint32_t step) {
  TrainingState state;
  state.run = "{\"data\": [\"a \\\"b\\\"\"]}";
  state.step = step;
  state.seconds = 12.345678901234567;
  state.beta1_power = 0.1 / 3;
  state.beta2_power = 1e-300;
  for (int i = 0; i < 40; ++i) {
    state.weights.push_back(0.1f * static_cast<float>(i));
    state.first_moments.push_back(-1e-30f * static_cast<float>(i));
    state.second_moments.push_back(1e20f * static_cast<float>(i));
  }
  return state;
}

bool Same(const TrainingState& a, const TrainingState& b) {
  return a.run == b.run && a.step == b.step && a.seconds == b.seconds && a.beta1_power == b.beta1_power &&
         a.beta2_power == b.beta2_power && a.weights == b.weights && a.first_moments == b.first_moments &&
         a.second_moments == b.second_moments;
}

std::string Name(const std::string& folder, uint32_t step) {
  std::string digits = std::to_string(step);
  return folder + "/step-" + std::string(10 - digits.size(), '0') + digits + ".state";
}

size_t Files(const std::string& folder) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

TEST_CASE("training state: bytes and back, to the bit") {
  const auto state = StateFromBytes(StateToBytes(State(7)));
  REQUIRE(state.ok());
  CHECK(Same(*state, State(7)));
}

TEST_CASE("training state: any cut and any changed byte is noticed") {
  const std::string bytes = StateToBytes(State(7));
  for (size_t i = 0; i < bytes.size(); ++i) {
    CHECK(StateFromBytes(bytes.substr(0, i)).status().code() == absl::StatusCode::kDataLoss);
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK(StateFromBytes(changed).status().code() == absl::StatusCode::kDataLoss);
  }
  CHECK_FALSE(StateFromBytes(bytes + "x").ok());
}

TEST_CASE("training state: the newest are kept, and the newest that can be read is taken") {
  const TemporaryDirectory folder;
  const std::string states = folder.path() + "/a/b";
  std::string skipped;
  CHECK(ReadNewestState(states, &skipped).status().code() == absl::StatusCode::kNotFound);
  for (const uint32_t step : {999u, 1000u, 10000u, 20000u}) {
    REQUIRE(WriteState(states, State(step), 3).ok());
  }
  CHECK(Files(states) == 3);
  CHECK_FALSE(std::filesystem::exists(Name(states, 999)));
  auto newest = ReadNewestState(states, &skipped);
  REQUIRE(newest.ok());
  CHECK(Same(*newest, State(20000)));
  CHECK(skipped.empty());

  const std::string half = ReadBytes(Name(states, 20000));
  WriteBytes(Name(states, 20000), half.substr(0, half.size() / 2));
  newest = ReadNewestState(states, &skipped);
  REQUIRE(newest.ok());
  CHECK(newest->step == 10000);
  CHECK(skipped.find(Name(states, 20000)) == 0);

  WriteBytes(Name(states, 10000), "");
  WriteBytes(Name(states, 1000), "CLLMRUN1");
  newest = ReadNewestState(states, &skipped);
  CHECK(newest.status().code() == absl::StatusCode::kNotFound);
  CHECK(std::string(newest.status().message()).find(Name(states, 1000)) != std::string::npos);
}

TEST_CASE("training state: a folder that cannot be made") {
  const TemporaryDirectory folder;
  WriteBytes(folder.path() + "/file", "x");
  CHECK_FALSE(WriteState(folder.path() + "/file/states", State(1), 3).ok());
}

}  // namespace
}  // namespace cllm
