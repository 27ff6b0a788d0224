// Streams: whatever shares a session and a call with it, a stream's logits and tokens are, to the bit, those
// of a session of its own.
#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "posix/thread_pool.h"
#include "support/random_model.h"

namespace cllm {
namespace {

using testing::Limits;
using testing::MakeModel;
using testing::RandomArchitecture;
using testing::RandomCheckpoint;
using testing::RandomTokens;
using testing::RandomVariant;
using testing::SameBits;
using testing::TestSession;

using Rows = std::vector<std::vector<float>>;

cllm_limits StreamLimits(uint32_t streams, uint32_t context, uint32_t batch, uint32_t logits_rows = 0) {
  cllm_limits limits = Limits(context, batch, logits_rows);
  limits.streams = streams;
  return limits;
}

// Logits after every token of a session of its own.
Rows Alone(const ModelFile& file, const std::vector<uint32_t>& tokens, cllm_kv_format kv) {
  const auto count = static_cast<uint32_t>(tokens.size());
  cllm_limits limits = Limits(0, count, count);
  limits.kv_format = kv;
  TestSession session(file, limits);
  Rows rows = {session.Feed(tokens, 0, count)};
  for (uint32_t t = 1; t < count; ++t) rows.push_back(session.Row(t));
  REQUIRE(session.status == CLLM_OK);
  return rows;
}

// Streams with texts of their own, and what each must give.
struct Texts {
  Texts(const ModelFile& file, uint32_t streams, uint32_t vocabulary_size, uint32_t length,
        cllm_kv_format kv = CLLM_KV_F32) {
    for (uint32_t s = 0; s < streams; ++s) {
      tokens.push_back(RandomTokens(vocabulary_size, length, 100 + s));
      rows.push_back(Alone(file, tokens[s], kv));
    }
  }
  cllm_stream_feed Feed(uint32_t stream, uint32_t position, uint32_t count) const {
    return {stream, count, tokens[stream].data() + position};
  }
  std::vector<std::vector<uint32_t>> tokens;
  std::vector<Rows> rows;
};

cllm_status FeedStreams(cllm_session* session, const std::vector<cllm_stream_feed>& feeds) {
  return cllm_session_feed_streams(session, feeds.data(), static_cast<uint32_t>(feeds.size()));
}

// Feeds of random lengths to random streams, with a rewind now and then, in a random order of streams; every
// row of logits that there is, and each token drawn, is held against the stream alone.
void RunAtRandom(const ModelFile& file, const Texts& texts, const cllm_limits& limits,
                 const cllm_workers* workers, std::mt19937& random) {
  TestSession session(file, limits, workers);
  REQUIRE(session.status == CLLM_OK);
  const bool every_row = limits.logits_rows > 1;
  for (int call = 0; call < 12; ++call) {
    std::vector<uint32_t> order(limits.streams);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    std::vector<cllm_stream_feed> feeds;
    std::vector<uint32_t> starts;
    uint32_t space = every_row ? limits.batch : 1u << 20;
    const uint32_t longest = random() % 3 == 0 ? 1 : 25;
    for (const uint32_t s : order) {
      uint32_t position = cllm_session_stream_position(session, s);
      if (random() % 3 == 0) {
        position = random() % (position + 1);
        CHECK(cllm_session_rewind_stream(session, s, position) == CLLM_OK);
      }
      const auto wanted = static_cast<uint32_t>(1 + random() % longest);
      const uint32_t count = std::min({space, limits.context - position, wanted});
      if (random() % 5 == 0) continue;
      feeds.push_back(texts.Feed(s, position, count));
      starts.push_back(position);
      space -= count;
    }
    REQUIRE(FeedStreams(session, feeds) == CLLM_OK);
    uint32_t row = 0;
    for (size_t f = 0; f < feeds.size(); ++f) {
      const auto& [stream, count, tokens] = feeds[f];
      CHECK(cllm_session_stream_position(session, stream) == starts[f] + count);
      if (count == 0) continue;
      for (uint32_t t = every_row ? 0 : count - 1; t < count; ++t) {
        CHECK(SameBits(session.Row(row++), texts.rows[stream][starts[f] + t]));
      }
      const std::vector<float>& last = texts.rows[stream][starts[f] + count - 1];
      uint32_t token = CLLM_NO_TOKEN;
      CHECK(cllm_session_next_stream(session, stream, nullptr, &token) == CLLM_OK);
      CHECK(token == std::max_element(last.begin(), last.end()) - last.begin());
    }
    const float* logits = nullptr;
    if (row > 0) CHECK(cllm_session_logits(session, row, &logits) == CLLM_INDEX_RANGE);
  }
  CHECK(session.GuardsIntact());
}

TEST_CASE("streams of random models, lengths, rewinds and workers equal sessions of their own") {
  std::mt19937 random(1);
  ThreadPool two(2), three(3);
  const cllm_workers* const workers[] = {nullptr, two.workers(), three.workers()};
  for (uint32_t trial = 0; trial < 40; ++trial) {
    CAPTURE(trial);
    Architecture a = trial % 4 < 2 ? RandomArchitecture(random) : RandomVariant(random);
    a.context = 60;
    const ModelFile file = MakeModel(RandomCheckpoint(a, trial), trial % 2 ? Dtype::kI8 : Dtype::kF32);
    const uint32_t streams = 1 + random() % 9;
    const auto kv = static_cast<cllm_kv_format>(random() % (a.head_size % 8 == 0 ? 4 : 2));
    const Texts texts(file, streams, a.vocabulary_size, a.context, kv);
    for (const cllm_workers* some : workers) {
      const uint32_t batch = 1 + random() % (40 * streams);
      const uint32_t most = std::min(batch, a.context * streams);
      cllm_limits last = StreamLimits(streams, a.context, most),
                  all = StreamLimits(streams, a.context, most, most);
      last.kv_format = all.kv_format = kv;
      RunAtRandom(file, texts, last, some, random);
      RunAtRandom(file, texts, all, some, random);
    }
  }
}

TEST_CASE("workers: streams of a larger model") {
  const Architecture a = testing::WideArchitecture();
  std::mt19937 random(2);
  for (const Dtype format : {Dtype::kF32, Dtype::kI8}) {
    const ModelFile file = MakeModel(RandomCheckpoint(a, 7), format);
    const Texts texts(file, 8, a.vocabulary_size, a.context);
    for (const uint32_t threads : {1u, 2u, 3u}) {
      CAPTURE(threads);
      ThreadPool pool(threads);
      for (const std::vector<uint32_t>& lengths : {std::vector<uint32_t>{80, 80, 80, 80, 80, 80, 80, 80},
                                                   {1, 1, 1, 1, 1, 1, 1, 1},
                                                   {70, 1, 1, 1, 1, 1, 1, 1},
                                                   {3, 1, 80, 30, 17, 16, 64, 65}}) {
        for (const uint32_t logits_rows : {1u, 640u}) {
          TestSession session(file, StreamLimits(8, 80, 640, logits_rows), pool.workers());
          std::vector<cllm_stream_feed> feeds;
          for (uint32_t s = 0; s < 8; ++s) feeds.push_back(texts.Feed(s, 0, lengths[s]));
          REQUIRE(FeedStreams(session, feeds) == CLLM_OK);
          uint32_t row = 0;
          for (uint32_t s = 0; s < 8; ++s) {
            for (uint32_t t = logits_rows == 1 ? lengths[s] - 1 : 0; t < lengths[s]; ++t) {
              CHECK(SameBits(session.Row(row++), texts.rows[s][t]));
            }
          }
        }
      }
      RunAtRandom(file, texts, StreamLimits(8, 80, 200), pool.workers(), random);
    }
  }
}

struct Fixture {
  Fixture() : file(MakeModel(RandomCheckpoint(Shape(), 3), Dtype::kI8)), texts(file, 3, 20, 24) {}
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
  Texts texts;
};

TEST_CASE_FIXTURE(Fixture, "a refused call changes no stream") {
  TestSession session(file, StreamLimits(3, 24, 8));
  REQUIRE(FeedStreams(session, {texts.Feed(0, 0, 5), texts.Feed(2, 0, 7)}) == CLLM_OK);
  const uint32_t bad[] = {1, 20};
  CHECK(FeedStreams(session, {texts.Feed(0, 5, 2), {3, 1, bad}}) == CLLM_STREAM_RANGE);
  CHECK(FeedStreams(session, {texts.Feed(1, 0, 2), texts.Feed(0, 5, 1), texts.Feed(1, 2, 1)}) ==
        CLLM_STREAM_REPEATED);
  CHECK(FeedStreams(session, {texts.Feed(1, 0, 2), {0, 2, bad}}) == CLLM_TOKEN_RANGE);
  CHECK(FeedStreams(session, {texts.Feed(1, 0, 2), texts.Feed(2, 7, 18)}) == CLLM_CONTEXT_FULL);
  CHECK(FeedStreams(session, {texts.Feed(1, 0, 2), {0, 1, nullptr}}) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_session_feed_streams(session, nullptr, 1) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_session_feed_streams(nullptr, nullptr, 0) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_session_feed_streams(session, nullptr, 0) == CLLM_OK);
  CHECK(FeedStreams(session, {{1, 0, nullptr}}) == CLLM_OK);
  const uint32_t positions[] = {5, 0, 7, 0};
  for (uint32_t s = 0; s < 4; ++s) CHECK(cllm_session_stream_position(session, s) == positions[s]);
  CHECK(cllm_session_stream_position(nullptr, 0) == 0);
  CHECK(SameBits(session.Row(0), texts.rows[0][4]));
  CHECK(SameBits(session.Row(1), texts.rows[2][6]));
}

TEST_CASE_FIXTURE(Fixture, "with logits of every row a call is at most a batch") {
  TestSession session(file, StreamLimits(3, 24, 8, 8));
  CHECK(FeedStreams(session, {texts.Feed(0, 0, 5), texts.Feed(1, 0, 4)}) == CLLM_LIMIT_BATCH);
  CHECK(FeedStreams(session, {texts.Feed(0, 0, 5), texts.Feed(1, 0, 3)}) == CLLM_OK);
}

TEST_CASE_FIXTURE(Fixture, "logits are those of the last call, and go with a rewind of their stream") {
  TestSession session(file, StreamLimits(3, 24, 8));
  uint32_t token = 0;
  const float* logits = nullptr;
  REQUIRE(FeedStreams(session, {texts.Feed(1, 0, 9), texts.Feed(0, 0, 5), texts.Feed(2, 0, 1)}) == CLLM_OK);
  CHECK(cllm_session_rewind_stream(session, 0, 6) == CLLM_POSITION_RANGE);
  CHECK(cllm_session_rewind_stream(session, 3, 0) == CLLM_STREAM_RANGE);
  CHECK(cllm_session_rewind_stream(nullptr, 0, 0) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_session_rewind_stream(session, 0, 5) == CLLM_OK);
  CHECK(cllm_session_logits(session, 1, &logits) == CLLM_NO_LOGITS);
  CHECK(cllm_session_next_stream(session, 0, nullptr, &token) == CLLM_NO_LOGITS);
  CHECK(cllm_session_next_stream(session, 3, nullptr, &token) == CLLM_STREAM_RANGE);
  CHECK(cllm_session_next_stream(session, 1, nullptr, &token) == CLLM_OK);
  CHECK(SameBits(session.Row(0), texts.rows[1][8]));
  CHECK(SameBits(session.Row(2), texts.rows[2][0]));
  REQUIRE(FeedStreams(session, {texts.Feed(0, 5, 1)}) == CLLM_OK);
  CHECK(SameBits(session.Row(0), texts.rows[0][5]));
  CHECK(cllm_session_next_stream(session, 1, nullptr, &token) == CLLM_NO_LOGITS);
  CHECK(cllm_session_logits(session, 1, &logits) == CLLM_INDEX_RANGE);
}

TEST_CASE_FIXTURE(Fixture,
                  "the calls without a stream are those of stream 0, and draws follow a stream's text") {
  TestSession session(file, StreamLimits(3, 24, 8)), alone(file, Limits(24, 8));
  const cllm_sampling sampling = {sizeof(cllm_sampling), 0.8f, 0, 0.0f, 0.0f, 1.3f, 0, 11};
  std::vector<uint32_t> next(3);
  REQUIRE(FeedStreams(session, {texts.Feed(1, 0, 4), texts.Feed(2, 0, 6)}) == CLLM_OK);
  alone.Feed(texts.tokens[2], 0, 6);
  for (int i = 0; i < 10; ++i) {
    uint32_t want = CLLM_NO_TOKEN;
    for (const uint32_t s : {1u, 2u}) {
      CHECK(cllm_session_next_stream(session, s, &sampling, &next[s]) == CLLM_OK);
    }
    CHECK(cllm_session_next(alone, &sampling, &want) == CLLM_OK);
    CHECK(next[2] == want);
    CHECK(FeedStreams(session, {{1, 1, &next[1]}, {2, 1, &next[2]}}) == CLLM_OK);
    CHECK(cllm_session_feed(alone, &want, 1) == CLLM_OK);
  }
  CHECK(SameBits(session.Feed(texts.tokens[0], 0, 9), texts.rows[0][8]));
  CHECK(cllm_session_position(session) == 9);
  uint32_t token = CLLM_NO_TOKEN;
  CHECK(cllm_session_next(session, nullptr, &token) == CLLM_OK);
  CHECK(cllm_session_rewind(session, 3) == CLLM_OK);
  CHECK(cllm_session_stream_position(session, 0) == 3);
  CHECK(cllm_session_stream_position(session, 1) == 14);
}

}  // namespace
}  // namespace cllm
