// Deterministic mutations of saved states through the fuzzer's target; those that must fail.
#include <map>
#include <random>

#include "doctest/doctest.h"
#include "fuzz/state_fuzzer.h"

namespace cllm {
namespace {

Status Restore(const std::string& state) {
  return testing::RestoreAndRun(reinterpret_cast<const uint8_t*>(state.data()), state.size());
}

constexpr uint8_t kInt8Cache = 1, kOverDelta = 2, kSealed = 4;

TEST_CASE("states that must fail, each with its status") {
  for (uint8_t first = 0; first < 8; ++first) {
    CAPTURE(first);
    const std::string& good = testing::GoodState(first);
    REQUIRE(Restore(good) == CLLM_OK);
    const auto with = [&](size_t at, int value) {
      std::string changed = good;
      changed[1 + at] = static_cast<char>(value);
      return Restore(changed);
    };
    const auto sealed = [&](Status status) { return (first & kSealed) != 0 ? status : CLLM_STATE_DAMAGED; };
    CHECK(Restore("") == CLLM_STATE_TRUNCATED);
    CHECK(Restore(good.substr(0, 1)) == CLLM_STATE_TRUNCATED);
    CHECK(Restore(good.substr(0, good.size() - 1)) == CLLM_STATE_TRUNCATED);
    CHECK(Restore(good + "x") == CLLM_STATE_DAMAGED);
    CHECK(with(0, 'X') == CLLM_STATE_NOT_STATE);
    CHECK(with(4, 9) == CLLM_STATE_VERSION);
    CHECK(with(20, 4) == sealed(CLLM_STATE_DAMAGED));
    CHECK(with(23, 1) == sealed(CLLM_CONTEXT_FULL));
    CHECK(with(40, good[41] ^ 1) == sealed(CLLM_STATE_MODEL));
    CHECK(with(104, good[105] ^ 1) == sealed(CLLM_STATE_DELTA));
    CHECK(with(129, 2) == sealed(CLLM_TOKEN_RANGE));
    // Of the other cache, of the model with the delta or without it.
    std::string other = good;
    other[0] = static_cast<char>(first ^ kInt8Cache);
    CHECK(Restore(other) == CLLM_STATE_KV_FORMAT);
    other[0] = static_cast<char>(first ^ kOverDelta);
    CHECK(Restore(other) == CLLM_STATE_DELTA);
  }
}

TEST_CASE("random changes of several bytes, sealed and not, and truncated") {
  std::mt19937 random(5);
  std::map<Status, int> counts;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string changed = testing::GoodState(static_cast<uint8_t>(trial % 8));
    const size_t range = trial % 3 == 0 ? changed.size() - 1 : 147;  // the head, and the tokens
    for (uint32_t i = 1 + random() % 4; i > 0; --i) {
      changed[1 + random() % range] = static_cast<char>(random() % 3 == 0 ? 0xFF : random());
    }
    if (trial % 32 == 0) changed.resize(random() % changed.size());
    ++counts[Restore(changed)];
  }
  CHECK(counts[CLLM_OK] > 50);
  CHECK(counts.size() >= 7);
}

}  // namespace
}  // namespace cllm
