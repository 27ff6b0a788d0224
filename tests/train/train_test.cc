#include "converter/train/train.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "converter/tokenizer/train.h"
#include "converter/train/configurations.h"
#include "converter/train/schedule.h"
#include "doctest/doctest.h"
#include "tests/support/reference_model.h"
#include "tests/train/small_training.h"

namespace cllm {
namespace {

using testing::Options;
using testing::Small;
using testing::Text;

uint64_t Parameters(const Architecture& architecture) {
  uint64_t sum = 0;
  for (const auto& [key, shape] : TensorShapes(architecture)) sum += uint64_t{shape.first} * shape.second;
  return sum;
}

TEST_CASE("configurations: the published numbers of parameters, and recipes that fit") {
  const std::map<std::string, uint64_t> parameters = {
      {"82k", 82240}, {"260k", 260032}, {"510k", 509056}, {"15m", 15191712}, {"110m", 109529856}};
  for (const auto& entry : parameters) {
    CAPTURE(entry.first);
    const Configuration* configuration = FindConfiguration(entry.first);
    REQUIRE(configuration != nullptr);
    CHECK(Parameters(configuration->architecture) == entry.second);
  }
  for (const Configuration& configuration : Configurations()) {
    CAPTURE(configuration.name);
    CHECK(CheckArchitecture(configuration.architecture).ok());
    CHECK(configuration.recipe.length <= configuration.architecture.context);
    CHECK(ConfigurationNames().find(configuration.name) != std::string::npos);
    CHECK(FindConfiguration(configuration.name) == &configuration);
    CHECK((configuration.tokenizer == "bpe" || configuration.tokenizer == "char"));
    if (configuration.tokenizer == "bpe") {
      CHECK(configuration.architecture.vocabulary_size >= kSmallestBpeVocabulary);
    }
    const Recipe& recipe = configuration.recipe;
    CHECK(recipe.warmup_steps < recipe.steps);
    CHECK(recipe.batch * recipe.length != 0);
  }
  CHECK(FindConfiguration("none such") == nullptr);
}

TEST_CASE("initial weights: deviations, norms, and the seed") {
  const Architecture& architecture = FindConfiguration("510k")->architecture;
  const Checkpoint checkpoint = InitialCheckpoint(architecture, 1);
  REQUIRE(CheckCheckpoint(checkpoint).ok());
  for (const auto& [key, tensor] : checkpoint.tensors) {
    const std::string name = TensorName(key);
    CAPTURE(name);
    double sum = 0, square = 0;
    for (const float x : tensor.values) {
      sum += x;
      square += static_cast<double>(x) * x;
    }
    const double count = static_cast<double>(tensor.values.size());
    if (tensor.rows == 1) {
      CHECK(sum == count);
      continue;
    }
    const bool residual = key.first == Role::kAttentionOutput || key.first == Role::kDown;
    const double deviation = residual ? 0.02 / std::sqrt(8.0) : 0.02;
    CHECK(std::abs(sum / count) < 5 * deviation / std::sqrt(count));
    CHECK(std::abs(std::sqrt(square / count) / deviation - 1) < 0.02);
  }
  const TensorKey key = {Role::kDown, 2};
  CHECK(InitialCheckpoint(architecture, 1).tensors.at(key).values == checkpoint.tensors.at(key).values);
  CHECK(InitialCheckpoint(architecture, 2).tensors.at(key).values != checkpoint.tensors.at(key).values);
  CHECK(checkpoint.tensors.at({Role::kDown, 1}).values != checkpoint.tensors.at(key).values);
}

TEST_CASE("initial weights: what a recipe asks for") {
  const Architecture& architecture = FindConfiguration("510k")->architecture;
  const Checkpoint plain = InitialCheckpoint(architecture, 1);
  const Checkpoint other = InitialCheckpoint(architecture, 1, {0.4f, 0.08f, 0.15f});
  for (const auto& [key, tensor] : other.tensors) {
    const std::string name = TensorName(key);
    CAPTURE(name);
    const bool norm = tensor.rows == 1, outside = key.first == Role::kTokenEmbedding;
    const float factor = key.first == Role::kFinalNorm ? 0.15f : norm ? 1.0f : outside ? 20.0f : 4.0f;
    const std::vector<float>& values = plain.tensors.at(key).values;
    for (size_t i = 0; i < values.size(); ++i) {
      CHECK(tensor.values[i] == doctest::Approx(values[i] * factor).epsilon(1e-5));
    }
  }
}

TEST_CASE("learning rate: up linearly, down on a cosine") {
  Recipe recipe;
  recipe.steps = 1000;
  recipe.warmup_steps = 100;
  recipe.learning_rate = 0.5f;
  recipe.final_rate_fraction = 0.1f;
  CHECK(LearningRate(recipe, 0) == doctest::Approx(0.5 / 101));
  CHECK(LearningRate(recipe, 99) == doctest::Approx(0.5 * 100 / 101));
  for (const double step : {100.0, 101.0, 333.5, 550.0, 700.0, 999.0, 1000.0}) {
    const double cosine = std::cos(M_PI * (step - 100) / 900);
    CHECK(LearningRate(recipe, step) == doctest::Approx(0.05 + 0.225 * (1 + cosine)).epsilon(1e-6));
  }
  CHECK(LearningRate(recipe, 5000) == doctest::Approx(0.05));
}

TEST_CASE("learning rate: on a line, not at all, and in the last fifth") {
  Recipe recipe;
  recipe.steps = 1000;
  recipe.warmup_steps = 100;
  recipe.learning_rate = 0.5f;
  recipe.final_rate_fraction = 0.1f;
  for (const Schedule schedule : {Schedule::kLinear, Schedule::kConstant, Schedule::kWarmupStableDecay}) {
    recipe.schedule = schedule;
    CHECK(LearningRate(recipe, 49) == doctest::Approx(0.5 * 50 / 101));
    CHECK(LearningRate(recipe, 100) == doctest::Approx(0.5));
  }
  CHECK(LearningRate(recipe, 800) == doctest::Approx(0.5));
  CHECK(LearningRate(recipe, 900) == doctest::Approx(0.275));
  CHECK(LearningRate(recipe, 1000) == doctest::Approx(0.05));
  recipe.schedule = Schedule::kLinear;
  CHECK(LearningRate(recipe, 550) == doctest::Approx(0.275));
  CHECK(LearningRate(recipe, 2000) == doctest::Approx(0.05));
  recipe.schedule = Schedule::kConstant;
  CHECK(LearningRate(recipe, 1000) == doctest::Approx(0.5));
}

TEST_CASE("random batches: windows of the text and the tokens that follow, by seed and step") {
  std::vector<uint32_t> tokens(20);
  for (uint32_t i = 0; i < 20; ++i) tokens[i] = i;
  std::vector<bool> seen(20);
  for (uint64_t step = 0; step < 10; ++step) {
    const Batch batch = RandomBatch(7, tokens, CLLM_NO_TOKEN, 3, 50 * step, 50);
    REQUIRE(batch.inputs.size() == 350);
    for (size_t i = 0; i < 350; ++i) {
      CHECK(batch.targets[i] == batch.inputs[i] + 1);
      CHECK(batch.inputs[i] == batch.inputs[i / 7 * 7] + i % 7);
    }
    for (size_t s = 0; s < 50; ++s) seen[batch.inputs[s * 7]] = true;
  }
  // Every offset occurs, the last one included.
  CHECK(std::count(seen.begin(), seen.begin() + 13, true) == 13);
  CHECK(RandomBatch(7, tokens, CLLM_NO_TOKEN, 3, 200, 50).inputs ==
        RandomBatch(7, tokens, CLLM_NO_TOKEN, 3, 200, 50).inputs);
  CHECK(RandomBatch(7, tokens, CLLM_NO_TOKEN, 3, 200, 50).inputs !=
        RandomBatch(7, tokens, CLLM_NO_TOKEN, 3, 250, 50).inputs);
  CHECK(RandomBatch(7, tokens, CLLM_NO_TOKEN, 3, 200, 50).inputs !=
        RandomBatch(7, tokens, CLLM_NO_TOKEN, 4, 200, 50).inputs);
}

TEST_CASE("random batches: a window near the beginning of a document begins there") {
  // Documents at 3 and 8, the second of them longer than two windows.
  std::vector<uint32_t> tokens(40);
  for (uint32_t i = 0; i < 40; ++i) tokens[i] = 100 + i;
  tokens[3] = tokens[8] = 99;
  std::vector<bool> seen(140);
  for (uint64_t step = 0; step < 20; ++step) {
    const Batch batch = RandomBatch(7, tokens, 99, 3, 50 * step, 50);
    for (size_t s = 0; s < 50; ++s) {
      const uint32_t* window = &batch.inputs[s * 7];
      const uint32_t begin = window[0] != 99 ? window[0] : window[1] - 1;
      seen[begin] = true;
      CHECK((batch.targets[s * 7] == begin + 1 || batch.targets[s * 7] == 99));
    }
  }
  // Not from 4 to 7 and from 9 to 14; everything else, to the last window.
  for (uint32_t begin = 0; begin < 33; ++begin) {
    const bool inside = (begin > 3 && begin < 8) || (begin > 8 && begin < 15);
    CHECK(seen[100 + begin] == !inside);
  }
}

TEST_CASE("covering batches: every token but the first is a target once") {
  for (uint32_t count = 0; count < 60; ++count) {
    CAPTURE(count);
    std::vector<uint32_t> tokens(count);
    for (uint32_t i = 0; i < count; ++i) tokens[i] = i;
    std::vector<int> targets(count);
    for (uint64_t position = 0;;) {
      const Batch batch = CoveringBatch(7, tokens, CLLM_NO_TOKEN, 3, &position);
      if (batch.sequences == 0) break;
      REQUIRE(batch.inputs.size() == batch.sequences * 7);
      uint32_t counted = 0;
      for (size_t i = 0; i < batch.targets.size(); ++i) {
        if (batch.targets[i] == CLLM_NO_TOKEN) continue;
        CHECK(batch.targets[i] == batch.inputs[i] + 1);
        ++targets[batch.targets[i]];
        ++counted;
      }
      CHECK(batch.counted == counted);
    }
    for (uint32_t i = 0; i < count; ++i) CHECK(targets[i] == (i == 0 ? 0 : 1));
  }
}

TEST_CASE("covering batches: a window ends where a document begins") {
  // Documents of 3, 1 and 9 tokens after their begin tokens.
  const std::vector<uint32_t> tokens = {9, 1, 2, 3, 9, 4, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
  const std::vector<std::vector<uint32_t>> windows = {
      {9, 1, 2, 3}, {9, 4}, {9, 10, 11, 12}, {13, 14, 15, 16}, {17}};
  const std::vector<std::vector<uint32_t>> targets = {
      {1, 2, 3, 9}, {4, 9}, {10, 11, 12, 13}, {14, 15, 16, 17}, {18}};
  size_t window = 0;
  for (uint64_t position = 0;;) {
    const Batch batch = CoveringBatch(4, tokens, 9, 2, &position);
    if (batch.sequences == 0) break;
    for (uint32_t s = 0; s < batch.sequences; ++s, ++window) {
      REQUIRE(window < windows.size());
      for (size_t i = 0; i < 4; ++i) {
        const bool within = i < windows[window].size();
        if (within) CHECK(batch.inputs[s * 4 + i] == windows[window][i]);
        CHECK(batch.targets[s * 4 + i] == (within ? targets[window][i] : CLLM_NO_TOKEN));
      }
    }
  }
  CHECK(window == windows.size());
}

TEST_CASE("train: learns, reports, and gives one result for any number of threads") {
  TrainOptions options = Options();
  options.evaluation_interval = 30;
  const Checkpoint initial = InitialCheckpoint(Small(), 1);
  std::vector<TrainProgress> reports;
  const auto alone = Train(options, initial, Text(), [&](const TrainProgress& p) { reports.push_back(p); });
  REQUIRE(alone.ok());
  CHECK(alone->steps == 60);
  CHECK_FALSE(alone->interrupted);
  CHECK(alone->validation_loss < 1.2);  // chance is ln 12 = 2.48
  CHECK(alone->validation_tokens == 149);
  CHECK(alone->training_tokens == 60 * 128);
  REQUIRE(reports.size() == 4);
  CHECK(reports[0].step == 20);
  CHECK(reports[1].evaluated);
  CHECK(reports[3].step == 60);
  CHECK(reports[3].validation_loss == alone->validation_loss);
  CHECK(reports[3].loss < reports[0].loss);
  CHECK(FormatProgress(reports[1]).find("step    30/60  loss ") == 0);
  for (const uint32_t threads : {2u, 3u}) {
    options.threads = threads;
    const auto other = Train(options, initial, Text(), {});
    REQUIRE(other.ok());
    CHECK(other->validation_loss == alone->validation_loss);
    for (const auto& [key, tensor] : alone->checkpoint.tensors) {
      CHECK(other->checkpoint.tensors.at(key).values == tensor.values);
    }
  }
}

TEST_CASE("train: memory for activations does not grow with the batch") {
  TrainOptions options = Options();
  options.recipe.steps = 2;
  const auto room = [&](uint32_t batch) {
    options.recipe.batch = batch;
    const auto trained = Train(options, InitialCheckpoint(Small(), 1), Text(), {});
    REQUIRE(trained.ok());
    CHECK(trained->training_tokens == 2 * 16 * batch);
    return trained->room_bytes;
  };
  CHECK(room(8) > room(4));  // less than what goes through the model at once
  CHECK(room(16) == room(8));
  CHECK(room(64) == room(8));
}

// With batch norms the model that training gives has affine ones.
void CheckValidationLoss(const Variant& variant) {
  Architecture architecture = Small();
  architecture.variant = variant;
  TrainOptions options = Options();
  options.recipe.steps = 3;
  const std::vector<uint32_t> tokens = Text();
  const auto result = Train(options, InitialCheckpoint(architecture, 1), tokens, {});
  REQUIRE(result.ok());
  std::vector<std::vector<uint32_t>> inputs, targets;
  for (size_t begin = tokens.size() - 150; begin + 1 < tokens.size(); begin += 16) {
    const size_t end = std::min(begin + 16, tokens.size() - 1);
    inputs.emplace_back(tokens.begin() + begin, tokens.begin() + end);
    targets.emplace_back(tokens.begin() + begin + 1, tokens.begin() + end + 1);
  }
  const double expected = reference::Loss(result->checkpoint.architecture,
                                          reference::Convert<double>(result->checkpoint), inputs, targets);
  CHECK(result->validation_loss == doctest::Approx(expected).epsilon(1e-5));
  CHECK(CheckCheckpoint(result->checkpoint).ok());
  CHECK(result->checkpoint.architecture.variant.norm != Norm::kBatch);
}

TEST_CASE("train: the validation loss is that of a plain model over whole windows") {
  Variant variant;
  CheckValidationLoss(variant);
  variant.activation = Activation::kReluSquared;
  variant.gated = false;
  variant.norm = Norm::kBatch;
  variant.query_key_norm = true;
  variant.logit_softcap = 15.0f;
  CheckValidationLoss(variant);
}

TEST_CASE("initial weights: zero projections, norms and biases of other architectures") {
  Architecture a = Small();
  a.variant.norm = Norm::kBatch;
  a.variant.query_key_norm = a.variant.feed_forward_bias = a.variant.query_key_value_bias = true;
  Initialization initial;
  initial.zero_projections = true;
  const Checkpoint checkpoint = InitialCheckpoint(a, 1, initial);
  REQUIRE(CheckCheckpoint(checkpoint).ok());
  for (const auto& [key, tensor] : checkpoint.tensors) {
    const std::string name = TensorName(key);
    CAPTURE(name);
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      const size_t row = i / tensor.columns;
      const bool norm = key.first == Role::kAttentionNorm || key.first == Role::kFeedForwardNorm ||
                        key.first == Role::kFinalNorm;
      if (norm) CHECK(tensor.values[i] == (row == 0 || row == 3 ? 1.0f : 0.0f));
      if (key.first == Role::kQueryNorm) CHECK(tensor.values[i] == 1.0f);
      if (key.first == Role::kGateUpBias || key.first == Role::kDown) CHECK(tensor.values[i] == 0.0f);
    }
  }
}

TEST_CASE("train: a stop flag keeps the weights so far") {
  std::atomic<int> stop{0};
  TrainOptions options = Options();
  options.stop = &stop;
  const Checkpoint initial = InitialCheckpoint(Small(), 1);
  const auto result = Train(options, initial, Text(), [&](const TrainProgress&) { stop = 1; });
  REQUIRE(result.ok());
  CHECK(result->interrupted);
  CHECK(result->steps == 20);
  CHECK(std::isnan(result->validation_loss));
  const TensorKey key = {Role::kGateUp, 0};
  CHECK(result->checkpoint.tensors.at(key).values != initial.tensors.at(key).values);
}

TEST_CASE("train: by minutes") {
  TrainOptions options = Options();
  options.minutes = 0.5 / 60;
  const auto result = Train(options, InitialCheckpoint(Small(), 1), Text(), {});
  REQUIRE(result.ok());
  CHECK(result->steps > 0);
  CHECK(result->seconds >= 0.5);
}

TEST_CASE("train: what cannot be done is said") {
  const Checkpoint initial = InitialCheckpoint(Small(), 1);
  const auto message = [&](const TrainOptions& options, const std::vector<uint32_t>& tokens) {
    const auto result = Train(options, initial, tokens, {});
    return result.ok() ? std::string("ok") : std::string(result.status().message());
  };
  const auto says = [](const std::string& text, const char* part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  says(message(Options(), std::vector<uint32_t>(10, 1)), "needs 17");
  says(message(Options(), std::vector<uint32_t>(100, 12)), "id 12");
  TrainOptions options = Options();
  options.recipe.length = 17;
  says(message(options, Text()), "context of 16");
  options = Options();
  options.validation_fraction = 1.5;
  says(message(options, Text()), "validation fraction");
  options = Options();
  options.recipe.beta1 = 1.0f;
  says(message(options, Text()), "CLLM_OPTIMIZER_RANGE");
  Checkpoint broken = initial;  // the logits overflow
  broken.tensors.at({Role::kFinalNorm, 0}).values.assign(32, std::numeric_limits<float>::max());
  const auto result = Train(Options(), broken, Text(), {});
  REQUIRE_FALSE(result.ok());
  says(std::string(result.status().message()), "diverges after step 1,");
}

}  // namespace
}  // namespace cllm
