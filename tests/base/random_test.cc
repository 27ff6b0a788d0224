#include "base/random.h"

#include <cmath>
#include <set>

#include "base/bf16.h"
#include "doctest/doctest.h"

namespace cllm {
namespace {

// The published generator's first numbers for seed 1234567 (rosettacode.org, "Pseudo-random
// numbers/Splitmix64").
TEST_CASE("MixBits is SplitMix64's") {
  constexpr uint64_t kGolden = 0x9E3779B97F4A7C15u;
  CHECK(MixBits(1234567 + kGolden) == 6457827717110365317u);
  CHECK(MixBits(1234567 + 2 * kGolden) == 3203168211198807973u);
  CHECK(MixBits(1234567 + 3 * kGolden) == 9817491932198370423u);
}

TEST_CASE("Random tells seeds, streams and counters apart") {
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    for (uint64_t stream = 0; stream < 20; ++stream) {
      for (uint64_t counter = 0; counter < 20; ++counter) seen.insert(Random(seed, stream, counter));
    }
  }
  CHECK(seen.size() == 8000);
  static_assert(Random(1, RandomStream::kWeights, 3) == Random(1, 2, 3));
}

TEST_CASE("UniformFloat lies in [0, 1) and is uniform") {
  CHECK(UniformFloat(0) == 0.0f);
  CHECK(UniformFloat(~uint64_t{0}) < 1.0f);
  double sum = 0, squares = 0;
  const int count = 100000;
  for (int i = 0; i < count; ++i) {
    const double u = static_cast<double>(UniformFloat(Random(5, 6, static_cast<uint64_t>(i))));
    sum += u;
    squares += u * u;
  }
  // Five standard deviations of the means: 5 * 0.289 / sqrt(n), 5 * 0.298 / sqrt(n).
  CHECK(std::fabs(sum / count - 0.5) < 0.0046);
  CHECK(std::fabs(squares / count - 1.0 / 3) < 0.0048);
}

TEST_CASE("Bf16RoundUp never rounds down") {
  for (float x : {1.0f, 1.0078125f, 1.00000012f, 3.14159f, 1e-30f, 6e20f}) {
    const float rounded = Bf16ToFloat(Bf16RoundUp(x));
    CHECK(rounded >= x);
    CHECK(rounded <= x * 1.0079f);
  }
  CHECK(Bf16ToFloat(Bf16RoundUp(1.0f)) == 1.0f);
}

}  // namespace
}  // namespace cllm
