// Saved states: what follows a restore has the same bits, the bytes are the same on every target, and no byte
// of them is trusted.
#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <string>

#include "base/sha256.h"
#include "kernels/targets.h"
#include "support/delta_file.h"
#include "support/random_model.h"

namespace cllm {
namespace {

using testing::EveryFormat;
using testing::GuardedRoom;
using testing::MakeModel;
using testing::RandomArchitecture;
using testing::RandomCheckpoint;
using testing::RandomTokens;
using testing::TestSession;

cllm_limits LimitsOf(uint32_t context, uint32_t batch, uint32_t streams, uint32_t kv_format) {
  return {sizeof(cllm_limits), context, batch, streams, kv_format, 0};
}

constexpr uint32_t kFormats[] = {CLLM_KV_F32, CLLM_KV_INT8, CLLM_KV_LATTICE4, CLLM_KV_INT8_LATTICE4};

std::string Save(cllm_session* session, uint32_t stream = 0) {
  uint64_t bytes = 0;
  REQUIRE(cllm_session_save_measure(session, stream, &bytes) == CLLM_OK);
  // One byte off any alignment, as a state in a larger file may be.
  std::string state(bytes + 2, '\x5A');
  REQUIRE(cllm_session_save(session, stream, state.data() + 1, bytes) == CLLM_OK);
  CHECK(state.front() == '\x5A');
  CHECK(state.back() == '\x5A');
  CHECK(cllm_session_save(session, stream, state.data() + 1, bytes - 1) == CLLM_BUFFER_TOO_SMALL);
  return state.substr(1, bytes);
}

Status Restore(cllm_session* session, const std::string& state, uint32_t stream = 0) {
  // A copy of its exact size on the heap, so that the address sanitizer sees a read beyond it.
  const std::vector<char> copy(state.begin(), state.end());
  return cllm_session_restore(session, stream, copy.data(), copy.size());
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return !a.empty() && a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

Architecture SmallArchitecture() {
  Architecture a;
  a.vocabulary_size = 19;
  a.context = 40;
  a.width = 20;
  a.layers = 2;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_size = 8;
  a.hidden = 12;
  return a;
}

ModelFile SmallModel(uint32_t seed = 5) {
  return MakeModel(RandomCheckpoint(SmallArchitecture(), seed), Dtype::kI8);
}

// The state's last 32 bytes made right again, as a forger would.
std::string Sealed(std::string state) {
  Sha256Hasher hasher;
  const size_t covered = state.size() - kSha256Bytes;
  hasher.Add(state.data(), covered);
  hasher.Finish(reinterpret_cast<uint8_t*>(state.data()) + covered);
  return state;
}

TEST_CASE("what follows a restore has the bits of what was never interrupted, in sessions of other limits") {
  std::mt19937 random(3);
  uint32_t trial = 0;
  for (const WeightFormats& format : EveryFormat()) {
    for (const uint32_t kv : kFormats) {
      CAPTURE(++trial);
      Architecture a = RandomArchitecture(random);
      if (kv >= CLLM_KV_LATTICE4) a.head_size = 8 * (1 + trial % 3);
      a.context = 60 + trial;
      const ModelFile file = MakeModel(RandomCheckpoint(a, trial), format);
      const std::vector<uint32_t> tokens = RandomTokens(a.vocabulary_size, a.context, trial);
      for (const uint32_t position : {1u, 15u, 16u, 33u + trial}) {
        CAPTURE(position);
        TestSession whole(file, LimitsOf(position + 20, 7, 1, kv));
        const std::vector<float> before = whole.Feed(tokens, 0, position);
        const std::string state = Save(whole);
        const std::vector<float> after = whole.Feed(tokens, position, position + 20);

        TestSession other(file, LimitsOf(a.context, 5, 3, kv));
        // What was in the session must not shine through.
        REQUIRE(cllm_session_feed(other, tokens.data(), 40) == CLLM_OK);
        REQUIRE(Restore(other, state) == CLLM_OK);
        CHECK(cllm_session_position(other) == position);
        CHECK(SameBits(other.Row(0), before));
        CHECK(Save(other) == state);
        CHECK(SameBits(other.Feed(tokens, position, position + 20), after));
        CHECK(Save(other) == Save(whole));
        CHECK(other.GuardsIntact());
        REQUIRE(Restore(whole, state) == CLLM_OK);
        CHECK(SameBits(whole.Row(0), before));
      }
    }
  }
}

TEST_CASE("every SIMD level writes the same bytes") {
  const ModelFile file = SmallModel();
  const std::vector<uint32_t> tokens = RandomTokens(19, 37, 1);
  for (const uint32_t kv : kFormats) {
    std::set<std::string> states;
    for (int64_t targets = SupportedTargets(); targets != 0; targets &= targets - 1) {
      REQUIRE(UseTarget(TargetName(targets & -targets)));
      TestSession session(file, LimitsOf(0, 0, 0, kv));
      session.Feed(tokens, 0, tokens.size());
      states.insert(Save(session));
    }
    UseTarget(nullptr);
    CHECK(states.size() == 1);
  }
}

TEST_CASE("streams: one's state goes into any other, and the rest stay where they are") {
  const ModelFile file = SmallModel();
  const std::vector<uint32_t> tokens = RandomTokens(19, 40, 1);
  TestSession session(file, LimitsOf(0, 0, 3, CLLM_KV_INT8)), alone(file, LimitsOf(0, 0, 1, CLLM_KV_INT8));
  const cllm_stream_feed feeds[] = {{0, 7, tokens.data()}, {2, 18, tokens.data() + 7}};
  REQUIRE(cllm_session_feed_streams(session, feeds, 2) == CLLM_OK);
  const std::string state = Save(session, 2);
  const std::vector<float> expected = alone.Feed(tokens, 7, 25);
  REQUIRE(Restore(session, state, 1) == CLLM_OK);
  CHECK(cllm_session_stream_position(session, 0) == 7);
  CHECK(cllm_session_stream_position(session, 1) == 18);
  CHECK(cllm_session_stream_position(session, 2) == 18);
  CHECK(SameBits(session.Row(0), expected));
  uint32_t token = 0, other = 0;
  CHECK(cllm_session_next_stream(session, 1, nullptr, &token) == CLLM_OK);
  CHECK(cllm_session_next(alone, nullptr, &other) == CLLM_OK);
  CHECK(token == other);
  CHECK(cllm_session_next_stream(session, 0, nullptr, &token) == CLLM_NO_LOGITS);
  CHECK(Save(session, 1) == state);
  CHECK(Save(session, 0).size() < state.size());

  const std::string empty = Save(TestSession(file, LimitsOf(0, 0, 1, CLLM_KV_INT8)));
  CHECK(Restore(session, empty, 2) == CLLM_OK);
  CHECK(cllm_session_stream_position(session, 2) == 0);
  CHECK(Restore(session, state, 3) == CLLM_STREAM_RANGE);
  uint64_t bytes = 0;
  CHECK(cllm_session_save_measure(session, 3, &bytes) == CLLM_STREAM_RANGE);
}

TEST_CASE("each refusal has its status, and changes nothing") {
  const ModelFile file = SmallModel();
  const std::vector<uint32_t> tokens = RandomTokens(19, 40, 1);
  TestSession session(file, LimitsOf(0, 0, 1, CLLM_KV_F32));
  session.Feed(tokens, 0, 30);
  const std::string state = Save(session);
  const std::vector<float> before = session.Feed(tokens, 30, 35);
  const auto refused = [&](const std::string& bytes) {
    const Status status = Restore(session, bytes);
    CHECK(cllm_session_position(session) == 35);
    CHECK(SameBits(session.Row(0), before));
    return status;
  };
  const auto changed = [&](size_t at, char to) {
    std::string bytes = state;
    bytes[at] = to;
    return Sealed(bytes);
  };
  CHECK(refused(changed(0, 'X')) == CLLM_STATE_NOT_STATE);
  CHECK(refused(changed(4, 0)) == CLLM_STATE_VERSION);
  CHECK(refused(changed(4, 3)) == CLLM_STATE_VERSION);
  CHECK(refused(changed(4, 2)) == CLLM_STATE_DELTA);
  CHECK(refused(changed(104, 1)) == CLLM_STATE_DELTA);
  CHECK(refused(changed(127, 1)) == CLLM_STATE_DELTA);
  CHECK(refused(state + "x") == CLLM_STATE_DAMAGED);
  CHECK(refused(changed(16, 1)) == CLLM_STATE_KV_FORMAT);
  CHECK(refused(changed(16, 77)) == CLLM_STATE_KV_FORMAT);
  CHECK(refused(changed(20, 29)) == CLLM_STATE_DAMAGED);
  CHECK(refused(changed(20, 41)) == CLLM_CONTEXT_FULL);
  CHECK(refused(changed(23, '\xFF')) == CLLM_CONTEXT_FULL);
  for (const size_t at : {24, 28, 32, 36, 40, 71, 72, 103}) {
    CHECK(refused(changed(at, static_cast<char>(state[at] ^ 1))) == CLLM_STATE_MODEL);
  }
  CHECK(refused(changed(128 + 4 * 29, 19)) == CLLM_TOKEN_RANGE);

  // Another model of the same shapes, and the same weights with another configuration.
  const ModelFile strange = SmallModel(6);
  Checkpoint checkpoint = RandomCheckpoint(SmallArchitecture(), 5);
  checkpoint.architecture.norm_epsilon *= 2;
  const ModelFile similar = MakeModel(checkpoint, Dtype::kI8);
  for (const ModelFile* other : {&strange, &similar}) {
    TestSession theirs(*other, LimitsOf(0, 0, 1, CLLM_KV_F32));
    CHECK(Restore(theirs, state) == CLLM_STATE_MODEL);
  }
  TestSession shorter(file, LimitsOf(29, 0, 1, CLLM_KV_F32)), int8(file, LimitsOf(0, 0, 1, CLLM_KV_INT8));
  CHECK(Restore(shorter, state) == CLLM_CONTEXT_FULL);
  CHECK(Restore(int8, state) == CLLM_STATE_KV_FORMAT);
  TestSession just(file, LimitsOf(30, 0, 1, CLLM_KV_F32));
  CHECK(Restore(just, state) == CLLM_OK);
}

TEST_CASE("a state over a delta goes on over that delta alone") {
  const std::vector<testing::DeltaChange> changes = {{Role::kQueryKeyValue, 0, 3, 0.5f},
                                                     {Role::kFinalNorm, 0, 0, 0.0f}};
  const ModelFile plain = SmallModel();
  const std::string delta = testing::RandomDelta(plain.model(), changes, 1).Build();
  std::string similar = delta;
  similar.back() = static_cast<char>(similar.back() ^ 1);  // within the last segment
  const auto over = [](const std::string& bytes) {
    ModelFile file = SmallModel();
    REQUIRE(file.ApplyBytes(bytes, "a delta").ok());
    return file;
  };
  const ModelFile file = over(delta), same = over(delta), another = over(similar);
  const std::vector<uint32_t> tokens = RandomTokens(19, 40, 1);
  for (const uint32_t kv : kFormats) {
    const cllm_limits limits = LimitsOf(0, 0, 1, kv);
    TestSession whole(file, limits), later(same, limits), theirs(another, limits), without(plain, limits);
    whole.Feed(tokens, 0, 20);
    const std::string state = Save(whole);
    REQUIRE(Restore(later, state) == CLLM_OK);
    CHECK(Save(later) == state);
    CHECK(SameBits(later.Feed(tokens, 20, 30), whole.Feed(tokens, 20, 30)));
    CHECK(Restore(theirs, state) == CLLM_STATE_DELTA);
    CHECK(Restore(without, state) == CLLM_STATE_DELTA);
    without.Feed(tokens, 0, 20);
    CHECK(Restore(whole, Save(without)) == CLLM_STATE_DELTA);
    CHECK(SameBits(whole.Row(0), later.Row(0)));
  }
}

TEST_CASE("every byte changed and every truncation is refused") {
  const ModelFile file = SmallModel();
  const std::vector<uint32_t> tokens = RandomTokens(19, 40, 1);
  for (const uint32_t kv : kFormats) {
    TestSession session(file, LimitsOf(0, 0, 1, kv));
    session.Feed(tokens, 0, 5);
    const std::string state = Save(session);
    size_t refused = 0;
    for (size_t at = 0; at < state.size(); ++at) {
      std::string changed = state;
      changed[at] = static_cast<char>(changed[at] ^ (at % 3 == 0 ? 0x01 : at % 3 == 1 ? 0x80 : 0xFF));
      refused += Restore(session, changed) != CLLM_OK ? 1 : 0;
    }
    CHECK(refused == state.size());
    for (size_t length = 1; length < state.size(); ++length) {
      CHECK(Restore(session, state.substr(0, length)) == CLLM_STATE_TRUNCATED);
    }
    CHECK(cllm_session_position(session) == 5);
  }
}

TEST_CASE("whatever a forged state says, the session stays within its bounds") {
  const ModelFile file = SmallModel();
  const std::vector<uint32_t> tokens = RandomTokens(19, 40, 1);
  const cllm_sampling sampling = {sizeof(cllm_sampling), 1.0f, 5, 0.9f, 0.0f, 1.2f, 0, 1};
  std::mt19937 random(11);
  size_t taken = 0;
  for (const uint32_t kv : kFormats) {
    TestSession session(file, LimitsOf(0, 0, 1, kv));
    session.Feed(tokens, 0, 21);
    const std::string state = Save(session);
    for (int trial = 0; trial < 400; ++trial) {
      std::string changed = state;
      const size_t first = trial % 2 == 0 ? 0 : 212, count = 1 + random() % 200;
      for (size_t i = 0; i < count; ++i) {
        changed[first + random() % (trial % 4 == 0 ? 212 : changed.size() - first)] =
            static_cast<char>(random() % 3 == 0 ? 0xFF : random());
        if (trial % 4 == 0) break;
      }
      if (Restore(session, Sealed(changed)) != CLLM_OK) continue;
      ++taken;
      for (int i = 0; i < 3; ++i) {
        uint32_t token = 0;
        REQUIRE(cllm_session_next(session, i % 2 == 0 ? &sampling : nullptr, &token) == CLLM_OK);
        CHECK(token < 19);
        REQUIRE(cllm_session_feed(session, &token, 1) == CLLM_OK);
      }
    }
    CHECK(session.GuardsIntact());
  }
  CHECK(taken > 600);
}

}  // namespace
}  // namespace cllm
