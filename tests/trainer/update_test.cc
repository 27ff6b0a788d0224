#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "doctest/doctest.h"
#include "tests/trainer/fixture.h"

namespace cllm::testing {
namespace {

Architecture Small() {
  Architecture a;
  a.vocabulary_size = 37;
  a.context = 16;
  a.width = 24;
  a.layers = 1;
  a.heads = a.kv_heads = 2;
  a.head_size = 8;
  a.hidden = 40;
  return a;
}

// Puts random gradients of about `size` into the trainer.
void SetGradients(const Model& model, TestTrainer& trainer, float size, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, size);
  for (uint32_t i = 0; i < model.tensor_count; ++i) {
    float* gradient = trainer.Data(i, CLLM_TRAINER_GRADIENT);
    for (size_t k = 0; k < trainer.Stored(i, CLLM_TRAINER_GRADIENT).size(); ++k) gradient[k] = normal(random);
  }
}

bool IsNorm(Role role) {
  return role == Role::kAttentionNorm || role == Role::kFeedForwardNorm || role == Role::kFinalNorm;
}

TEST_CASE("update: AdamW as in its paper, in double, over five steps with clipping") {
  const ModelFile file = MakeModel(RandomCheckpoint(Small(), 2), Dtype::kF32);
  TestTrainer trainer(file, 1, 4);
  const uint32_t tensors = file.model().tensor_count;
  std::vector<std::vector<double>> p(tensors), m(tensors), v(tensors);
  for (uint32_t i = 0; i < tensors; ++i) {
    const auto stored = trainer.Stored(i, CLLM_TRAINER_WEIGHT);
    p[i].assign(stored.begin(), stored.end());
    m[i].assign(stored.size(), 0.0);
    v[i].assign(stored.size(), 0.0);
  }
  for (int t = 1; t <= 5; ++t) {
    // The first steps are clipped, the later ones are not.
    const float rate = 0.01f * static_cast<float>(t);
    const cllm_optimizer optimizer = Optimizer(rate, 0.9f, 0.95f, 1e-6f, 0.1f, t <= 3 ? 1.0f : 1e6f);
    SetGradients(file.model(), trainer, 0.3f, 100 + t);
    std::vector<std::vector<float>> gradients;
    double square = 0;
    for (uint32_t i = 0; i < tensors; ++i) {
      gradients.push_back(trainer.Stored(i, CLLM_TRAINER_GRADIENT));
      for (const float g : gradients[i]) square += static_cast<double>(g) * g;
    }
    float norm = 0;
    REQUIRE(cllm_trainer_update(trainer, &optimizer, &norm) == CLLM_OK);
    CHECK(std::abs(norm - std::sqrt(square)) < 1e-5 * std::sqrt(square));
    const double scale = std::min(1.0, optimizer.clip / std::sqrt(square));
    double worst = 0;
    for (uint32_t i = 0; i < tensors; ++i) {
      const double decay = IsNorm(TensorAt(file.model(), i).role) ? 0.0 : 0.1;
      const auto stored = trainer.Stored(i, CLLM_TRAINER_WEIGHT);
      for (size_t k = 0; k < p[i].size(); ++k) {
        const double g = gradients[i][k] * scale;
        m[i][k] = optimizer.beta1 * m[i][k] + (1.0 - optimizer.beta1) * g;
        v[i][k] = optimizer.beta2 * v[i][k] + (1.0 - optimizer.beta2) * g * g;
        const double m_hat = m[i][k] / (1 - std::pow(optimizer.beta1, t)),
                     v_hat = v[i][k] / (1 - std::pow(optimizer.beta2, t));
        p[i][k] -= rate * (m_hat / (std::sqrt(v_hat) + optimizer.epsilon) + decay * p[i][k]);
        worst = std::max(worst, std::abs(p[i][k] - stored[k]));
      }
    }
    CHECK(worst < 2e-6);
    for (const float g : trainer.All(CLLM_TRAINER_GRADIENT)) REQUIRE(g == 0.0f);
  }
}

// Each group with a rate and a decay of its own, so that one mistaken for another shows.
cllm_optimizer Groups(float momentum, float clip) {
  return {sizeof(cllm_optimizer), clip,          0.9f,         0.95f, 1e-6f, momentum,
          {0.02f, 0.1f},          {0.03f, 0.2f}, {0.01f, 0.3f}};
}

const cllm_parameter_group& GroupOf(const cllm_optimizer& optimizer, Role role) {
  if (IsNorm(role)) return optimizer.norms;
  return role == Role::kTokenEmbedding || role == Role::kHead ? optimizer.embeddings : optimizer.matrices;
}

double Norm(const std::vector<std::vector<float>>& gradients) {
  double square = 0;
  for (const std::vector<float>& tensor : gradients) {
    for (const float g : tensor) square += static_cast<double>(g) * g;
  }
  return std::sqrt(square);
}

TEST_CASE("update: SGD with momentum in double, every group with its own rate and decay") {
  const ModelFile file = MakeModel(RandomCheckpoint(Small(), 2), Dtype::kF32);
  TestTrainer trainer(file, 1, 4, nullptr, CLLM_SGD);
  const uint32_t tensors = file.model().tensor_count;
  std::vector<std::vector<double>> p(tensors), m(tensors);
  for (uint32_t i = 0; i < tensors; ++i) {
    const auto stored = trainer.Stored(i, CLLM_TRAINER_WEIGHT);
    p[i].assign(stored.begin(), stored.end());
    m[i].assign(stored.size(), 0.0);
    CHECK(trainer.Stored(i, CLLM_TRAINER_SECOND_MOMENT).empty());
  }
  const cllm_optimizer optimizer = Groups(0.8f, 5.0f);
  for (int t = 1; t <= 4; ++t) {
    SetGradients(file.model(), trainer, t % 2 == 0 ? 0.3f : 0.01f, 100 + t);
    std::vector<std::vector<float>> gradients;
    for (uint32_t i = 0; i < tensors; ++i) gradients.push_back(trainer.Stored(i, CLLM_TRAINER_GRADIENT));
    const double scale = std::min(1.0, optimizer.clip / Norm(gradients));
    CHECK((scale < 1.0) == (t % 2 == 0));
    REQUIRE(cllm_trainer_update(trainer, &optimizer, nullptr) == CLLM_OK);
    double worst = 0;
    for (uint32_t i = 0; i < tensors; ++i) {
      const cllm_parameter_group& group = GroupOf(optimizer, TensorAt(file.model(), i).role);
      const auto stored = trainer.Stored(i, CLLM_TRAINER_WEIGHT);
      for (size_t k = 0; k < p[i].size(); ++k) {
        m[i][k] = optimizer.momentum * m[i][k] + gradients[i][k] * scale;
        p[i][k] -= group.learning_rate * (m[i][k] + group.weight_decay * p[i][k]);
        worst = std::max(worst, std::abs(p[i][k] - stored[k]));
      }
    }
    CHECK(worst < 1e-6);
    for (const float g : trainer.All(CLLM_TRAINER_GRADIENT)) REQUIRE(g == 0.0f);
  }
  cllm_trainer_state state = {sizeof(state), 0, 0, 0};
  REQUIRE(cllm_trainer_get_state(trainer, &state) == CLLM_OK);
  CHECK(state.beta1_power == 1.0);
}

TEST_CASE("update: a gradient that is not finite changes nothing but itself") {
  const ModelFile file = MakeModel(RandomCheckpoint(Small(), 2), Dtype::kF32);
  const cllm_optimizer optimizer = Optimizer(0.01f, 0.9f, 0.95f, 1e-8f, 0.1f);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    TestTrainer trainer(file, 1, 4);
    float norm = 0;
    SetGradients(file.model(), trainer, 0.1f, 7);
    REQUIRE(cllm_trainer_update(trainer, &optimizer, &norm) == CLLM_OK);
    CHECK(std::isfinite(norm));
    const auto weights = trainer.All(CLLM_TRAINER_WEIGHT), moments = trainer.All(CLLM_TRAINER_SECOND_MOMENT);
    SetGradients(file.model(), trainer, 0.1f, 8);
    trainer.Data(3, CLLM_TRAINER_GRADIENT)[5] = bad;
    REQUIRE(cllm_trainer_update(trainer, &optimizer, &norm) == CLLM_OK);
    CHECK_FALSE(std::isfinite(norm));
    CHECK(trainer.All(CLLM_TRAINER_WEIGHT) == weights);
    CHECK(trainer.All(CLLM_TRAINER_SECOND_MOMENT) == moments);
    for (const float g : trainer.All(CLLM_TRAINER_GRADIENT)) REQUIRE(g == 0.0f);
  }
}

TEST_CASE("update: parameters out of range are refused") {
  const ModelFile file = MakeModel(RandomCheckpoint(Small(), 2), Dtype::kF32);
  TestTrainer trainer(file, 1, 4);
  const cllm_optimizer good = Optimizer(0.01f, 0.9f, 0.95f, 1e-8f, 0.1f);
  const auto weights = trainer.All(CLLM_TRAINER_WEIGHT);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto update = [&](auto&& change) {
    cllm_optimizer optimizer = good;
    change(optimizer);
    return cllm_trainer_update(trainer, &optimizer, nullptr);
  };
  for (const auto group : {&cllm_optimizer::matrices, &cllm_optimizer::embeddings, &cllm_optimizer::norms}) {
    CHECK(update([=](cllm_optimizer& o) { (o.*group).learning_rate = -1.0f; }) == CLLM_OPTIMIZER_RANGE);
    CHECK(update([=](cllm_optimizer& o) { (o.*group).learning_rate = nan; }) == CLLM_OPTIMIZER_RANGE);
    CHECK(update([=](cllm_optimizer& o) { (o.*group).weight_decay = -0.1f; }) == CLLM_OPTIMIZER_RANGE);
  }
  for (const float bad : {-0.1f, 1.0f, nan}) {
    CHECK(update([=](cllm_optimizer& o) { o.beta1 = bad; }) == CLLM_OPTIMIZER_RANGE);
    CHECK(update([=](cllm_optimizer& o) { o.beta2 = bad; }) == CLLM_OPTIMIZER_RANGE);
    CHECK(update([=](cllm_optimizer& o) { o.momentum = bad; }) == CLLM_OPTIMIZER_RANGE);
  }
  CHECK(update([=](cllm_optimizer& o) { o.epsilon = 0.0f; }) == CLLM_OPTIMIZER_RANGE);
  CHECK(update([=](cllm_optimizer& o) { o.clip = nan; }) == CLLM_OPTIMIZER_RANGE);
  CHECK(update([=](cllm_optimizer& o) { o.struct_size = 4; }) == CLLM_STRUCT_SIZE);
  CHECK(trainer.All(CLLM_TRAINER_WEIGHT) == weights);
}

TEST_CASE("update: a trainer goes on from another's parts and state") {
  const ModelFile file = MakeModel(RandomCheckpoint(Small(), 2), Dtype::kF32);
  const cllm_optimizer optimizer = Optimizer(0.01f, 0.9f, 0.95f, 1e-6f, 0.1f);
  TestTrainer first(file, 1, 4), second(file, 1, 4);
  const auto step = [&](TestTrainer& trainer, uint32_t seed) {
    SetGradients(file.model(), trainer, 0.3f, seed);
    REQUIRE(cllm_trainer_update(trainer, &optimizer, nullptr) == CLLM_OK);
  };
  step(first, 1);
  step(first, 2);
  for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
    for (const cllm_trainer_part part :
         {CLLM_TRAINER_WEIGHT, CLLM_TRAINER_FIRST_MOMENT, CLLM_TRAINER_SECOND_MOMENT}) {
      const std::vector<float> stored = first.Stored(i, part);
      std::memcpy(second.Data(i, part), stored.data(), stored.size() * sizeof(float));
    }
  }
  cllm_trainer_state state = {sizeof(state), 0, 0, 0};
  REQUIRE(cllm_trainer_get_state(first, &state) == CLLM_OK);
  CHECK(state.beta1_power == doctest::Approx(0.81));
  REQUIRE(cllm_trainer_set_state(second, &state) == CLLM_OK);
  step(first, 3);
  step(second, 3);
  CHECK(first.All(CLLM_TRAINER_WEIGHT) == second.All(CLLM_TRAINER_WEIGHT));

  for (const double power : {-0.1, 1.1, std::nan("")}) {
    state.beta2_power = power;
    CHECK(cllm_trainer_set_state(second, &state) == CLLM_OPTIMIZER_RANGE);
  }
  state.struct_size = 8;
  CHECK(cllm_trainer_set_state(second, &state) == CLLM_STRUCT_SIZE);
  CHECK(cllm_trainer_get_state(second, &state) == CLLM_STRUCT_SIZE);
  CHECK(cllm_trainer_set_state(nullptr, &state) == CLLM_NULL_ARGUMENT);
}

}  // namespace
}  // namespace cllm::testing
