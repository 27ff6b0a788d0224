// The room: measured to the byte, never left; and every error of the session's interface.
#include <doctest/doctest.h>

#include <cmath>

#include "base/layout.h"
#include "plan/session_plan.h"
#include "support/random_model.h"
#include "tests/support/rounds.h"
#include "tokens/sampler.h"

namespace cllm {
namespace {

using testing::GuardedRoom;
using testing::Limits;
using testing::MakeModel;
using testing::RandomArchitecture;
using testing::RandomCheckpoint;
using testing::RandomTokens;
using testing::RandomVariant;
using testing::TestSession;

cllm_sampling EveryFilter(uint64_t seed) {
  return {sizeof(cllm_sampling), 0.9f, 20, 0.95f, 0.01f, 1.1f, 16, seed};
}

// Feeds streams in turn, some together, until all are full; draws after each call.
void FillStreams(cllm_session* session, const cllm_limits& limits, uint32_t vocabulary_size,
                 std::mt19937& random) {
  const std::vector<uint32_t> tokens = RandomTokens(vocabulary_size, limits.context, random());
  const cllm_sampling sampling = EveryFilter(random());
  for (uint32_t full = 0; full < limits.streams;) {
    std::vector<cllm_stream_feed> feeds;
    uint32_t space = limits.logits_rows == 1 ? limits.context * limits.streams : limits.batch;
    full = 0;
    for (uint32_t s = 0; s < limits.streams; ++s) {
      const uint32_t position = cllm_session_stream_position(session, s);
      full += position == limits.context;
      const uint32_t count = std::min(space, std::min(limits.batch, limits.context - position));
      if (random() % 4 == 0) continue;
      feeds.push_back({s, count, tokens.data() + position});
      space -= count;
    }
    REQUIRE(cllm_session_feed_streams(session, feeds.data(), static_cast<uint32_t>(feeds.size())) == CLLM_OK);
    for (const cllm_stream_feed& feed : feeds) {
      if (feed.count == 0) continue;
      uint32_t token = CLLM_NO_TOKEN;
      CHECK(cllm_session_next_stream(session, feed.stream, &sampling, &token) == CLLM_OK);
      CHECK(token < vocabulary_size);
    }
  }
}

TEST_CASE("1,000 random configurations: one byte short is refused, and a run stays inside the room") {
  std::mt19937 random(1);
  for (int trial = 0; trial < testing::Rounds(1000); ++trial) {
    CAPTURE(trial);
    const Architecture a = trial % 2 ? RandomVariant(random) : RandomArchitecture(random);
    const ModelFile file = MakeModel(RandomCheckpoint(a, trial), trial % 4 == 0   ? Dtype::kF32
                                                                 : trial % 4 == 1 ? Dtype::kI8
                                                                 : trial % 4 == 2 ? Dtype::kI4
                                                                                  : Dtype::kLattice2);
    cllm_limits limits = Limits(1 + random() % a.context);
    const bool eights = a.head_size % 8 == 0;
    limits.kv_format = random() % (eights ? 4 : 2);
    limits.streams = random() % 2 ? 1 + random() % 5 : 1;
    limits.batch = 1 + random() % (limits.context * limits.streams);
    limits.logits_rows = random() % 2 ? limits.batch : 1;
    uint64_t bytes = 0;
    REQUIRE(cllm_session_measure(file.handle(), &limits, &bytes) == CLLM_OK);
    cllm_session* session = nullptr;
    GuardedRoom small(bytes - 1);
    CHECK(cllm_session_create(file.handle(), &limits, nullptr, small.data(), small.bytes(), &session) ==
          CLLM_ROOM_TOO_SMALL);
    CHECK(session == nullptr);
    CHECK(small.GuardsIntact());
    GuardedRoom room(bytes);
    REQUIRE(cllm_session_create(file.handle(), &limits, nullptr, room.data(), room.bytes(), &session) ==
            CLLM_OK);
    FillStreams(session, limits, a.vocabulary_size, random);
    CHECK(room.GuardsIntact());
  }
}

TEST_CASE("the sampler's scratch is planned as the sampler measures it") {
  for (const uint32_t vocabulary : {1u, 15u, 16u, 17u, 512u, 32000u, 128256u}) {
    CHECK(SampleScratchBytes(vocabulary) <= PaddedRow(vocabulary) * kSamplingBytes);
  }
}

// The same numbers on every machine: these were computed on a 64-bit one and must hold on 32-bit ones.
TEST_CASE("rooms have the same size on every machine") {
  Architecture a;
  a.vocabulary_size = 512;
  a.context = 512;
  a.width = 64;
  a.layers = 5;
  a.heads = 8;
  a.kv_heads = 4;
  a.head_size = 8;
  a.hidden = 172;
  const ModelFile floats = MakeModel(RandomCheckpoint(a, 1), Dtype::kF32);
  const ModelFile integers = MakeModel(RandomCheckpoint(a, 1), Dtype::kI8);
  const auto measure = [](const ModelFile& file, cllm_limits limits) {
    uint64_t bytes = 0;
    CHECK(cllm_session_measure(file.handle(), &limits, &bytes) == CLLM_OK);
    return bytes;
  };
  CHECK(measure(floats, Limits()) == 744640);
  CHECK(measure(integers, Limits()) == 751040);
  CHECK(measure(integers, Limits(128, 1)) == 175616);
}

struct Fixture {
  Fixture() : file(MakeModel(RandomCheckpoint(Shape(), 3), Dtype::kF32)) {}
  static Architecture Shape() {
    Architecture a;
    a.vocabulary_size = 20;
    a.context = 24;
    a.width = 16;
    a.layers = 1;
    a.heads = a.kv_heads = 2;
    a.head_size = 8;
    a.hidden = 16;
    return a;
  }
  ModelFile file;
};

TEST_CASE_FIXTURE(Fixture, "limits are checked one by one") {
  uint64_t bytes = 0;
  const auto measure = [&](cllm_limits limits) {
    return cllm_session_measure(file.handle(), &limits, &bytes);
  };
  CHECK(measure(Limits(24)) == CLLM_OK);
  CHECK(measure(Limits(25)) == CLLM_LIMIT_CONTEXT);
  CHECK(measure(Limits(24, 25)) == CLLM_LIMIT_BATCH);
  CHECK(measure(Limits(8, 9)) == CLLM_LIMIT_BATCH);
  CHECK(measure(Limits(24, 8, 8)) == CLLM_OK);
  CHECK(measure(Limits(24, 8, 7)) == CLLM_LIMIT_LOGITS);
  cllm_limits limits = Limits();
  limits.streams = 4096;
  CHECK(measure(limits) == CLLM_OK);
  limits.streams = 4097;
  CHECK(measure(limits) == CLLM_LIMIT_STREAMS);
  limits = Limits(8, 17);
  limits.streams = 2;
  CHECK(measure(limits) == CLLM_LIMIT_BATCH);
  limits.batch = limits.logits_rows = 16;
  CHECK(measure(limits) == CLLM_OK);
  limits = Limits();
  limits.kv_format = 4;
  CHECK(measure(limits) == CLLM_LIMIT_KV_FORMAT);
  limits = Limits();
  limits.struct_size = 4;
  CHECK(measure(limits) == CLLM_STRUCT_SIZE);
  CHECK(cllm_session_measure(nullptr, &limits, &bytes) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_session_measure(file.handle(), &limits, nullptr) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_session_measure(file.handle(), nullptr, &bytes) == CLLM_OK);
}

TEST_CASE_FIXTURE(Fixture, "a room that is not aligned is refused") {
  uint64_t bytes = 0;
  REQUIRE(cllm_session_measure(file.handle(), nullptr, &bytes) == CLLM_OK);
  GuardedRoom room(bytes + 8);
  cllm_session* session = nullptr;
  CHECK(cllm_session_create(file.handle(), nullptr, nullptr, static_cast<char*>(room.data()) + 8, bytes,
                            &session) == CLLM_MISALIGNED);
}

TEST_CASE_FIXTURE(Fixture, "a refused feed changes nothing") {
  TestSession session(file, Limits(0, 4));
  const std::vector<uint32_t> tokens = RandomTokens(20, 24, 1);
  uint32_t token = 0;
  const float* logits = nullptr;
  CHECK(cllm_session_next(session, nullptr, &token) == CLLM_NO_LOGITS);
  CHECK(cllm_session_logits(session, 0, &logits) == CLLM_NO_LOGITS);
  const std::vector<float> before = session.Feed(tokens, 0, 10);
  const uint32_t bad[] = {1, 2, 20};
  CHECK(cllm_session_feed(session, bad, 3) == CLLM_TOKEN_RANGE);
  CHECK(cllm_session_feed(session, tokens.data(), 15) == CLLM_CONTEXT_FULL);
  CHECK(cllm_session_feed(session, nullptr, 1) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_session_feed(session, nullptr, 0) == CLLM_OK);
  CHECK(cllm_session_position(session) == 10);
  CHECK(session.Row(0) == before);
  CHECK(cllm_session_logits(session, 1, &logits) == CLLM_INDEX_RANGE);
  CHECK(cllm_session_rewind(session, 11) == CLLM_POSITION_RANGE);
  CHECK(cllm_session_rewind(session, 10) == CLLM_OK);
  CHECK(cllm_session_next(session, nullptr, &token) == CLLM_NO_LOGITS);
}

TEST_CASE_FIXTURE(Fixture, "with logits of every row a feed is at most a batch") {
  TestSession session(file, Limits(0, 4, 4));
  const std::vector<uint32_t> tokens = RandomTokens(20, 24, 1);
  CHECK(cllm_session_feed(session, tokens.data(), 5) == CLLM_LIMIT_BATCH);
  CHECK(cllm_session_feed(session, tokens.data(), 4) == CLLM_OK);
}

TEST_CASE_FIXTURE(Fixture, "sampling repeats after a rewind, and its numbers are checked") {
  TestSession session(file, Limits());
  const std::vector<uint32_t> tokens = RandomTokens(20, 12, 2);
  const auto draw = [&](uint64_t seed) {
    std::vector<uint32_t> drawn;
    CHECK(cllm_session_rewind(session, 0) == CLLM_OK);
    session.Feed(tokens, 0, tokens.size());
    const cllm_sampling sampling = EveryFilter(seed);
    for (int i = 0; i < 10; ++i) {
      uint32_t token = 0;
      CHECK(cllm_session_next(session, &sampling, &token) == CLLM_OK);
      CHECK(cllm_session_feed(session, &token, 1) == CLLM_OK);
      drawn.push_back(token);
    }
    return drawn;
  };
  CHECK(draw(1) == draw(1));
  CHECK(draw(1) != draw(2));
  uint32_t token = 0;
  cllm_sampling sampling = EveryFilter(1);
  sampling.temperature = std::nanf("");
  CHECK(cllm_session_next(session, &sampling, &token) == CLLM_SAMPLING_RANGE);
  sampling = EveryFilter(1);
  sampling.top_p = 1.5f;
  CHECK(cllm_session_next(session, &sampling, &token) == CLLM_SAMPLING_RANGE);
  sampling = EveryFilter(1);
  sampling.struct_size = 1;
  CHECK(cllm_session_next(session, &sampling, &token) == CLLM_STRUCT_SIZE);
}

}  // namespace
}  // namespace cllm
