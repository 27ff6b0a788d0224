// Fine-tuning that a power cut interrupts, whenever it comes, ends with the delta of fine-tuning that none
// did.
#include <doctest/doctest.h>

#include <string>

#include "store/nor_flash.h"
#include "store/small_model.h"
#include "tests/trainer/tuner_fixture.h"

namespace cllm {
namespace {

using testing::NorFlash;
using testing::Optimizer;
using testing::RandomTokens;
using testing::SmallModel;
using testing::TestTuner;

// Two sequences an update. A save comes after each of them, also between the two, when there is a gradient.
constexpr uint32_t kSequences = 8, kLength = 5;

void Learn(TestTuner* tuner, uint32_t sequence) {
  const std::vector<uint32_t> text = RandomTokens(11, kLength + 1, sequence);
  tuner->Accumulate({text.begin(), text.end() - 1}, {text.begin() + 1, text.end()}, 0.5f / kLength);
  if (sequence % 2 == 0) return;
  const cllm_optimizer optimizer = Optimizer(0.01f, 0.9f, 0.95f, 1e-6f, 0.1f);
  REQUIRE(cllm_tuner_update(*tuner, &optimizer, nullptr) == CLLM_OK);
}

// How many sequences were learned, and the tuner's state, from where it lies in its room.
cllm_status Save(cllm_store* store, const TestTuner& tuner, uint32_t learned, cllm_tuner* handle) {
  const void* state = nullptr;
  const auto bytes = static_cast<uint32_t>(tuner.info().state_bytes);
  REQUIRE(cllm_tuner_state(handle, &state) == CLLM_OK);
  cllm_status status = cllm_store_begin(store, bytes + static_cast<uint32_t>(sizeof(learned)));
  if (status == CLLM_OK) status = cllm_store_write(store, &learned, sizeof(learned));
  if (status == CLLM_OK) status = cllm_store_write(store, state, bytes);
  return status == CLLM_OK ? cllm_store_commit(store) : status;
}

// How many sequences were learned before; 0 if nothing was saved.
uint32_t Load(const cllm_store& store, TestTuner* tuner) {
  cllm_store_info info = {};
  info.struct_size = sizeof(info);
  REQUIRE(cllm_store_describe(&store, &info) == CLLM_OK);
  if (info.sequence == 0) return 0;
  uint32_t learned = 0;
  REQUIRE(info.bytes == sizeof(learned) + tuner->info().state_bytes);
  std::string state(tuner->info().state_bytes, '\0');
  REQUIRE(cllm_store_read(&store, 0, &learned, sizeof(learned)) == CLLM_OK);
  REQUIRE(cllm_store_read(&store, sizeof(learned), state.data(), static_cast<uint32_t>(state.size())) ==
          CLLM_OK);
  REQUIRE(cllm_tuner_restore(*tuner, state.data(), state.size()) == CLLM_OK);
  return learned;
}

struct Device {
  const ModelFile& file;
  cllm_tuner_limits limits;
  uint32_t every;  // sequences between saves

  // What a device does at every power-up: open, load, go on, saving now and then. "": the power went.
  std::string TuneUntilCut(NorFlash* flash) const {
    TestTuner tuner(file, limits);
    cllm_store store;
    const cllm_flash functions = flash->Functions();
    REQUIRE(cllm_store_open(&functions, &store) == CLLM_OK);
    for (uint32_t learned = Load(store, &tuner); learned < kSequences;) {
      Learn(&tuner, learned);
      if (++learned % every != 0 && learned < kSequences) continue;
      const cllm_status status = Save(&store, tuner, learned, tuner);
      if (flash->is_off) return "";
      REQUIRE(status == CLLM_OK);
    }
    return tuner.Delta();
  }
};

TEST_CASE("fine-tuning with the power cut within any operation of the store") {
  const ModelFile file = SmallModel(Dtype::kI8);
  for (const cllm_method method : {CLLM_ADAMW, CLLM_ADAMW8}) {
    for (const uint32_t every : {1u, 3u}) {
      CAPTURE(method);
      CAPTURE(every);
      Device device = {file, testing::TunerLimits(kLength, testing::kFourMatrices, 2, CLLM_TUNE_NORMS),
                       every};
      device.limits.method = method;
      const auto flash = [] { return NorFlash(4, 2048, 8); };
      NorFlash uncut = flash();
      const std::string whole = device.TuneUntilCut(&uncut);
      REQUIRE(!whole.empty());
      REQUIRE(uncut.operations > 30);
      for (uint64_t operation = 0; operation < uncut.operations; ++operation) {
        CAPTURE(operation);
        NorFlash cut = flash();
        cut.CutAt(operation, static_cast<uint32_t>(operation % 256), static_cast<uint32_t>(operation));
        REQUIRE(device.TuneUntilCut(&cut).empty());
        // And once more, soon after.
        cut.PowerUp();
        cut.CutAt(operation % 17, 2, 1);
        std::string resumed = device.TuneUntilCut(&cut);
        if (resumed.empty()) {
          cut.PowerUp();
          resumed = device.TuneUntilCut(&cut);
        }
        REQUIRE(resumed == whole);
        REQUIRE(!cut.misused);
      }
    }
  }
}

}  // namespace
}  // namespace cllm
