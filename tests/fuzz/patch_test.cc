// Deterministic mutations of a patch through the fuzzer's target; tests/update has those that must fail.
#include <map>
#include <random>

#include "doctest/doctest.h"
#include "fuzz/patch_fuzzer.h"

namespace cllm {
namespace {

TEST_CASE("random changes of several bytes") {
  std::mt19937 random(9);
  std::map<Status, int> counts;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string changed = testing::GoodPatch();
    for (uint32_t i = 1 + random() % 4; i > 0; --i) {
      changed[random() % (trial % 2 == 0 ? 130 : changed.size())] = static_cast<char>(random());
    }
    ++counts[testing::ApplyToOld(reinterpret_cast<const uint8_t*>(changed.data()), changed.size())];
  }
  CHECK(counts[CLLM_PATCH_DAMAGED] > 500);
  CHECK(counts.size() >= 5);
}

}  // namespace
}  // namespace cllm
