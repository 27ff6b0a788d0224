// Room: base. Counter-based random numbers: a value is a function of (seed, stream, counter), so that draws
// need no state and no order.
// The mixing is the finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
// generators", OOPSLA 2014, in Stafford's variant 13), applied to each of the three in turn.
#ifndef CLLM_BASE_RANDOM_H_
#define CLLM_BASE_RANDOM_H_

#include <cstdint>

namespace cllm {

// A stream a purpose, so that one seed serves them all independently. Values are stable: they are part of
// what a seed means.
enum class RandomStream : uint64_t {
  kSampling = 1,
  kWeights = 2,
  kBatches = 3,
  kData = 4,
  kDropout = 5,
  kAdapters = 6,
};

constexpr uint64_t MixBits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

inline constexpr uint64_t kGoldenRatio = 0x9E3779B97F4A7C15u;

// Random in two steps, for many draws of one stream.
constexpr uint64_t RandomKey(uint64_t seed, uint64_t stream) {
  return MixBits(MixBits(seed + kGoldenRatio) + kGoldenRatio * (stream + 1));
}

constexpr uint64_t RandomKey(uint64_t seed, RandomStream stream) {
  return RandomKey(seed, static_cast<uint64_t>(stream));
}

constexpr uint64_t RandomAt(uint64_t key, uint64_t counter) {
  return MixBits(key + kGoldenRatio * (counter + 1));
}

constexpr uint64_t Random(uint64_t seed, uint64_t stream, uint64_t counter) {
  return RandomAt(RandomKey(seed, stream), counter);
}

constexpr uint64_t Random(uint64_t seed, RandomStream stream, uint64_t counter) {
  return Random(seed, static_cast<uint64_t>(stream), counter);
}

// Uniform in [0, 1), a multiple of 2^-24: exact in float.
constexpr float UniformFloat(uint64_t random) {
  return static_cast<float>(random >> 40) * (1.0f / 16777216.0f);
}

}  // namespace cllm

#endif  // CLLM_BASE_RANDOM_H_
