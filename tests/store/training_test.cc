// Training that a power cut interrupts, whenever it comes, ends with the weights of training that none did.
#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "store/nor_flash.h"
#include "store/small_model.h"
#include "trainer/fixture.h"

namespace cllm {
namespace {

using testing::NorFlash;
using testing::Optimizer;
using testing::RandomTokens;
using testing::SmallModel;
using testing::TestTrainer;

constexpr uint32_t kSteps = 6, kLength = 5;
constexpr cllm_trainer_part kParts[] = {CLLM_TRAINER_WEIGHT, CLLM_TRAINER_FIRST_MOMENT,
                                        CLLM_TRAINER_SECOND_MOMENT};

void Step(cllm_trainer* trainer, uint32_t step) {
  const std::vector<uint32_t> text = RandomTokens(11, kLength + 1, step);
  const cllm_optimizer optimizer = Optimizer(0.01f, 0.9f, 0.95f, 1e-6f, 0.1f);
  float loss = 0;
  REQUIRE(cllm_trainer_accumulate(trainer, text.data(), text.data() + 1, 1, kLength, 1.0f, &loss) == CLLM_OK);
  REQUIRE(cllm_trainer_update(trainer, &optimizer, nullptr) == CLLM_OK);
}

// Calls body(data, bytes) for all that a trainer must remember, in a fixed order, until it returns a failure.
template <class Body>
cllm_status ForState(cllm_trainer* trainer, uint32_t tensors, const Body& body) {
  cllm_status status = CLLM_OK;
  for (uint32_t i = 0; i < tensors; ++i) {
    for (const cllm_trainer_part part : kParts) {
      float* data = nullptr;
      uint64_t count = 0;
      REQUIRE(cllm_trainer_tensor(trainer, i, part, &data, &count) == CLLM_OK);
      if (status == CLLM_OK) status = body(data, static_cast<uint32_t>(count * sizeof(float)));
    }
  }
  return status;
}

// The step's number, the trainer's own state, its tensors.
cllm_status Save(cllm_store* store, cllm_trainer* trainer, uint32_t tensors, uint32_t step) {
  cllm_trainer_state state = {sizeof(state), 0, 0, 0};
  REQUIRE(cllm_trainer_get_state(trainer, &state) == CLLM_OK);
  uint32_t bytes = sizeof(step) + sizeof(state);
  ForState(trainer, tensors, [&](const float*, uint32_t count) {
    bytes += count;
    return CLLM_OK;
  });
  cllm_status status = cllm_store_begin(store, bytes);
  if (status == CLLM_OK) status = cllm_store_write(store, &step, sizeof(step));
  if (status == CLLM_OK) status = cllm_store_write(store, &state, sizeof(state));
  if (status == CLLM_OK) {
    status = ForState(trainer, tensors, [&](const float* data, uint32_t count) {
      return cllm_store_write(store, data, count);
    });
  }
  return status == CLLM_OK ? cllm_store_commit(store) : status;
}

// The step to go on with; 0 if nothing was saved.
uint32_t Load(const cllm_store& store, cllm_trainer* trainer, uint32_t tensors) {
  cllm_store_info info = {};
  info.struct_size = sizeof(info);
  REQUIRE(cllm_store_describe(&store, &info) == CLLM_OK);
  if (info.sequence == 0) return 0;
  uint32_t step = 0, at = sizeof(step);
  cllm_trainer_state state = {};
  REQUIRE(cllm_store_read(&store, 0, &step, sizeof(step)) == CLLM_OK);
  REQUIRE(cllm_store_read(&store, at, &state, sizeof(state)) == CLLM_OK);
  at += sizeof(state);
  REQUIRE(cllm_trainer_set_state(trainer, &state) == CLLM_OK);
  REQUIRE(ForState(trainer, tensors, [&](float* data, uint32_t count) {
            at += count;
            return cllm_store_read(&store, at - count, data, count);
          }) == CLLM_OK);
  return step;
}

// What a device does at every power-up: open, load, go on, saving each step. Returns whether it came to the
// end.
bool TrainUntilCut(const ModelFile& file, NorFlash* flash, std::vector<std::vector<float>>* weights) {
  TestTrainer trainer(file, 1, kLength);
  const uint32_t tensors = file.model().tensor_count;
  cllm_store store;
  const cllm_flash functions = flash->Functions();
  REQUIRE(cllm_store_open(&functions, &store) == CLLM_OK);
  for (uint32_t step = Load(store, trainer, tensors); step < kSteps;) {
    Step(trainer, step);
    const cllm_status status = Save(&store, trainer, tensors, ++step);
    if (flash->is_off) return false;
    REQUIRE(status == CLLM_OK);
  }
  weights->clear();
  for (uint32_t i = 0; i < tensors; ++i) weights->push_back(trainer.Stored(i, CLLM_TRAINER_WEIGHT));
  return true;
}

TEST_CASE("training with the power cut within any operation of the store") {
  const ModelFile file = SmallModel(Dtype::kF32);
  std::vector<std::vector<float>> whole, resumed;
  NorFlash uncut(4, 2048, 12);
  REQUIRE(TrainUntilCut(file, &uncut, &whole));
  REQUIRE(uncut.operations > 100);
  for (uint64_t operation = 0; operation < uncut.operations; ++operation) {
    CAPTURE(operation);
    NorFlash flash(4, 2048, 12);
    flash.CutAt(operation, static_cast<uint32_t>(operation % 256), static_cast<uint32_t>(operation));
    REQUIRE(!TrainUntilCut(file, &flash, &resumed));
    // And once more, soon after.
    flash.PowerUp();
    flash.CutAt(operation % 17, 2, 1);
    if (!TrainUntilCut(file, &flash, &resumed)) {
      flash.PowerUp();
      REQUIRE(TrainUntilCut(file, &flash, &resumed));
    }
    REQUIRE(resumed == whole);
    REQUIRE(!flash.misused);
  }
}

}  // namespace
}  // namespace cllm
