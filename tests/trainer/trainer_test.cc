#include "trainer/trainer.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "doctest/doctest.h"
#include "tests/trainer/fixture.h"

namespace cllm::testing {
namespace {

// Large enough that every kernel is cut for several workers.
Architecture Medium() {
  Architecture a;
  a.vocabulary_size = 500;
  a.context = 48;
  a.width = 72;
  a.layers = 2;
  a.heads = 6;
  a.kv_heads = 3;
  a.head_size = 12;
  a.hidden = 150;
  return a;
}

struct Outcome {
  std::vector<float> losses, weights, gradient;
};

Outcome TrainThreeSteps(const ModelFile& file, uint32_t sequences, const cllm_workers* workers,
                        cllm_method method = CLLM_ADAMW) {
  const uint32_t length = 37, vocabulary = file.model().config.vocabulary_size;
  TestTrainer trainer(file, sequences, length, workers, method);
  const cllm_optimizer optimizer = Optimizer(1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f);
  Outcome outcome;
  for (uint32_t step = 0; step < 3; ++step) {
    const auto inputs = RandomTokens(vocabulary, sequences * length, step);
    const auto targets = RandomTokens(vocabulary, sequences * length, step + 10);
    float loss = 0, norm = 0;
    REQUIRE(cllm_trainer_accumulate(trainer, inputs.data(), targets.data(), sequences, length, 1, &loss) ==
            CLLM_OK);
    outcome.losses.push_back(loss);
    outcome.gradient = trainer.All(CLLM_TRAINER_GRADIENT);
    REQUIRE(cllm_trainer_update(trainer, &optimizer, &norm) == CLLM_OK);
    outcome.losses.push_back(norm);
  }
  outcome.weights = trainer.All(CLLM_TRAINER_WEIGHT);
  CHECK(trainer.GuardsIntact());
  return outcome;
}

// 6 sequences make even bands for 2 and 3 workers; 5 do so for 5, and for the others each step is cut.
TEST_CASE("trainer: 1, 2, 3 and 5 workers give the same bits") {
  const ModelFile file = MakeModel(RandomCheckpoint(Medium(), 4), Dtype::kF32);
  for (const uint32_t sequences : {1u, 5u, 6u}) {
    CAPTURE(sequences);
    const Outcome alone = TrainThreeSteps(file, sequences, nullptr);
    CHECK(std::isfinite(alone.losses[0]));
    for (const uint32_t count : {2u, 3u, 5u}) {
      CAPTURE(count);
      const PlainWorkers workers(count);
      const Outcome outcome = TrainThreeSteps(file, sequences, workers.get());
      CHECK(SameBits(outcome.losses, alone.losses));
      CHECK(SameBits(outcome.gradient, alone.gradient));
      CHECK(SameBits(outcome.weights, alone.weights));
    }
  }
}

TEST_CASE("trainer: other architectures, 1, 2, 3 and 5 workers give the same bits") {
  std::mt19937 random(6);
  for (uint32_t trial = 0; trial < 8; ++trial) {
    CAPTURE(trial);
    Architecture a = Medium();
    a.variant = RandomTrainable(random).variant;
    a.variant.rotary_size = 0;
    if (trial % 4 == 3) a.variant.norm = Norm::kBatch;
    if (trial % 2 == 1) {  // a worker takes some heads from their products through attention
      a.heads = a.kv_heads = 4;
      a.head_size = 16;
      a.variant.query_key_norm = a.variant.query_key_value_bias = true;
    }
    const uint32_t sequences = trial % 2 == 1 ? 1 : 5;
    const ModelFile file = MakeModel(RandomCheckpoint(a, 4), Dtype::kF32);
    const Outcome alone = TrainThreeSteps(file, sequences, nullptr);
    CHECK(std::isfinite(alone.losses[0]));
    for (const uint32_t count : {2u, 3u, 5u}) {
      CAPTURE(count);
      const PlainWorkers workers(count);
      const Outcome outcome = TrainThreeSteps(file, sequences, workers.get());
      CHECK(SameBits(outcome.losses, alone.losses));
      CHECK(SameBits(outcome.weights, alone.weights));
    }
  }
}

TEST_CASE("trainer: SGD and Muon give the same bits with 1, 2, 3 and 5 workers") {
  const ModelFile file = MakeModel(RandomCheckpoint(Medium(), 4), Dtype::kF32);
  std::vector<float> before = TrainThreeSteps(file, 2, nullptr).weights;
  for (const cllm_method method : {CLLM_SGD, CLLM_MUON}) {
    CAPTURE(method);
    const Outcome alone = TrainThreeSteps(file, 2, nullptr, method);
    CHECK_FALSE(SameBits(alone.weights, before));
    before = alone.weights;
    for (const uint32_t count : {2u, 3u, 5u}) {
      CAPTURE(count);
      const PlainWorkers workers(count);
      CHECK(SameBits(TrainThreeSteps(file, 2, workers.get(), method).weights, alone.weights));
    }
  }
}

// The trainer's forward pass is the session's: the same loss from the session's logits.
TEST_CASE("trainer: its loss is that of the session's logits") {
  const Architecture architecture = Medium();
  const ModelFile file = MakeModel(RandomCheckpoint(architecture, 4), Dtype::kF32);
  const auto tokens = RandomTokens(architecture.vocabulary_size, 41, 9);
  TestTrainer trainer(file, 1, 40);
  float loss = 0;
  REQUIRE(cllm_trainer_evaluate(trainer, tokens.data(), tokens.data() + 1, 1, 40, &loss) == CLLM_OK);
  TestSession session(file, Limits());
  double sum = 0;
  for (size_t t = 0; t < 40; ++t) {
    const std::vector<float> logits = session.Feed(tokens, t, t + 1);
    REQUIRE(session.status == CLLM_OK);
    double total = 0;
    for (const float x : logits) total += std::exp(static_cast<double>(x));
    sum += std::log(total) - logits[tokens[t + 1]];
  }
  CHECK(std::abs(loss - sum / 40) < 1e-5);
}

// A vocabulary so large that the head takes the rows in several chunks.
TEST_CASE("trainer: chunks of logits change neither loss nor gradient beyond rounding") {
  Architecture a = Medium();
  a.vocabulary_size = 70001;
  a.width = 8;
  a.layers = 1;
  const Checkpoint checkpoint = RandomCheckpoint(a, 4);
  const ModelFile file = MakeModel(checkpoint, Dtype::kF32);
  const uint32_t sequences = 4, length = 30;
  TrainerPlan plan;
  REQUIRE(PlanTrainer(file.model(),
                      {sizeof(cllm_trainer_limits), sequences, length, CLLM_ADAMW, CLLM_FLOAT32},
                      &plan) == CLLM_OK);
  REQUIRE(plan.logits_rows == 48);
  const auto inputs = RandomTokens(a.vocabulary_size, sequences * length, 1);
  const auto targets = RandomTokens(a.vocabulary_size, sequences * length, 2);
  TestTrainer whole(file, sequences, length), single(file, 1, length);
  float loss = 0, sum = 0;
  REQUIRE(cllm_trainer_accumulate(whole, inputs.data(), targets.data(), sequences, length, 1, &loss) ==
          CLLM_OK);
  for (uint32_t s = 0; s < sequences; ++s) {
    float part = 0;
    const size_t at = s * length;
    REQUIRE(cllm_trainer_accumulate(single, &inputs[at], &targets[at], 1, length, 0.25f, &part) == CLLM_OK);
    sum += part / 4;
  }
  CHECK(std::abs(loss - sum) < 1e-5);
  for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
    const auto expected = single.Stored(i, CLLM_TRAINER_GRADIENT),
               found = whole.Stored(i, CLLM_TRAINER_GRADIENT);
    float worst = 0, largest = 0;
    for (size_t k = 0; k < expected.size(); ++k) {
      worst = std::max(worst, std::abs(expected[k] - found[k]));
      largest = std::max(largest, std::abs(expected[k]));
    }
    CHECK(largest > 0);
    CHECK(worst < 2e-5f * largest);
  }
}

TEST_CASE("trainer: a short text is learned by heart") {
  Architecture a = Medium();
  a.vocabulary_size = 30;
  const Checkpoint start = [&] {
    Checkpoint c = RandomCheckpoint(a, 4);
    for (auto& [key, tensor] : c.tensors) {
      if (tensor.rows > 1) {
        for (float& x : tensor.values) x *= 0.1f;
      }
    }
    return c;
  }();
  const ModelFile file = MakeModel(start, Dtype::kF32);
  TestTrainer trainer(file, 2, 16);
  const auto tokens = RandomTokens(a.vocabulary_size, 33, 1);
  const cllm_optimizer optimizer = Optimizer(1e-2f, 0.9f, 0.95f, 1e-8f, 0.0f);
  float first = 0, loss = 0;
  for (int step = 0; step < 60; ++step) {
    REQUIRE(cllm_trainer_accumulate(trainer, tokens.data(), tokens.data() + 1, 2, 16, 1.0f, &loss) ==
            CLLM_OK);
    if (step == 0) first = loss;
    REQUIRE(cllm_trainer_update(trainer, &optimizer, nullptr) == CLLM_OK);
  }
  CHECK(std::abs(first - std::log(30.0)) < 0.5);
  CHECK(loss < 0.1);
}

TEST_CASE("trainer: bad batches are refused and change nothing") {
  const Architecture a = Medium();
  const ModelFile file = MakeModel(RandomCheckpoint(a, 4), Dtype::kF32);
  TestTrainer trainer(file, 2, 8);
  const std::vector<uint32_t> good(16, 1);
  std::vector<uint32_t> bad = good;
  bad[15] = a.vocabulary_size;
  float loss = 0;
  const auto accumulate = [&](const std::vector<uint32_t>& inputs, const std::vector<uint32_t>& targets,
                              uint32_t sequences, uint32_t length) {
    return cllm_trainer_accumulate(trainer, inputs.data(), targets.data(), sequences, length, 1.0f, &loss);
  };
  CHECK(accumulate(bad, good, 2, 8) == CLLM_TOKEN_RANGE);
  CHECK(accumulate(good, bad, 2, 8) == CLLM_TOKEN_RANGE);
  CHECK(accumulate(good, good, 3, 5) == CLLM_LIMIT_LENGTH);
  CHECK(accumulate(good, good, 1, 9) == CLLM_LIMIT_LENGTH);
  CHECK(accumulate(good, good, 0, 8) == CLLM_LIMIT_LENGTH);
  CHECK(cllm_trainer_accumulate(trainer, nullptr, good.data(), 2, 8, 1.0f, &loss) == CLLM_NULL_ARGUMENT);
  for (const float x : trainer.All(CLLM_TRAINER_GRADIENT)) REQUIRE(x == 0.0f);
  float* data = nullptr;
  uint64_t count = 0;
  CHECK(cllm_trainer_tensor(trainer, file.model().tensor_count, CLLM_TRAINER_WEIGHT, &data, &count) ==
        CLLM_INDEX_RANGE);
  CHECK(cllm_trainer_tensor(trainer, 0, static_cast<cllm_trainer_part>(4), &data, &count) ==
        CLLM_INDEX_RANGE);
  CHECK(accumulate(good, good, 2, 8) == CLLM_OK);
}

TEST_CASE("trainer: the room starts with the file's weights") {
  const Checkpoint checkpoint = RandomCheckpoint(Medium(), 4);
  const ModelFile file = MakeModel(checkpoint, Dtype::kF32);
  TestTrainer trainer(file, 1, 1);
  for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
    const TableEntry entry = TensorAt(file.model(), i);
    const FloatTensor& tensor = checkpoint.tensors.at({entry.role, entry.layer});
    const auto stored = trainer.Stored(i, CLLM_TRAINER_WEIGHT);
    bool same = true;
    for (size_t k = 0; k < tensor.values.size(); ++k) {
      same &=
          stored[StoredIndex(entry.role, tensor, k / tensor.columns, k % tensor.columns)] == tensor.values[k];
    }
    CHECK(same);
  }
}

}  // namespace
}  // namespace cllm::testing
