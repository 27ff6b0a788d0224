// Sessions whose keys and values are int8 or on the lattice: the same bits for every split of the tokens and
// on every target, near what a float32 cache gives, and in the rooms that they are for.
#include <doctest/doctest.h>

#include <cmath>

#include "kernels/targets.h"
#include "support/random_model.h"

namespace cllm {
namespace {

using testing::Limits;
using testing::MakeModel;
using testing::RandomArchitecture;
using testing::RandomCheckpoint;
using testing::RandomTokens;
using testing::TestSession;

using Rows = std::vector<std::vector<float>>;

// Logits after every token, `split` tokens a feed.
Rows Run(const ModelFile& file, const std::vector<uint32_t>& tokens, cllm_kv_format kv, uint32_t split) {
  cllm_limits limits = Limits(0, split, split);
  limits.kv_format = kv;
  TestSession session(file, limits);
  Rows rows;
  for (size_t begin = 0; begin < tokens.size(); begin += split) {
    const size_t end = std::min(tokens.size(), begin + split);
    session.Feed(tokens, begin, end);
    for (size_t t = begin; t < end; ++t) rows.push_back(session.Row(static_cast<uint32_t>(t - begin)));
  }
  CHECK(session.status == CLLM_OK);
  CHECK(session.GuardsIntact());
  return rows;
}

bool SameBits(const Rows& a, const Rows& b) {
  if (a.size() != b.size()) return false;
  for (size_t t = 0; t < a.size(); ++t) {
    if (!testing::SameBits(a[t], b[t])) return false;
  }
  return true;
}

// Relative to the float32 cache's logits, the root of the mean squared difference.
double CheckSplitsAndTargets(cllm_kv_format kv) {
  CAPTURE(kv);
  std::mt19937 random(1);
  double difference = 0, squares = 0;
  for (uint32_t trial = 0; trial < 8; ++trial) {
    CAPTURE(trial);
    Architecture a = RandomArchitecture(random);
    a.context = 70 + trial;
    if (kv != CLLM_KV_INT8) a.head_size = 8 * (1 + trial % 4);
    const ModelFile file = MakeModel(RandomCheckpoint(a, trial), trial % 2 ? Dtype::kI8 : Dtype::kF32);
    const std::vector<uint32_t> tokens = RandomTokens(a.vocabulary_size, a.context, trial);
    const Rows expected = Run(file, tokens, kv, 1);
    for (const uint32_t split : {3u, 16u, a.context}) CHECK(SameBits(Run(file, tokens, kv, split), expected));
    for (int64_t targets = SupportedTargets(); targets != 0; targets &= targets - 1) {
      const std::string name = TargetName(targets & -targets);
      CAPTURE(name);
      REQUIRE(UseTarget(name.c_str()));
      CHECK(SameBits(Run(file, tokens, kv, 1), expected));
      CHECK(SameBits(Run(file, tokens, kv, 20), expected));
    }
    UseTarget(nullptr);
    const Rows floats = Run(file, tokens, CLLM_KV_F32, 32);
    for (size_t t = 0; t < expected.size(); ++t) {
      for (size_t v = 0; v < expected[t].size(); ++v) {
        difference += std::pow(double{expected[t][v]} - double{floats[t][v]}, 2);
        squares += std::pow(double{floats[t][v]}, 2);
      }
    }
  }
  CHECK(difference > 0);
  return std::sqrt(difference / squares);
}

TEST_CASE("any split and any SIMD level give the same bits, near those of a float32 cache") {
  CHECK(CheckSplitsAndTargets(CLLM_KV_INT8) < 0.03);
  CHECK(CheckSplitsAndTargets(CLLM_KV_INT8_LATTICE4) < 0.15);
  CHECK(CheckSplitsAndTargets(CLLM_KV_LATTICE4) < 0.17);
}

TEST_CASE("the lattice takes heads of a multiple of 8 numbers, and says so of others") {
  std::mt19937 random(1);
  Architecture a = RandomArchitecture(random);
  for (const uint32_t head_size : {4u, 6u, 8u, 12u, 16u, 18u}) {
    CAPTURE(head_size);
    a.head_size = head_size;
    const ModelFile file = MakeModel(RandomCheckpoint(a, 1), Dtype::kI8);
    for (const cllm_kv_format kv : {CLLM_KV_LATTICE4, CLLM_KV_INT8_LATTICE4}) {
      cllm_limits limits = Limits();
      limits.kv_format = kv;
      uint64_t bytes = 0;
      CHECK(cllm_session_measure(file.handle(), &limits, &bytes) ==
            (head_size % 8 == 0 ? CLLM_OK : CLLM_LIMIT_KV_HEAD_SIZE));
    }
  }
}

TEST_CASE("stories260K in int8: context 128 in 96 KB, 512 in 256 KB") {
  Architecture a;
  a.vocabulary_size = 512;
  a.context = 512;
  a.width = 64;
  a.layers = 5;
  a.heads = 8;
  a.kv_heads = 4;
  a.head_size = 8;
  a.hidden = 172;
  const ModelFile file = MakeModel(RandomCheckpoint(a, 1), Dtype::kI8);
  const auto measure = [&](uint32_t context, uint32_t batch, cllm_kv_format kv = CLLM_KV_INT8) {
    cllm_limits limits = Limits(context, batch);
    limits.kv_format = kv;
    uint64_t bytes = 0;
    CHECK(cllm_session_measure(file.handle(), &limits, &bytes) == CLLM_OK);
    return bytes;
  };
  // The same number on every machine.
  CHECK(measure(128, 0) == 90560);
  CHECK(measure(128, 1) == 63168);
  CHECK(measure(512, 0) == 245696);
  CHECK(measure(512, 0, CLLM_KV_INT8_LATTICE4) == 193344);
  CHECK(measure(512, 0, CLLM_KV_LATTICE4) == 141760);
  CHECK(measure(128, 0) <= 96 * 1024);
  CHECK(measure(512, 0) <= 256 * 1024);
}

}  // namespace
}  // namespace cllm
