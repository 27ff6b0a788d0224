// Deterministic mutations of a delta through the fuzzer's target.
#include <map>
#include <random>

#include "doctest/doctest.h"
#include "fuzz/delta_fuzzer.h"

namespace cllm {
namespace {

Status Apply(const std::string& delta) {
  return testing::ApplyAndRun(reinterpret_cast<const uint8_t*>(delta.data()), delta.size());
}

TEST_CASE("every byte of a delta's head changed, at random places, and truncated") {
  const std::string& good = testing::GoodDelta();
  REQUIRE(Apply(good) == CLLM_OK);
  constexpr size_t kHead = 320;  // and the first of the segments
  std::map<Status, int> counts;
  for (size_t at = 0; at < kHead; ++at) {
    for (const int change : {0x01, 0x04, 0x10, 0x40, 0x80, 0xFF}) {
      std::string changed = good;
      changed[at] = static_cast<char>(changed[at] ^ change);
      ++counts[Apply(changed)];
    }
  }
  CHECK(counts.size() >= 8);
  std::mt19937 random(5);
  for (int trial = 0; trial < 1500; ++trial) {
    std::string changed = good;
    const size_t range = trial % 4 == 0 ? good.size() : kHead;
    for (uint32_t i = 1 + random() % 8; i > 0; --i) changed[random() % range] = static_cast<char>(random());
    if (trial % 8 == 0) changed.resize(random() % good.size());
    const Status status = Apply(changed);
    if (changed.size() < good.size()) CHECK(status != CLLM_OK);
  }
}

}  // namespace
}  // namespace cllm
