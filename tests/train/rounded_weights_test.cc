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

// The model that a file in this format holds.
Checkpoint ThroughFile(const Checkpoint& checkpoint, Dtype format) {
  const auto bytes = WriteModelToString(checkpoint, format);
  REQUIRE(bytes.ok());
  const auto file = ModelFile::FromBytes(*bytes, "narrow");
  REQUIRE(file.ok());
  return ToCheckpoint(*file);
}

TEST_CASE("train: for a narrow format, with the losses of the file that will be written") {
  const auto train = [](const Checkpoint& initial, Dtype format, uint32_t steps, uint32_t threads = 1) {
    TrainOptions options = Options();
    options.format = format;
    options.recipe.steps = steps;
    options.threads = threads;
    auto result = Train(options, initial, Text(), {});
    REQUIRE(result.ok());
    return *std::move(result);
  };
  const Checkpoint exact = train(InitialCheckpoint(Small(), 1), Dtype::kF32, 60).checkpoint;
  for (const Dtype format : {Dtype::kLattice2, Dtype::kI4}) {
    const double rounded = train(exact, format, 0).validation_loss;
    CHECK(rounded == train(ThroughFile(exact, format), Dtype::kF32, 0).validation_loss);
    const TrainResult trained = train(exact, format, 30);
    CHECK(trained.validation_loss < rounded);
    CHECK(trained.validation_loss ==
          train(ThroughFile(trained.checkpoint, format), Dtype::kF32, 0).validation_loss);
    CHECK(trained.validation_loss == train(exact, format, 30, 3).validation_loss);
  }
  TrainOptions options = Options();
  options.format = Dtype::kLattice2;
  Architecture batch_norm = Small();
  batch_norm.variant.norm = Norm::kBatch;
  CHECK_FALSE(Train(options, InitialCheckpoint(batch_norm, 1), Text(), {}).ok());
}

}  // namespace
}  // namespace cllm
