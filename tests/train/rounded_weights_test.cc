#include "converter/train/rounded_weights.h"

#include "converter/export/write_model.h"
#include "converter/import/model_file.h"
#include "converter/import/read_model.h"
#include "converter/train/train.h"
#include "doctest/doctest.h"
#include "tests/train/small_training.h"

namespace cllm {
namespace {

using testing::Options;
using testing::Small;
using testing::Text;

// The model that the result's file holds.
Checkpoint ThroughFile(const TrainResult& result, Dtype format) {
  const auto bytes = WriteModelToString(result.checkpoint, format, result.rounded);
  REQUIRE(bytes.ok());
  const auto file = ModelFile::FromBytes(*bytes, "narrow");
  REQUIRE(file.ok());
  return ToCheckpoint(*file);
}

TrainResult Trained(const TrainOptions& options, const Checkpoint& initial) {
  auto result = Train(options, initial, Text(), {});
  REQUIRE(result.ok());
  return *std::move(result);
}

TrainOptions OptionsFor(Dtype format, uint32_t steps) {
  TrainOptions options = Options();
  options.format = format;
  options.trained = format != Dtype::kF32;
  options.recipe.steps = steps;
  return options;
}

double LossOfFile(const TrainResult& result, Dtype format) {
  return Trained(OptionsFor(Dtype::kF32, 0), ThroughFile(result, format)).validation_loss;
}

TEST_CASE("train: for a narrow format, with the losses of the file that will be written") {
  const Checkpoint exact = Trained(OptionsFor(Dtype::kF32, 60), InitialCheckpoint(Small(), 1)).checkpoint;
  for (const Dtype format : {Dtype::kLattice2, Dtype::kLattice4, Dtype::kI4}) {
    const TrainResult rounded = Trained(OptionsFor(format, 0), exact);
    CHECK(rounded.rounded.empty() == (format == Dtype::kI4));
    CHECK(rounded.validation_loss == LossOfFile(rounded, format));
    TrainOptions options = OptionsFor(format, 30);
    const TrainResult trained = Trained(options, exact);
    CHECK(trained.validation_loss < rounded.validation_loss);
    CHECK(trained.validation_loss == LossOfFile(trained, format));
    options.threads = 3;
    CHECK(trained.validation_loss == Trained(options, exact).validation_loss);
    options.trained = false;  // as from the first weights: scales anew at each step
    const TrainResult anew = Trained(options, exact);
    CHECK(anew.rounded.empty());
    CHECK(anew.validation_loss == LossOfFile(anew, format));
  }
  TrainOptions untaught = OptionsFor(Dtype::kF32, 1);
  untaught.recipe.distillation = 1;
  CHECK_FALSE(Train(untaught, exact, Text(), {}).ok());
  TrainOptions options = OptionsFor(Dtype::kLattice2, 60);
  Architecture batch_norm = Small();
  batch_norm.variant.norm = Norm::kBatch;
  CHECK_FALSE(Train(options, InitialCheckpoint(batch_norm, 1), Text(), {}).ok());
}

TEST_CASE("train: lattices and a teacher; to the bit after a checkpoint, and in segments") {
  const Checkpoint exact = Trained(OptionsFor(Dtype::kF32, 60), InitialCheckpoint(Small(), 1)).checkpoint;
  TrainOptions options = OptionsFor(Dtype::kLattice3, 24);
  const double without = Trained(options, exact).validation_loss;
  options.recipe.distillation = 0.5f;
  options.recipe.segments = 2;
  TrainingState middle;
  options.checkpoint_interval = 10;
  options.checkpoint = [&](const TrainingState& state) {
    if (state.step == 10) middle = state;
  };
  const TrainResult whole = Trained(options, exact);
  CHECK(whole.validation_loss != without);
  const auto stored = StateFromBytes(StateToBytes(middle));
  REQUIRE(stored.ok());
  options.resume = &*stored;
  options.threads = 2;
  const TrainResult resumed = Trained(options, exact);
  const auto bytes = WriteModelToString(whole.checkpoint, Dtype::kLattice3, whole.rounded);
  CHECK(*bytes == *WriteModelToString(resumed.checkpoint, Dtype::kLattice3, resumed.rounded));
  CHECK(resumed.validation_loss == whole.validation_loss);
}

}  // namespace
}  // namespace cllm
