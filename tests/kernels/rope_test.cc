#include "kernels/rope.h"

#include <cmath>

#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Numbers;
using testing::OnEveryTarget;

std::vector<uint64_t> Turns(size_t pairs) {
  std::vector<uint64_t> turns(pairs);
  for (size_t i = 0; i < pairs; ++i) {
    const double rate = std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(pairs));
    turns[i] = static_cast<uint64_t>(rate / (8 * std::atan(1.0)) * 18446744073709551616.0);
  }
  return turns;
}

TEST_CASE("RopeAngles: within 9e-8 at every position, the same bits on every target") {
  std::vector<float> first;
  OnEveryTarget([&](const std::string&) {
    std::vector<float> all;
    for (size_t pairs : {1, 2, 4, 15, 16, 17, 32, 64}) {
      const std::vector<uint64_t> turns = Turns(pairs);
      for (uint32_t position : {0u, 1u, 2u, 255u, 1023u, 100000u, 4294967295u}) {
        std::vector<float> cos_sin(2 * pairs + 1, 9.0f);
        RopeAngles(turns.data(), pairs, position, cos_sin.data());
        CHECK(cos_sin[2 * pairs] == 9.0f);
        for (size_t i = 0; i < pairs; ++i) {
          // The integer product is exact modulo a turn; so is its upper half as a double.
          const uint64_t phase = turns[i] * position;
          const double angle = static_cast<double>(phase >> 11) * std::ldexp(8 * std::atan(1.0), -53);
          CHECK(std::fabs(double{cos_sin[i]} - std::cos(angle)) < 9e-8);
          CHECK(std::fabs(double{cos_sin[pairs + i]} - std::sin(angle)) < 9e-8);
        }
        all.insert(all.end(), cos_sin.begin(), cos_sin.end());
      }
    }
    if (first.empty()) first = all;
    CheckSameBits(all, first);
  });
}

TEST_CASE("Rope rotates pairs of both kinds, bit for bit, and back") {
  OnEveryTarget([](const std::string&) {
    for (size_t pairs = 1; pairs <= 35; ++pairs) {
      const size_t heads = pairs % 3 + 1;
      const std::vector<uint64_t> turns = Turns(pairs);
      std::vector<float> cos_sin(2 * pairs);
      RopeAngles(turns.data(), pairs, 77, cos_sin.data());
      for (const bool halves : {false, true}) {
        for (const bool inverse : {false, true}) {
          const std::vector<float> x = Numbers(pairs, heads * 2 * pairs + 1);
          std::vector<float> got = x, want = x;
          Rope(got.data(), heads, 2 * pairs, pairs, halves, cos_sin.data(), inverse);
          for (size_t head = 0; head < heads; ++head) {
            for (size_t i = 0; i < pairs; ++i) {
              const size_t first = head * 2 * pairs + (halves ? i : 2 * i);
              const size_t second = first + (halves ? pairs : 1);
              const float c = cos_sin[i], s = inverse ? -cos_sin[pairs + i] : cos_sin[pairs + i];
              want[first] = x[first] * c - x[second] * s;
              want[second] = x[second] * c + x[first] * s;
            }
          }
          CheckSameBits(got, want);
          Rope(got.data(), heads, 2 * pairs, pairs, halves, cos_sin.data(), !inverse);
          for (size_t i = 0; i < x.size(); ++i) CHECK(std::fabs(got[i] - x[i]) < 1e-5f);
        }
      }
    }
  });
}

}  // namespace
}  // namespace cllm
