// The forward pass against an independent model in double precision, and against itself: any split into
// feeds, any number of workers and any SIMD level must give the same bits.
#include <doctest/doctest.h>

#include <string>

#include "converter/import/read_model.h"
#include "kernels/targets.h"
#include "posix/thread_pool.h"
#include "support/random_model.h"
#include "support/reference_model.h"
#include "tests/support/rounds.h"

namespace cllm {
namespace {

using testing::EveryFormat;
using testing::Limits;
using testing::MakeModel;
using testing::RandomArchitecture;
using testing::RandomCheckpoint;
using testing::RandomTokens;
using testing::RandomVariant;
using testing::SameBits;
using testing::TestSession;

using Rows = std::vector<std::vector<float>>;

// Logits after every token, fed one by one.
Rows OneByOne(const ModelFile& file, const std::vector<uint32_t>& tokens,
              const cllm_workers* workers = nullptr) {
  TestSession session(file, Limits(0, 1), workers);
  Rows rows;
  for (size_t t = 0; t < tokens.size(); ++t) rows.push_back(session.Feed(tokens, t, t + 1));
  CHECK(session.status == CLLM_OK);
  return rows;
}

double LargestError(const Rows& rows, const std::vector<std::vector<double>>& expected) {
  double error = 0;
  for (size_t t = 0; t < expected.size(); ++t) {
    for (size_t v = 0; v < expected[t].size(); ++v) {
      error = std::max(error, std::abs(rows.at(t).at(v) - expected[t][v]));
    }
  }
  return error;
}

TEST_CASE("float logits agree with the reference model") {
  std::mt19937 random(1);
  for (int trial = 0; trial < testing::Rounds(120); ++trial) {
    const Architecture a = trial % 3 == 0 ? RandomArchitecture(random) : RandomVariant(random);
    const Checkpoint checkpoint = RandomCheckpoint(a, trial);
    const std::vector<uint32_t> tokens = RandomTokens(a.vocabulary_size, a.context, trial);
    const Rows rows = OneByOne(MakeModel(checkpoint, Dtype::kF32), tokens);
    const auto expected = reference::Logits(a, reference::Convert<double>(checkpoint), tokens);
    CAPTURE(trial);
    // Affine norms bound nothing, so that such a model's logits may be of any size.
    double size = 1;
    for (const std::vector<double>& row : expected) {
      for (const double v : row) size = std::max(size, a.variant.norm == Norm::kAffine ? std::abs(v) : 1.0);
    }
    CHECK(LargestError(rows, expected) < 2e-4 * size);
  }
}

// Without rounding of activations in the reference, integers can only be near: the bound is a twentieth of
// the logits' spread, and the kernels' tests hold the integers exactly. The reference has the weights that
// the integers stand for.
// The error of a narrow model's logits, relative to the reference's: squares of both.
struct SquaredError {
  double error = 0, size = 0;
  void Add(const Architecture& a, const WeightFormats& format, uint32_t seed) {
    const ModelFile file = MakeModel(RandomCheckpoint(a, seed), format);
    const std::vector<uint32_t> tokens = RandomTokens(a.vocabulary_size, a.context, seed);
    const Rows rows = OneByOne(file, tokens);
    const auto expected = reference::Logits(a, reference::Convert<double>(ToCheckpoint(file)), tokens);
    for (size_t t = 0; t < expected.size(); ++t) {
      for (size_t v = 0; v < expected[t].size(); ++v) {
        error += std::pow(rows[t][v] - expected[t][v], 2);
        size += std::pow(expected[t][v], 2);
      }
    }
  }
  double relative() const { return std::sqrt(error / size); }
};

// The norm of a single number is its sign, and where that number is nearly zero, rounding the activations
// may turn it, and the logits over with it. int8 and int4 turn none in the models below, a lattice does.
bool IsComparable(const Architecture& a, const WeightFormats& format) {
  return a.width > 1 || !IsLattice(format.Of({Role::kGateUp, 0}));
}

TEST_CASE("narrow logits are near the reference model's") {
  for (const WeightFormats& format : EveryFormat()) {
    std::mt19937 random(2);
    SquaredError sum;
    for (uint32_t trial = 0; trial < 20; ++trial) {
      const Architecture a = RandomArchitecture(random);
      if (IsComparable(a, format)) sum.Add(a, format, trial);
    }
    CHECK(sum.size > 0);
    CHECK(sum.relative() < 0.05);
  }
}

TEST_CASE("narrow logits of other architectures, one by one") {
  for (const WeightFormats& format : EveryFormat()) {
    std::mt19937 random(12);
    for (uint32_t trial = 0; trial < 25; ++trial) {
      Architecture a = RandomVariant(random);
      // Affine norms do not normalise: layer by layer a row's largest number may grow far above the others,
      // and rounding is relative to it.
      if (a.variant.norm == Norm::kAffine) a.layers = 1;
      if (!IsComparable(a, format)) continue;
      SquaredError one;
      one.Add(a, format, trial);
      CAPTURE(trial);
      CAPTURE(static_cast<int>(format.Of({Role::kQueryKeyValue, 0})));
      CAPTURE(a.context);
      CAPTURE(static_cast<int>(a.variant.norm));
      CAPTURE(static_cast<int>(a.variant.activation));
      CAPTURE(a.variant.query_key_norm);
      CHECK(one.relative() < 0.05);
    }
  }
}

TEST_CASE("a bf16 model gives the bits of a float32 model whose weights were rounded") {
  std::mt19937 random(9);
  for (uint32_t trial = 0; trial < 8; ++trial) {
    const Architecture a = RandomArchitecture(random);
    const ModelFile narrow = MakeModel(RandomCheckpoint(a, trial), Dtype::kBf16);
    const ModelFile wide = MakeModel(ToCheckpoint(narrow), Dtype::kF32);
    const std::vector<uint32_t> tokens = RandomTokens(a.vocabulary_size, a.context, trial);
    for (int64_t targets = SupportedTargets(); targets != 0; targets &= targets - 1) {
      const std::string name = TargetName(targets & -targets);
      CAPTURE(name);
      REQUIRE(UseTarget(name.c_str()));
      const Rows rows = OneByOne(narrow, tokens), expected = OneByOne(wide, tokens);
      for (size_t t = 0; t < rows.size(); ++t) CHECK(SameBits(rows[t], expected[t]));
      TestSession together(narrow, Limits(0, a.context));
      CHECK(SameBits(together.Feed(tokens, 0, tokens.size()), expected.back()));
    }
    UseTarget(nullptr);
  }
}

TEST_CASE("any split into feeds and batches gives the same bits") {
  std::mt19937 random(3);
  for (uint32_t trial = 0; trial < 16; ++trial) {
    Architecture a = trial < 10 ? RandomArchitecture(random) : RandomVariant(random);
    a.context = 70 + trial;
    for (const WeightFormats& format : EveryFormat()) {
      const ModelFile file = MakeModel(RandomCheckpoint(a, trial), format);
      const std::vector<uint32_t> tokens = RandomTokens(a.vocabulary_size, a.context, trial);
      const Rows expected = OneByOne(file, tokens);
      for (const uint32_t batch : {2u, 7u, 32u, a.context}) {
        TestSession whole(file, Limits(0, batch));
        CHECK(SameBits(whole.Feed(tokens, 0, tokens.size()), expected.back()));
        TestSession every(file, Limits(0, batch, batch));
        for (size_t begin = 0; begin < tokens.size(); begin += batch) {
          const size_t end = std::min(tokens.size(), begin + batch);
          every.Feed(tokens, begin, end);
          for (size_t t = begin; t < end; ++t) {
            CHECK(SameBits(every.Row(static_cast<uint32_t>(t - begin)), expected[t]));
          }
        }
        TestSession ragged(file, Limits(0, batch));
        for (size_t begin = 0, end = 0; begin < tokens.size(); begin = end) {
          end = std::min(tokens.size(), begin + 1 + random() % 20);
          CHECK(SameBits(ragged.Feed(tokens, begin, end), expected[end - 1]));
        }
      }
    }
  }
}

TEST_CASE("rewinding and feeding again gives the same bits") {
  std::mt19937 random(4);
  Architecture a = RandomArchitecture(random);
  a.context = 90;
  const ModelFile file = MakeModel(RandomCheckpoint(a, 4), Dtype::kI8);
  const std::vector<uint32_t> tokens = RandomTokens(a.vocabulary_size, a.context, 4);
  const std::vector<uint32_t> others = RandomTokens(a.vocabulary_size, a.context, 5);
  const Rows expected = OneByOne(file, tokens);
  TestSession session(file, Limits(0, 16));
  session.Feed(others, 0, others.size());
  for (const uint32_t position : {70u, 33u, 16u, 1u, 0u}) {
    session.status = cllm_session_rewind(session, 0);
    session.Feed(tokens, 0, position + 5);
    session.Feed(others, position + 5, others.size());
    CHECK(cllm_session_rewind(session, position) == CLLM_OK);
    CHECK(cllm_session_position(session) == position);
    CHECK(SameBits(session.Feed(tokens, position, tokens.size()), expected.back()));
  }
}

TEST_CASE("any number of workers gives the same bits") {
  Architecture a = testing::WideArchitecture();
  std::mt19937 random(7);
  const std::vector<WeightFormats> formats = EveryFormat();
  for (size_t i = 0; i < 3 * formats.size(); ++i) {
    if (i >= formats.size()) {
      a.variant = RandomVariant(random).variant;
      a.variant.window_rope = false;  // its turns are for other heads
    }
    const WeightFormats& format = formats[i % formats.size()];
    const ModelFile file = MakeModel(RandomCheckpoint(a, 7), format);
    const std::vector<uint32_t> tokens = RandomTokens(a.vocabulary_size, a.context, 7);
    TestSession alone(file, Limits(0, 40, 40));
    alone.Feed(tokens, 0, 40);
    const std::vector<float> first = alone.Row(3), last = alone.Feed(tokens, 40, 80);
    for (const uint32_t threads : {2u, 3u, 5u}) {
      ThreadPool pool(threads);
      TestSession session(file, Limits(0, 40, 40), pool.workers());
      session.Feed(tokens, 0, 40);
      CHECK(SameBits(session.Row(3), first));
      CHECK(SameBits(session.Feed(tokens, 40, 80), last));
    }
  }
}

TEST_CASE("every SIMD level gives the same bits") {
  std::mt19937 random(8);
  for (uint32_t trial = 0; trial < 10; ++trial) {
    const Architecture a = trial < 5 ? RandomArchitecture(random) : RandomVariant(random);
    const std::vector<uint32_t> tokens = RandomTokens(a.vocabulary_size, a.context, trial);
    for (const WeightFormats& format : EveryFormat()) {
      const ModelFile file = MakeModel(RandomCheckpoint(a, trial), format);
      const Rows expected = OneByOne(file, tokens);
      for (int64_t targets = SupportedTargets(); targets != 0; targets &= targets - 1) {
        const std::string name = TargetName(targets & -targets);
        CAPTURE(name);
        REQUIRE(UseTarget(name.c_str()));
        const Rows rows = OneByOne(file, tokens);
        for (size_t t = 0; t < rows.size(); ++t) CHECK(SameBits(rows[t], expected[t]));
      }
      UseTarget(nullptr);
    }
  }
}

}  // namespace
}  // namespace cllm
