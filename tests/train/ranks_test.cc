#include "converter/train/ranks.h"

#include <atomic>
#include <cmath>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "converter/train/configurations.h"
#include "converter/train/train.h"
#include "doctest/doctest.h"
#include "tests/support/thread_ranks.h"
#include "tests/train/small_training.h"

namespace cllm {
namespace {

using testing::Options;
using testing::Small;
using testing::Text;
using testing::ThreadRanks;

// All that a run tells.
struct Told {
  TrainResult result;
  std::vector<std::pair<uint32_t, double>> evaluations;
  std::vector<TrainingState> states;
  uint32_t returns = 0;
};

Told TrainOnce(TrainOptions options) {
  Told told;
  if (options.ranks == nullptr || options.ranks->rank() == 0) {
    options.checkpoint = [&](const TrainingState& state) { told.states.push_back(state); };
  }
  auto result = Train(options, InitialCheckpoint(Small(), 1), Text(), [&](const TrainProgress& progress) {
    if (progress.evaluated) told.evaluations.emplace_back(progress.step, progress.validation_loss);
    told.returns += progress.went_back;
  });
  REQUIRE(result.ok());
  told.result = *std::move(result);
  return told;
}

bool SameWeights(const Checkpoint& a, const Checkpoint& b) {
  for (const auto& [key, tensor] : a.tensors) {
    if (b.tensors.at(key).values != tensor.values) return false;
  }
  return true;
}

void CheckSame(const Told& a, const Told& b) {
  CHECK(SameWeights(a.result.checkpoint, b.result.checkpoint));
  CHECK(a.result.validation_loss == b.result.validation_loss);
  CHECK(a.result.best_step == b.result.best_step);
  CHECK(a.result.steps == b.result.steps);
  CHECK(a.evaluations == b.evaluations);
  CHECK(a.returns == b.returns);
}

// By `count` ranks; what rank 0 tells.
Told TrainTogether(const TrainOptions& options, uint32_t count) {
  std::vector<Told> told(count);
  ThreadRanks::Run(count, [&](Ranks& ranks) {
    TrainOptions own = options;
    own.ranks = &ranks;
    told[ranks.rank()] = TrainOnce(own);
  });
  for (uint32_t r = 1; r < count; ++r) CheckSame(told[r], told[0]);
  return told[0];
}

TEST_CASE("ranks: the same weights, losses and checkpoints as one process") {
  TrainOptions options = Options();
  options.recipe.steps = 20;
  options.recipe.batch = 3;
  options.recipe.accumulate = 2;
  options.recipe.dropout = 0.1f;
  options.recipe.average = 0.9f;
  options.recipe.method = CLLM_MUON;
  options.evaluation_interval = 4;
  options.checkpoint_interval = 10;
  std::vector<Told> alone;
  for (const uint32_t segments : {1u, 2u, 5u, 6u}) {
    CAPTURE(segments);
    options.recipe.segments = segments;
    alone.push_back(TrainOnce(options));
    CHECK(alone.back().states.size() == 2);
    for (const uint32_t count : {1u, 2u, 3u, 4u}) {
      CAPTURE(count);
      const Told together = TrainTogether(options, count);
      CheckSame(together, alone.back());
      REQUIRE(together.states.size() == 2);
      CHECK(together.states[1].weights == alone.back().states[1].weights);
      // Interrupted and resumed, by another number of ranks.
      TrainOptions rest = options;
      rest.resume = &together.states[0];
      CheckSame({TrainTogether(rest, 5 - count).result, {}, {}, 0}, {together.result, {}, {}, 0});
    }
  }
  // Segments are rounded by themselves, and that is all.
  CHECK_FALSE(SameWeights(alone[1].result.checkpoint, alone[0].result.checkpoint));
  CHECK(alone[1].evaluations[0].second == doctest::Approx(alone[0].evaluations[0].second).epsilon(1e-4));
  CHECK(alone[2].result.room_bytes < alone[0].result.room_bytes);
}

TEST_CASE("ranks: all diverge and go back together") {
  TrainOptions options = Options();
  options.recipe.learning_rate = 1e5f;
  options.recipe.segments = 4;
  options.report_interval = 1;
  const Told alone = TrainOnce(options);
  CHECK(alone.returns > 0);
  CheckSame(TrainTogether(options, 3), alone);
}

TEST_CASE("ranks: a stop of one of them stops all after the same step") {
  std::vector<TrainResult> results(3);
  ThreadRanks::Run(3, [&](Ranks& ranks) {
    std::atomic<int> stop{0};
    TrainOptions options = Options();
    options.recipe.segments = 3;
    options.ranks = &ranks;
    options.stop = &stop;
    const auto result = Train(options, InitialCheckpoint(Small(), 1), Text(), [&](const TrainProgress& p) {
      if (ranks.rank() == 2 && p.step == 20) stop = 1;
    });
    results[ranks.rank()] = result.value();
  });
  for (const TrainResult& result : results) {
    CHECK(result.interrupted);
    CHECK(result.steps == 21);
    CHECK(SameWeights(result.checkpoint, results[0].checkpoint));
  }
}

TEST_CASE("ranks: a run by minutes ends for all by the first one's clock") {
  std::vector<TrainResult> results(2);
  ThreadRanks::Run(2, [&](Ranks& ranks) {
    TrainOptions options = Options();
    options.recipe.segments = 2;
    options.minutes = 0.2 / 60;
    options.ranks = &ranks;
    results[ranks.rank()] = Train(options, InitialCheckpoint(Small(), 1), Text(), {}).value();
  });
  CHECK(results[0].steps > 0);
  CHECK(results[0].steps == results[1].steps);
  CHECK(SameWeights(results[0].checkpoint, results[1].checkpoint));
}

TEST_CASE("ranks: an error of one is an error of all, and says whose") {
  const auto errors = [](const std::function<absl::Status(Ranks&)>& body) {
    std::mutex mutex;
    std::multiset<std::string> messages;
    ThreadRanks::Run(3, [&](Ranks& ranks) {
      const absl::Status status = body(ranks);
      const std::lock_guard<std::mutex> lock(mutex);
      messages.insert(std::string(status.message()));
    });
    CHECK(messages.count(*messages.begin()) == 3);
    return *messages.begin();
  };
  const auto fail = [](uint32_t failing) {
    return [failing](Ranks& ranks) {
      return Agree(&ranks, ranks.rank() >= failing ? absl::InternalError("broken") : absl::OkStatus());
    };
  };
  CHECK(errors(fail(0)) == "broken");
  CHECK(errors(fail(1)) == "rank 1: broken");
  CHECK(errors(fail(3)).empty());
  CHECK(Agree(nullptr, absl::InternalError("broken")).message() == "broken");

  const auto train = [](Ranks& ranks, const std::vector<uint32_t>& text, uint64_t seed) {
    TrainOptions options = Options();
    options.ranks = &ranks;
    return Train(options, InitialCheckpoint(Small(), seed), text, {}).status();
  };
  std::vector<uint32_t> other = Text();
  other.back() ^= 1;
  CHECK(errors([&](Ranks& ranks) { return train(ranks, ranks.rank() == 1 ? other : Text(), 1); }) ==
        "rank 1: has other training data than rank 0");
  CHECK(errors([&](Ranks& ranks) { return train(ranks, Text(), ranks.rank()); }) ==
        "rank 1: has other first weights or options than rank 0");
  CHECK(errors([&](Ranks& ranks) {
          return train(ranks, ranks.rank() == 2 ? std::vector<uint32_t>(100, 12) : Text(), 1);
        }).find("rank 2: token 0") == 0);
}

TEST_CASE("train: segments that a step does not have") {
  TrainOptions options = Options();
  for (const uint32_t segments : {0u, 9u}) {
    options.recipe.segments = segments;
    const auto result = Train(options, InitialCheckpoint(Small(), 1), Text(), {});
    CHECK(std::string(result.status().message()).find("1 to 8") != std::string::npos);
  }
}

}  // namespace
}  // namespace cllm
