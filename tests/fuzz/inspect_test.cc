// Deterministic changes and truncations of every kind of file, through the fuzzer's target.
#include <random>

#include "doctest/doctest.h"
#include "fuzz/inspect_fuzzer.h"

namespace cllm {
namespace {

TEST_CASE("good files, truncated ones, and random changes of each have words") {
  std::mt19937 random(12);
  for (const std::string& good : testing::GoodInspected()) {
    for (int trial = 0; trial < 60; ++trial) {
      std::string changed = good;
      const size_t range = std::min<size_t>(good.size(), trial % 2 == 0 ? 400 : 4000);
      for (int i = trial == 0 ? 0 : 1 + static_cast<int>(random() % 3); i > 0; --i)
        changed[random() % range] = static_cast<char>(random());
      if (trial % 8 == 1) changed = good.substr(0, 1 + random() % good.size());
      testing::InspectBytes(reinterpret_cast<const uint8_t*>(changed.data()), changed.size());
    }
  }
}

}  // namespace
}  // namespace cllm
