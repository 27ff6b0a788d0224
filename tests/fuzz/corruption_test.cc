// Every single-byte change and every truncation of a small model, a delta, a state and a patch: what is still
// taken runs to a normal end. A stride in the suite; all of it where $CLLM_EXHAUSTIVE is set (some minutes
// under the sanitizers), counts printed.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "doctest/doctest.h"
#include "fuzz/delta_fuzzer.h"
#include "fuzz/open_fuzzer.h"
#include "fuzz/patch_fuzzer.h"
#include "fuzz/state_fuzzer.h"

namespace cllm {
namespace {

using Target = std::function<Status(const uint8_t* data, size_t size)>;

struct Counts {
  size_t taken = 0, refused = 0;
};

Counts Corrupt(const char* name, const std::string& good, const Target& target, size_t stride) {
  const auto run = [&target](const std::string& bytes) {
    return target(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  };
  REQUIRE(run(good) == CLLM_OK);
  const bool all = std::getenv("CLLM_EXHAUSTIVE") != nullptr;
  const size_t step = all ? 1 : stride;
  Counts counts;
  for (size_t at = 0; at < good.size(); at += step) {
    std::string changed = good;
    for (const int mask : {0x01, 0x80, 0xFF, 0x2A}) {
      if (!all && static_cast<size_t>(mask) % 4 != at / step % 4) continue;
      changed[at] = static_cast<char>(good[at] ^ mask);
      ++(run(changed) == CLLM_OK ? counts.taken : counts.refused);
    }
    ++(run(good.substr(0, at)) == CLLM_OK ? counts.taken : counts.refused);
  }
  std::printf("%s: %zu bytes, %zu changes and truncations: %zu refused, %zu ran\n", name, good.size(),
              counts.taken + counts.refused, counts.refused, counts.taken);
  return counts;
}

TEST_CASE("a model") {
  for (unsigned seed = 0; seed < testing::kGoodModels; ++seed) {
    const Counts counts = Corrupt("model", testing::GoodModel(seed), testing::OpenAndRun, 97);
    CHECK(counts.refused > counts.taken / 100);
  }
}

TEST_CASE("a delta") { CHECK(Corrupt("delta", testing::GoodDelta(), testing::ApplyAndRun, 29).refused > 10); }

TEST_CASE("a state, as it is and with its digest made right") {
  for (const uint8_t first : {0, 1, 4, 7}) {
    const std::string& good = testing::GoodState(first);
    const Counts counts = Corrupt(
        "state", good.substr(1),
        [first](const uint8_t* data, size_t size) {
          std::string state(1, static_cast<char>(first));
          state.append(reinterpret_cast<const char*>(data), size);
          return testing::RestoreAndRun(reinterpret_cast<const uint8_t*>(state.data()), state.size());
        },
        53);
    if (first < 4) CHECK(counts.taken == 0);
  }
}

TEST_CASE("a patch: nothing that was changed gives another file") {
  const Counts counts = Corrupt("patch", testing::GoodPatch(), testing::ApplyToOld, 3);
  CHECK(counts.refused > 100);
}

}  // namespace
}  // namespace cllm
