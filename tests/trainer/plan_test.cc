#include "trainer/plan.h"

#include <random>

#include "doctest/doctest.h"
#include "tests/trainer/fixture.h"

namespace cllm::testing {
namespace {

TEST_CASE("trainer plan: measured is used, a byte less is refused, guards survive") {
  std::mt19937 random(3);
  for (int i = 0; i < 60; ++i) {
    const Architecture architecture = i % 2 ? RandomTrainable(random) : RandomArchitecture(random);
    const ModelFile file = MakeModel(RandomCheckpoint(architecture, i), Dtype::kF32);
    const uint32_t sequences = 1 + random() % 3, length = 1 + random() % architecture.context;
    const cllm_trainer_limits limits = {sizeof(limits), sequences, length, static_cast<uint32_t>(i % 3),
                                        static_cast<uint32_t>(i / 3 % 2)};
    uint64_t bytes = 0;
    REQUIRE(cllm_trainer_measure(file.handle(), &limits, &bytes) == CLLM_OK);
    CHECK(bytes % CLLM_ALIGNMENT == 0);
    GuardedRoom room(bytes);
    cllm_trainer* trainer = nullptr;
    CHECK(cllm_trainer_create(file.handle(), &limits, nullptr, room.data(), bytes - 1, &trainer) ==
          CLLM_ROOM_TOO_SMALL);
    CHECK(cllm_trainer_create(file.handle(), &limits, nullptr, static_cast<uint8_t*>(room.data()) + 4, bytes,
                              &trainer) == CLLM_MISALIGNED);
    REQUIRE(cllm_trainer_create(file.handle(), &limits, nullptr, room.data(), bytes, &trainer) == CLLM_OK);
    const auto inputs = RandomTokens(architecture.vocabulary_size, sequences * length, i);
    const auto targets = RandomTokens(architecture.vocabulary_size, sequences * length, i + 1);
    float loss = 0, norm = 0;
    REQUIRE(cllm_trainer_accumulate(trainer, inputs.data(), targets.data(), sequences, length, 1, &loss) ==
            CLLM_OK);
    const cllm_optimizer optimizer = Optimizer(1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f);
    REQUIRE(cllm_trainer_update(trainer, &optimizer, &norm) == CLLM_OK);
    CHECK(room.GuardsIntact());
  }
}

// The last buffer ends the room: a plan that is too large would not show in guards.
TEST_CASE("trainer plan: the sum of its parts") {
  Architecture a;
  a.vocabulary_size = 100;
  a.context = 40;
  a.width = 32;
  a.layers = 2;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_size = 8;
  a.hidden = 48;
  const ModelFile file = MakeModel(RandomCheckpoint(a, 1), Dtype::kF32);
  TrainerPlan plan;
  REQUIRE(PlanTrainer(file.model(), {sizeof(cllm_trainer_limits), 3, 40, CLLM_ADAMW, CLLM_FLOAT32}, &plan) ==
          CLLM_OK);
  const uint64_t rows = 120, stored = file.model().weight_bytes / 4;
  CHECK(plan.weight_floats == stored);
  CHECK(plan.first_moments - plan.gradients == stored * 4);
  CHECK(plan.inverses - plan.residuals == 5 * rows * 32 * 4);
  CHECK(plan.attended - plan.query_key_value == 2 * rows * 64 * 4);
  CHECK(plan.second_moments - plan.first_moments == stored * 4);
  CHECK(plan.residuals - plan.angles == 40 * 8 * 4);
  CHECK(plan.runs - plan.gate_up == 2 * rows * 96 * 4);
  CHECK(plan.transposed - plan.d_normed == rows * 32 * 4);
  CHECK(plan.losses - plan.transposed == 32 * 3 * 48 * 4);
  CHECK(plan.keys - plan.hidden == rows * 48 * 4);
  CHECK(plan.values - plan.keys == 3 * 2 * 48 * 8 * 4);
  CHECK(plan.room_bytes == plan.d_attended + rows * 32 * 4);

  // Factors are half as large as their weights, which those of the embedding and the layers' matrices are,
  // and so are turned matrices.
  TrainerPlan mixed;
  REQUIRE(PlanTrainer(file.model(), {sizeof(cllm_trainer_limits), 3, 40, CLLM_ADAMW, CLLM_BFLOAT16},
                      &mixed) == CLLM_OK);
  CHECK(mixed.segment_sums - mixed.factors == (stored - 5 * 32) * 2);
  CHECK(mixed.losses - mixed.transposed == 32 * 3 * 48 * 2);

  // SGD has no second moments, Muon only those of the embedding of 112 rows and the five norms.
  TrainerPlan sgd, muon;
  REQUIRE(PlanTrainer(file.model(), {sizeof(cllm_trainer_limits), 3, 40, CLLM_SGD, CLLM_FLOAT32}, &sgd) ==
          CLLM_OK);
  REQUIRE(PlanTrainer(file.model(), {sizeof(cllm_trainer_limits), 3, 40, CLLM_MUON, CLLM_FLOAT32}, &muon) ==
          CLLM_OK);
  CHECK(plan.room_bytes - sgd.room_bytes == stored * 4);
  CHECK(plan.room_bytes - muon.room_bytes == stored * 4 - (112 + 5) * 32 * 4);
  // Twice the largest matrix and two squares of its smaller side: 48 by 32.
  CHECK(muon.muon_floats == 2 * (48 * 32 + 32 * 32));
  CHECK(muon.muon == muon.residuals);
  REQUIRE(PlanTrainer(file.model(), {sizeof(cllm_trainer_limits), 1, 1, CLLM_MUON, CLLM_FLOAT32}, &muon) ==
          CLLM_OK);
  CHECK(muon.room_bytes >= muon.muon + muon.muon_floats * 4);
}

TEST_CASE("trainer plan: limits") {
  const Architecture a = [] {
    Architecture x;
    x.vocabulary_size = 20;
    x.context = 30;
    x.width = 8;
    x.layers = 1;
    x.heads = x.kv_heads = 1;
    x.head_size = 8;
    x.hidden = 8;
    return x;
  }();
  const Checkpoint checkpoint = RandomCheckpoint(a, 1);
  const ModelFile file = MakeModel(checkpoint, Dtype::kF32), integer = MakeModel(checkpoint, Dtype::kI8),
                  half = MakeModel(checkpoint, Dtype::kBf16);
  uint64_t bytes = 0;
  const auto measure = [&](const ModelFile& model, uint32_t size, uint32_t sequences, uint32_t length,
                           uint32_t method = CLLM_ADAMW, uint32_t precision = CLLM_FLOAT32) {
    const cllm_trainer_limits limits = {size, sequences, length, method, precision};
    return cllm_trainer_measure(model.handle(), &limits, &bytes);
  };
  const uint32_t size = sizeof(cllm_trainer_limits);
  CHECK(measure(file, size, 2, 30) == CLLM_OK);
  CHECK(measure(file, size - 4, 2, 30) == CLLM_STRUCT_SIZE);
  CHECK(measure(file, size, 0, 30) == CLLM_LIMIT_LENGTH);
  CHECK(measure(file, size, 2, 0) == CLLM_LIMIT_LENGTH);
  CHECK(measure(file, size, 2, 31) == CLLM_LIMIT_LENGTH);
  CHECK(measure(file, size, 0xFFFFFFFF, 30) == CLLM_LIMIT_LENGTH);
  CHECK(measure(file, size, 2, 30, CLLM_MUON) == CLLM_OK);
  CHECK(measure(file, size, 2, 30, 3) == CLLM_LIMIT_METHOD);
  CHECK(measure(file, size, 2, 30, CLLM_ADAMW, CLLM_BFLOAT16) == CLLM_OK);
  CHECK(measure(file, size, 2, 30, CLLM_ADAMW, 2) == CLLM_LIMIT_PRECISION);
  CHECK(measure(integer, size, 2, 30) == CLLM_NOT_TRAINABLE);
  CHECK(measure(half, size, 2, 30) == CLLM_NOT_TRAINABLE);
  CHECK(cllm_trainer_measure(nullptr, nullptr, &bytes) == CLLM_NULL_ARGUMENT);
}

}  // namespace
}  // namespace cllm::testing
