#include "converter/train/training_state.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "converter/train/train.h"
#include "support/file_tools.h"
#include "tests/train/small_training.h"

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
    if (step % 3 == 1) state.average_weights.push_back(static_cast<float>(-i));
    if (step % 2 == 1) state.best_weights.push_back(static_cast<float>(i));
  }
  state.rate_factor = 1.0 / 3;
  state.first_loss = 4.0 / 3;
  state.best_step = step / 2;
  state.best_loss = 1.0 / 3;
  return state;
}

bool Same(const TrainingState& a, const TrainingState& b) {
  return a.run == b.run && a.step == b.step && a.seconds == b.seconds && a.beta1_power == b.beta1_power &&
         a.beta2_power == b.beta2_power && a.rate_factor == b.rate_factor && a.first_loss == b.first_loss &&
         a.average_weights == b.average_weights && a.weights == b.weights &&
         a.first_moments == b.first_moments && a.second_moments == b.second_moments &&
         a.best_step == b.best_step && a.best_loss == b.best_loss && a.best_weights == b.best_weights;
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

// From checkpoints early, in the middle and near the end.
void CheckResumption(const Recipe& recipe, const Variant& variant = {}) {
  TrainOptions options = Options();
  options.recipe = recipe;
  Architecture architecture = Small();
  architecture.variant = variant;
  const Checkpoint initial = InitialCheckpoint(architecture, 1);
  std::vector<TrainingState> states;
  options.checkpoint_interval = 7;
  options.checkpoint = [&](const TrainingState& state) { states.push_back(state); };
  const auto whole = Train(options, initial, Text(), {});
  REQUIRE(whole.ok());
  REQUIRE(states.size() >= 8);
  for (const size_t i : {size_t{0}, size_t{5}, states.size() - 1}) {
    // The state goes through its bytes, and the initial weights play no part any more.
    const auto state = StateFromBytes(StateToBytes(states[i]));
    REQUIRE(state.ok());
    TrainOptions rest = options;
    rest.checkpoint = [](const TrainingState&) {};
    rest.threads = 2;
    rest.resume = &*state;
    const auto resumed = Train(rest, InitialCheckpoint(architecture, 2), Text(), {});
    REQUIRE(resumed.ok());
    CHECK(resumed->steps == 60);
    CHECK(resumed->validation_loss == whole->validation_loss);
    for (const auto& [key, tensor] : whole->checkpoint.tensors) {
      CHECK(resumed->checkpoint.tensors.at(key).values == tensor.values);
    }
  }
}

TEST_CASE("train: a run resumed from any checkpoint ends with the same weights") {
  for (const cllm_method method : {CLLM_ADAMW, CLLM_SGD, CLLM_MUON}) {
    CAPTURE(method);
    Recipe recipe = Options().recipe;
    recipe.method = method;
    CheckResumption(recipe);
    recipe.dropout = 0.1f;
    recipe.label_smoothing = 0.1f;
    recipe.average = 0.9f;
    CheckResumption(recipe);
  }
  Recipe mixed = Options().recipe;
  mixed.precision = CLLM_BFLOAT16;
  CheckResumption(mixed);
}

TEST_CASE("train: the same with batch norms, whose running statistics are in the state") {
  Variant variant;
  variant.norm = Norm::kBatch;
  variant.query_key_norm = true;
  CheckResumption(Options().recipe, variant);
}

TEST_CASE("train: a state of another model or recipe is refused") {
  TrainOptions options = Options();
  std::vector<TrainingState> states;
  options.checkpoint_interval = 60;
  options.checkpoint = [&](const TrainingState& state) { states.push_back(state); };
  const Checkpoint initial = InitialCheckpoint(Small(), 1);
  REQUIRE(Train(options, initial, Text(), {}).ok());
  const auto refused = [&](const TrainingState& state, const Recipe& recipe) {
    TrainOptions rest = Options();
    rest.recipe = recipe;
    rest.resume = &state;
    return !Train(rest, initial, Text(), {}).ok();
  };
  CHECK_FALSE(refused(states[0], options.recipe));
  Recipe other = options.recipe;
  other.method = CLLM_MUON;
  CHECK(refused(states[0], other));
  other = options.recipe;
  other.average = 0.9f;
  CHECK(refused(states[0], other));
  states[0].weights.pop_back();
  CHECK(refused(states[0], options.recipe));
}

// Momentum descent without clipping at a rate that makes the loss infinite at once.
TrainOptions Absurd() {
  TrainOptions options = Options();
  options.recipe.method = CLLM_SGD;
  options.recipe.learning_rate = 1e5f;
  options.recipe.weight_decay = options.recipe.embedding_decay = 0.0f;
  options.recipe.clip = 0.0f;
  return options;
}

TEST_CASE("train: a divergence goes back to the last good state with a lower rate, and says so") {
  TrainOptions options = Absurd();
  std::vector<TrainProgress> returns;
  double last = 0;
  const Checkpoint initial = InitialCheckpoint(Small(), 1);
  const auto result = Train(options, initial, Text(), [&](const TrainProgress& progress) {
    if (progress.went_back) returns.push_back(progress);
    last = progress.learning_rate;
  });
  REQUIRE(result.ok());
  REQUIRE(returns.size() >= 3);
  CHECK(returns[0].step == 0);
  CHECK(FormatProgress(returns[0]).find("went back") != std::string::npos);
  CHECK(last < 1e5 / 64);
  CHECK(result->steps == 60);
  CHECK(result->validation_loss < 2.48);
  CheckResumption(options.recipe);
}

TEST_CASE("train: what no rate can save ends with an error") {
  TrainOptions options = Absurd();
  options.recipe.learning_rate = 1e30f;
  uint32_t returns = 0;
  const auto result = Train(options, InitialCheckpoint(Small(), 1), Text(),
                            [&](const TrainProgress& progress) { returns += progress.went_back; });
  CHECK(returns == kMostReturns);
  CHECK(std::string(result.status().message()).find("smaller") != std::string::npos);
}

TEST_CASE("train: the average of weights, against double") {
  TrainOptions options = Options();
  options.recipe.average = 0.8f;
  options.evaluation_interval = 20;
  std::vector<TrainingState> states;
  options.checkpoint_interval = 1;
  options.checkpoint = [&](const TrainingState& state) { states.push_back(state); };
  const Checkpoint initial = InitialCheckpoint(Small(), 1);
  const auto result = Train(options, initial, Text(), {});
  REQUIRE(result.ok());
  REQUIRE(states.size() == 60);
  std::vector<double> average(states[0].average_weights.begin(), states[0].average_weights.end());
  for (size_t step = 2; step <= 60; ++step) {
    const double decay = std::min(0.8, (step + 1.0) / (step + 10.0));
    const TrainingState& state = states[step - 1];
    double worst = 0;
    for (size_t i = 0; i < average.size(); ++i) {
      average[i] = decay * average[i] + (1 - decay) * state.weights[i];
      worst = std::max(worst, std::abs(average[i] - state.average_weights[i]));
    }
    CHECK(worst < 1e-5);
  }
  // What is written and evaluated is the average, and training does not see it.
  TrainOptions plain = Options();
  std::vector<float> weights;
  plain.checkpoint_interval = 60;
  plain.checkpoint = [&](const TrainingState& state) { weights = state.weights; };
  const auto other = Train(plain, initial, Text(), {});
  REQUIRE(other.ok());
  CHECK(weights == states.back().weights);
  CHECK(other->validation_loss != result->validation_loss);
  const FloatTensor& norm = result->checkpoint.tensors.at({Role::kFinalNorm, 0});
  const size_t at = average.size() - norm.values.size();  // the last tensor of the table
  for (size_t i = 0; i < norm.values.size(); ++i)
    CHECK(norm.values[i] == states.back().average_weights[at + i]);
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
