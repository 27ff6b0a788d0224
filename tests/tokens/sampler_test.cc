// Sampling: each filter against a plain one in double, draws against probabilities, and hostile logits.
#include "tokens/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "base/layout.h"
#include "tests/support/rounds.h"

namespace cllm {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

cllm_sampling Sampling(float temperature) {
  cllm_sampling sampling = {};
  sampling.struct_size = sizeof(sampling);
  sampling.temperature = temperature;
  return sampling;
}

// Scratch of exactly the promised size, on the heap.
class Scratch {
 public:
  explicit Scratch(uint32_t count) : data_(std::aligned_alloc(kAlignment, SampleScratchBytes(count))) {}
  ~Scratch() { std::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* data() { return data_; }

 private:
  void* data_;
};

uint32_t Draw(const cllm_sampling& sampling, const std::vector<float>& logits, uint32_t position,
              const std::vector<uint32_t>& history = {}) {
  const uint32_t count = static_cast<uint32_t>(logits.size());
  Scratch scratch(count);
  uint32_t token = count;
  REQUIRE(Sample(sampling, logits.data(), count, history.data(), static_cast<uint32_t>(history.size()),
                 position, scratch.data(), &token) == CLLM_OK);
  REQUIRE(token < count);
  return token;
}

std::set<uint32_t> Survivors(const cllm_sampling& sampling, const std::vector<float>& logits,
                             const std::vector<uint32_t>& history = {}) {
  const uint32_t count = static_cast<uint32_t>(logits.size());
  Scratch scratch(count);
  const uint64_t* candidates = nullptr;
  const uint32_t survivors =
      FilterCandidates(sampling, logits.data(), count, history.data(), static_cast<uint32_t>(history.size()),
                       scratch.data(), &candidates);
  std::set<uint32_t> tokens;
  for (uint32_t i = 0; i < survivors; ++i) tokens.insert(CandidateToken(candidates[i]));
  REQUIRE(tokens.size() == survivors);
  return tokens;
}

// llama.cpp's chain in plain words: sort, cut to k, cut to p of what is left, drop what is below min_p.
std::vector<uint32_t> PlainSurvivors(const cllm_sampling& s, const std::vector<double>& logits) {
  std::vector<uint32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  if (s.top_k > 0 && s.top_k < order.size()) order.resize(s.top_k);
  const auto weight = [&](uint32_t token) { return std::exp(logits[token] - logits[order[0]]); };
  if (s.top_p > 0 && s.top_p < 1) {
    double total = 0, reached = 0;
    for (const uint32_t token : order) total += weight(token);
    size_t kept = 0;
    while (kept < order.size() && (kept == 0 || reached < s.top_p * total)) reached += weight(order[kept++]);
    order.resize(kept);
  }
  if (s.min_p > 0) {
    while (weight(order.back()) < s.min_p) order.pop_back();
  }
  return order;
}

std::vector<float> RandomLogits(std::mt19937& random, size_t count, float spread) {
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> logits(count);
  for (float& logit : logits) logit = normal(random);
  return logits;
}

TEST_CASE("filters keep what plain ones keep") {
  std::mt19937 random(1);
  for (int round = 0; round < testing::Rounds(2000); ++round) {
    const size_t count = 1 + random() % (round % 10 == 0 ? 3000 : 60);
    const std::vector<float> logits =
        RandomLogits(random, count, 0.1f + static_cast<float>(random() % 50) / 10);
    cllm_sampling sampling = Sampling(1);
    if (random() % 2) sampling.top_k = static_cast<uint32_t>(random() % (count + 5));
    if (random() % 2) sampling.top_p = static_cast<float>(random() % 1001) / 1000;
    if (random() % 2) sampling.min_p = static_cast<float>(random() % 1001) / 1000;
    CAPTURE(count);
    CAPTURE(sampling.top_k);
    CAPTURE(sampling.top_p);
    CAPTURE(sampling.min_p);
    const std::vector<uint32_t> expected = PlainSurvivors(sampling, {logits.begin(), logits.end()});
    REQUIRE(Survivors(sampling, logits) == std::set<uint32_t>(expected.begin(), expected.end()));
  }
}

TEST_CASE("of equal logits the lower ids survive") {
  cllm_sampling sampling = Sampling(1);
  const std::vector<float> logits = {0, -0.0f, 1, 0, 1, -1, 0};
  sampling.top_k = 1;
  CHECK(Survivors(sampling, logits) == std::set<uint32_t>{2});
  sampling.top_k = 3;
  CHECK(Survivors(sampling, logits) == std::set<uint32_t>{2, 4, 0});
  sampling.top_k = 4;
  CHECK(Survivors(sampling, logits) == std::set<uint32_t>{2, 4, 0, 1});
  CHECK(Draw(Sampling(0), logits, 0) == 2);
}

TEST_CASE("the repetition penalty") {
  cllm_sampling sampling = Sampling(0);
  sampling.repetition_penalty = 2;
  const std::vector<float> logits = {3, 2, -1, 1.4f};
  CHECK(Draw(sampling, logits, 0) == 0);
  CHECK(Draw(sampling, logits, 0, {0}) == 1);
  CHECK(Draw(sampling, {3, 1.4f}, 0, {0, 0, 0}) == 0);  // once a token: 1.5, not 0.4
  CHECK(Draw(sampling, {-1, -2.5f}, 0, {0, 0}) == 0);   // -2, not -4
  CHECK(Draw(sampling, logits, 0, {0, 1}) == 0);        // 1.5, 1, -1, 1.4
  CHECK(Draw(sampling, logits, 0, {0, 3, 1}) == 0);     // 1.5, 1, -1, 0.7
  CHECK(Draw(sampling, {-3, -1.6f}, 0, {1}) == 0);      // -3, -3.2
  CHECK(Draw(sampling, logits, 0, {0, 9, 1000}) == 1);  // ids that there are not
  sampling.repetition_window = 2;
  CHECK(Draw(sampling, logits, 0, {0, 3, 2}) == 0);
  CHECK(Draw(sampling, logits, 0, {3, 0, 2}) == 1);
  sampling.repetition_penalty = 0;
  CHECK(Draw(sampling, logits, 0, {3, 0, 2}) == 0);
}

// Chi-square of `draws` draws against softmax(logits / temperature) over the survivors, and the number of
// degrees of freedom; tokens that are expected less than 10 times count as one.
double ChiSquareExcess(const cllm_sampling& sampling, const std::vector<float>& logits, uint32_t draws) {
  const std::vector<uint32_t> survivors = PlainSurvivors(sampling, {logits.begin(), logits.end()});
  std::vector<double> weights(logits.size(), 0);
  double total = 0;
  for (const uint32_t token : survivors) {
    weights[token] =
        std::exp((static_cast<double>(logits[token]) - logits[survivors[0]]) / sampling.temperature);
    total += weights[token];
  }
  std::vector<uint32_t> counts(logits.size(), 0);
  for (uint32_t position = 0; position < draws; ++position) ++counts[Draw(sampling, logits, position)];
  double chi_square = 0, rest_expected = 0, rest_count = 0;
  int terms = 0;
  for (size_t token = 0; token < logits.size(); ++token) {
    const double expected = weights[token] / total * draws;
    if (expected == 0) CHECK(counts[token] == 0);
    if (expected < 10) {
      rest_expected += expected;
      rest_count += counts[token];
      continue;
    }
    chi_square += (counts[token] - expected) * (counts[token] - expected) / expected;
    ++terms;
  }
  if (rest_expected >= 10) {
    chi_square += (rest_count - rest_expected) * (rest_count - rest_expected) / rest_expected;
    ++terms;
  }
  REQUIRE(terms > 3);
  const double freedom = terms - 1;
  return (chi_square - freedom) / std::sqrt(2 * freedom);  // about standard normal
}

TEST_CASE("draws occur as often as they should") {
  std::mt19937 random(2);
  for (const float temperature : {0.5f, 1.0f, 1.7f}) {
    for (int filter = 0; filter < 4; ++filter) {
      cllm_sampling sampling = Sampling(temperature);
      sampling.seed = random();
      if (filter == 1) sampling.top_k = 10;
      if (filter == 2) sampling.top_p = 0.8f;
      if (filter == 3) sampling.min_p = 0.05f;
      const double excess = ChiSquareExcess(sampling, RandomLogits(random, 50, 1.5f), 40000);
      CAPTURE(temperature);
      CAPTURE(filter);
      CHECK(std::abs(excess) < 4);
    }
  }
}

TEST_CASE("a draw depends on seed and position, and on nothing else") {
  std::mt19937 random(3);
  const std::vector<float> logits = RandomLogits(random, 300, 0.5f);
  cllm_sampling a = Sampling(1), b = Sampling(1);
  b.seed = 1;
  int same_seed = 0, same_position = 0;
  for (uint32_t position = 0; position < 200; ++position) {
    CHECK(Draw(a, logits, position) == Draw(a, logits, position));
    same_position += Draw(a, logits, position) == Draw(b, logits, position);
    same_seed += Draw(a, logits, position) == Draw(a, logits, position + 1);
  }
  CHECK(same_position < 20);
  CHECK(same_seed < 20);
}

TEST_CASE("hostile logits") {
  std::vector<cllm_sampling> samplings = {Sampling(1), Sampling(1e-38f), Sampling(3e38f), Sampling(1e-45f)};
  samplings.push_back(Sampling(1));
  samplings.back().top_k = 2;
  samplings.push_back(Sampling(1));
  samplings.back().top_p = 0.5f;
  samplings.push_back(Sampling(1));
  samplings.back().min_p = 1;
  samplings.push_back(Sampling(1));
  samplings.back().repetition_penalty = 1e-38f;
  for (const cllm_sampling& sampling : samplings) {
    CHECK(Draw(sampling, {kNan, -kInfinity, 0, kNan}, 5, {0, 1, 2}) == 2);
    CHECK(Draw(sampling, {0, kInfinity, 5, kInfinity}, 5) == 1);
    CHECK(Draw(sampling, {-kInfinity, -kInfinity}, 5) == 0);
    CHECK(Draw(sampling, {kNan, kNan}, 5) == 0);
    CHECK(Draw(sampling, {7}, 5) == 0);
    Draw(sampling, {3e38f, -3e38f, 3e38f, 1e-45f}, 5, {0, 1, 2, 3});
  }
  CHECK(Survivors(samplings[0], {0, kInfinity, 5}) == std::set<uint32_t>{1});
}

TEST_CASE("parameters out of range are refused") {
  CHECK(ValidateSampling(Sampling(0)) == CLLM_OK);
  CHECK(ValidateSampling(Sampling(1.5f)) == CLLM_OK);
  cllm_sampling sampling = Sampling(1);
  sampling.struct_size -= 1;
  CHECK(ValidateSampling(sampling) == CLLM_STRUCT_SIZE);
  for (float cllm_sampling::*field : {&cllm_sampling::temperature, &cllm_sampling::top_p,
                                      &cllm_sampling::min_p, &cllm_sampling::repetition_penalty}) {
    for (const float value : {kNan, kInfinity, -kInfinity, -0.1f, 1.1f}) {
      const bool unbounded =
          field == &cllm_sampling::temperature || field == &cllm_sampling::repetition_penalty;
      sampling = Sampling(1);
      sampling.*field = value;
      CHECK(ValidateSampling(sampling) == (unbounded && value == 1.1f ? CLLM_OK : CLLM_SAMPLING_RANGE));
    }
  }
}

}  // namespace
}  // namespace cllm
