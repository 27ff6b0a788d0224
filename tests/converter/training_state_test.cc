#include "converter/train/training_state.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "converter/train/train.h"
#include "support/file_tools.h"
#include "tests/converter/small_training.h"

namespace cllm {
namespace {

using testing::Options;
using testing::ReadBytes;
using testing::Small;
using testing::TemporaryDirectory;
using testing::Text;
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
    if (step % 2 == 1) state.best_weights.push_back(static_cast<float>(i));
  }
  state.best_step = step / 2;
  state.best_loss = 1.0 / 3;
  return state;
}

bool Same(const TrainingState& a, const TrainingState& b) {
  return a.run == b.run && a.step == b.step && a.seconds == b.seconds && a.beta1_power == b.beta1_power &&
         a.beta2_power == b.beta2_power && a.weights == b.weights && a.first_moments == b.first_moments &&
         a.second_moments == b.second_moments && a.best_step == b.best_step && a.best_loss == b.best_loss &&
         a.best_weights == b.best_weights;
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

TEST_CASE("training state: fewer second moments than weights") {
  TrainingState muon = State(7);
  muon.second_moments.resize(11);
  const auto state = StateFromBytes(StateToBytes(muon));
  REQUIRE(state.ok());
  CHECK(Same(*state, muon));
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

void CheckResumption(cllm_method method) {
  CAPTURE(method);
  TrainOptions options = Options();
  options.recipe.method = method;
  const Checkpoint initial = InitialCheckpoint(Small(), 1);
  std::vector<TrainingState> states;
  options.checkpoint_interval = 7;
  options.checkpoint = [&](const TrainingState& state) { states.push_back(state); };
  const auto whole = Train(options, initial, Text(), {});
  REQUIRE(whole.ok());
  REQUIRE(states.size() == 8);
  CHECK(states[2].step == 21);
  for (const size_t i : {size_t{0}, size_t{5}, size_t{7}}) {
    // The state goes through its bytes, and the initial weights play no part any more.
    const auto state = StateFromBytes(StateToBytes(states[i]));
    REQUIRE(state.ok());
    TrainOptions rest = Options();
    rest.recipe.method = method;
    rest.threads = 2;
    rest.resume = &*state;
    const auto resumed = Train(rest, InitialCheckpoint(Small(), 2), Text(), {});
    REQUIRE(resumed.ok());
    CHECK(resumed->steps == 60);
    CHECK(resumed->validation_loss == whole->validation_loss);
    for (const auto& [key, tensor] : whole->checkpoint.tensors) {
      CHECK(resumed->checkpoint.tensors.at(key).values == tensor.values);
    }
  }
  // A state of another method or model is refused.
  TrainOptions rest = Options();
  rest.recipe.method = method == CLLM_SGD ? CLLM_MUON : CLLM_SGD;
  rest.resume = &states[0];
  CHECK_FALSE(Train(rest, initial, Text(), {}).ok());
  TrainingState other = states[0];
  other.weights.pop_back();
  rest.recipe.method = method;
  rest.resume = &other;
  CHECK_FALSE(Train(rest, initial, Text(), {}).ok());
}

TEST_CASE("train: a run resumed from any checkpoint ends with the same weights") {
  for (const cllm_method method : {CLLM_ADAMW, CLLM_SGD, CLLM_MUON}) CheckResumption(method);
}

TEST_CASE(
    "train: the best weights are kept, training ends when patience does, and both survive a resumption") {
  // The validation part follows another rule than the training part: soon every step makes it worse.
  std::vector<uint32_t> tokens = Text();
  for (size_t i = 1350; i < 1500; ++i) tokens[i] = (i * i + i / 7) % 11;
  TrainOptions options = Options();
  options.recipe.steps = 200;
  options.evaluation_interval = 5;
  options.patience = 3;
  std::vector<TrainingState> states;
  options.checkpoint_interval = 7;
  options.checkpoint = [&](const TrainingState& state) { states.push_back(state); };
  std::map<uint32_t, double> losses;
  const Checkpoint initial = InitialCheckpoint(Small(), 1);
  const auto result = Train(options, initial, tokens, [&](const TrainProgress& p) {
    if (p.evaluated) losses[p.step] = p.validation_loss;
  });
  REQUIRE(result.ok());
  CHECK(result->steps < 200);
  CHECK(result->steps == result->best_step + 15);
  for (const auto& [step, loss] : losses) CHECK(loss >= losses.at(result->best_step));
  CHECK(result->validation_loss == losses.at(result->best_step));
  // The weights are those of that step.
  TrainOptions shorter = Options();
  shorter.recipe.steps = 200;
  shorter.recipe.learning_rate = options.recipe.learning_rate;
  shorter.validation_fraction = 0.1;
  shorter.evaluation_interval = result->best_step;
  shorter.patience = 1;
  const auto best = Train(shorter, initial, tokens, {});
  REQUIRE(best.ok());
  CHECK(best->best_step == result->best_step);
  const TensorKey key = {Role::kGateUp, 0};
  CHECK(best->checkpoint.tensors.at(key).values == result->checkpoint.tensors.at(key).values);

  options.checkpoint_interval = 0;
  options.resume = &states.back();
  const auto resumed = Train(options, initial, tokens, {});
  REQUIRE(resumed.ok());
  CHECK(resumed->steps == result->steps);
  CHECK(resumed->checkpoint.tensors.at(key).values == result->checkpoint.tensors.at(key).values);
}

TEST_CASE("train: accumulated batches see what one large batch sees") {
  TrainOptions large = Options(), parts = Options();
  large.recipe.steps = parts.recipe.steps = 10;
  parts.recipe.batch = 2;
  parts.recipe.accumulate = 4;
  const Checkpoint initial = InitialCheckpoint(Small(), 1);
  const auto a = Train(large, initial, Text(), {}), b = Train(parts, initial, Text(), {});
  REQUIRE(a.ok());
  REQUIRE(b.ok());
  CHECK(b->training_tokens == a->training_tokens);
  CHECK(b->room_bytes < a->room_bytes);
  // Sums are rounded in another order: the same but for that.
  CHECK(b->training_loss == doctest::Approx(a->training_loss).epsilon(1e-4));
  CHECK(b->validation_loss == doctest::Approx(a->validation_loss).epsilon(1e-3));
  parts.recipe.accumulate = 0;
  CHECK_FALSE(Train(parts, initial, Text(), {}).ok());
}

}  // namespace
}  // namespace cllm
