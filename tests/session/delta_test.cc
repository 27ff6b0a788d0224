// Sessions of a model with a delta: near the model into which it is merged, and the same bits for every
// split, number of workers and SIMD level; class A where only adapters were added to integers.
#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <string>

#include "converter/import/read_model.h"
#include "kernels/targets.h"
#include "posix/thread_pool.h"
#include "support/delta_file.h"
#include "support/random_model.h"
#include "support/reference_model.h"

namespace cllm {
namespace {

using testing::DeltaChange;
using testing::EveryFormat;
using testing::Limits;
using testing::MakeModel;
using testing::RandomArchitecture;
using testing::RandomCheckpoint;
using testing::RandomTokens;
using testing::SameBits;
using testing::TestSession;

using Rows = std::vector<std::vector<float>>;

Rows OneByOne(const ModelFile& file, const std::vector<uint32_t>& tokens) {
  TestSession session(file, Limits(0, 1));
  Rows rows;
  for (size_t t = 0; t < tokens.size(); ++t) rows.push_back(session.Feed(tokens, t, t + 1));
  CHECK(session.status == CLLM_OK);
  CHECK(session.GuardsIntact());
  return rows;
}

// Adapters of several ranks on every kind of matrix; with `whole` also tensors in place of others.
std::vector<DeltaChange> Changes(const Architecture& a, bool whole) {
  std::vector<DeltaChange> changes;
  const uint32_t last = a.layers - 1;
  if (whole) changes.push_back({Role::kTokenEmbedding, 0, 0});
  if (whole) changes.push_back({Role::kAttentionNorm, last, 0});
  for (uint32_t l = 0; l < a.layers; ++l) changes.push_back({Role::kQueryKeyValue, l, 2 + l});
  changes.push_back({Role::kAttentionOutput, last, 5});
  changes.push_back({Role::kGateUp, 0, 3});
  changes.push_back({Role::kDown, last, whole ? 0u : 1u});
  if (whole) changes.push_back({Role::kFinalNorm, 0, 0});
  return changes;
}

ModelFile Changed(const Checkpoint& checkpoint, const WeightFormats& format, bool whole, uint32_t seed) {
  ModelFile file = MakeModel(checkpoint, format);
  const auto delta = RandomDelta(file.model(), Changes(checkpoint.architecture, whole), seed);
  REQUIRE(file.ApplyBytes(delta.Build(), "test delta").ok());
  return file;
}

// The reference has the merged weights. Bounds as in forward_test.cc.
TEST_CASE("logits with a delta are those of the merged model") {
  std::mt19937 random(21);
  for (const WeightFormats& format : EveryFormat()) {
    double squares = 0, errors = 0, effect = 0;
    bool floats = false;
    for (uint32_t trial = 0; trial < 8; ++trial) {
      const Architecture a = RandomArchitecture(random);
      const Checkpoint checkpoint = RandomCheckpoint(a, trial);
      const ModelFile plain = MakeModel(checkpoint, format);
      const ModelFile file = Changed(checkpoint, format, trial % 2 == 1, trial);
      floats = !IsInteger(file.model().config.weights);
      const std::vector<uint32_t> tokens = RandomTokens(a.vocabulary_size, a.context, trial);
      const Rows rows = OneByOne(file, tokens), without = OneByOne(plain, tokens);
      const auto expected = reference::Logits(a, reference::Convert<double>(ToCheckpoint(file)), tokens);
      for (size_t t = 0; t < expected.size(); ++t) {
        for (size_t v = 0; v < expected[t].size(); ++v) {
          errors += std::pow(rows[t][v] - expected[t][v], 2);
          effect += std::pow(rows[t][v] - without[t][v], 2);
          squares += std::pow(expected[t][v], 2);
        }
      }
    }
    CHECK(std::sqrt(errors / squares) < (floats ? 1e-5 : 0.05));
    CHECK(std::sqrt(effect / squares) > 0.2);
  }
}

TEST_CASE("a delta's logits have the same bits for every split, workers and SIMD level") {
  std::mt19937 random(22);
  for (uint32_t trial = 0; trial < 3; ++trial) {
    Architecture a = RandomArchitecture(random);
    a.context = 60;
    for (const WeightFormats& format : EveryFormat()) {
      const ModelFile file = Changed(RandomCheckpoint(a, trial), format, trial == 1, trial);
      const std::vector<uint32_t> tokens = RandomTokens(a.vocabulary_size, a.context, trial);
      const Rows expected = OneByOne(file, tokens);
      for (const uint32_t batch : {7u, 32u, 60u}) {
        TestSession every(file, Limits(0, batch, batch));
        for (size_t begin = 0; begin < tokens.size(); begin += batch) {
          const size_t end = std::min(tokens.size(), begin + batch);
          every.Feed(tokens, begin, end);
          for (size_t t = begin; t < end; ++t) {
            CHECK(SameBits(every.Row(static_cast<uint32_t>(t - begin)), expected[t]));
          }
        }
        CHECK(every.GuardsIntact());
      }
      for (int64_t targets = SupportedTargets(); targets != 0; targets &= targets - 1) {
        REQUIRE(UseTarget(TargetName(targets & -targets)));
        TestSession together(file, Limits(0, 60));
        CHECK(SameBits(together.Feed(tokens, 0, tokens.size()), expected.back()));
      }
      UseTarget(nullptr);
    }
  }
}

TEST_CASE("a delta's logits have the same bits for any number of workers") {
  const Architecture a = testing::WideArchitecture();
  for (const WeightFormats& format : EveryFormat()) {
    const ModelFile file = Changed(RandomCheckpoint(a, 7), format, true, 7);
    const std::vector<uint32_t> tokens = RandomTokens(a.vocabulary_size, a.context, 7);
    TestSession alone(file, Limits(0, 40, 40));
    alone.Feed(tokens, 0, 40);
    const std::vector<float> first = alone.Row(3), last = alone.Feed(tokens, 40, 79);
    const std::vector<float> next = alone.Feed(tokens, 79, 80);
    for (const uint32_t threads : {2u, 3u, 5u}) {
      ThreadPool pool(threads);
      TestSession session(file, Limits(0, 40, 40), pool.workers());
      session.Feed(tokens, 0, 40);
      CHECK(SameBits(session.Row(3), first));
      CHECK(SameBits(session.Feed(tokens, 40, 79), last));
      CHECK(SameBits(session.Feed(tokens, 79, 80), next));
      CHECK(session.GuardsIntact());
    }
  }
}

}  // namespace
}  // namespace cllm
