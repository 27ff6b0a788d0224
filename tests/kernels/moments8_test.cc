#include "kernels/moments8.h"

#include <cmath>

#include "base/bf16.h"
#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Numbers;
using testing::OnEveryTarget;

constexpr AdamWStep kStep = {0.02f, 0.999f, 0.9f, 0.99f, 3.0f, 1e-8f, 0.5f};

TEST_CASE("a step with moments in bytes is AdamW's from the moments that the bytes stand for") {
  OnEveryTarget([](const std::string&) {
    for (const size_t n : {16u, 48u, 64u, 80u, 208u}) {
      std::vector<float> p = Numbers(1, n), want = p, m(n), v(n);
      std::vector<int8_t> means(n);
      std::vector<uint8_t> roots(n);
      std::vector<uint16_t> scales(n / 8);
      for (int step = 0; step < 5; ++step) {
        std::vector<float> gradient = Numbers(10 + step, n);
        gradient[3] = 0.0f;
        std::vector<float> same = gradient;
        AdamW8(kStep, n, p.data(), gradient.data(), {means.data(), roots.data(), scales.data()});
        AdamW(kStep, n, want.data(), same.data(), m.data(), v.data());
        CheckSameBits(p, want);
        CheckSameBits(gradient, same);
        for (size_t block = 0; block < n; block += 16) {
          const float mean_scale = Bf16ToFloat(scales[block / 8]),
                      root_scale = Bf16ToFloat(scales[block / 8 + 1]);
          float largest_mean = 0, largest_root = 0;
          for (size_t i = block; i < block + 16; ++i) {
            largest_mean = std::max(largest_mean, std::abs(m[i]));
            largest_root = std::max(largest_root, std::sqrt(v[i]));
          }
          CHECK(mean_scale >= largest_mean / 127);
          CHECK(mean_scale <= largest_mean / 127 * 1.008f);
          CHECK(root_scale >= largest_root / 255);
          CHECK(root_scale <= largest_root / 255 * 1.008f);
          for (size_t i = block; i < block + 16; ++i) {
            const float mean = static_cast<float>(means[i]) * mean_scale;
            const float root = static_cast<float>(roots[i]) * root_scale;
            CHECK(std::abs(mean - m[i]) <= 0.501f * mean_scale);
            CHECK(root >= std::sqrt(v[i]) * 0.999999f);
            CHECK(root <= std::sqrt(v[i]) + 1.001f * root_scale);
            m[i] = mean;  // the next step starts from what was kept
            v[i] = root * root;
          }
        }
      }
    }
  });
}

TEST_CASE("blocks of zeros stay zero") {
  std::vector<float> p(32, 1.0f), gradient(32, 0.0f);
  std::vector<int8_t> means(32);
  std::vector<uint8_t> roots(32);
  std::vector<uint16_t> scales(4);
  gradient[20] = 1e-25f;
  AdamW8({0.1f, 1.0f, 0.9f, 0.99f, 100.0f, 1e-8f, 1.0f}, 32, p.data(), gradient.data(),
         {means.data(), roots.data(), scales.data()});
  for (const int8_t x : means) CHECK(x == 0);
  for (const uint8_t x : roots) CHECK(x == 0);
  for (const uint16_t x : scales) CHECK(x == 0);
}

}  // namespace
}  // namespace cllm
