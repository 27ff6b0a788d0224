#include "tokens/sampler.h"

#include <cfloat>
#include <cstdint>
#include <cstring>

#include "base/layout.h"
#include "base/random.h"
#include "kernels/loss.h"

namespace cllm {
namespace {

// Below this, exp is 0 in the kernels anyway; a bound keeps infinities and NaN away from them.
constexpr float kLeastExponent = -1000.0f;

// Probabilities relative to the likeliest token's count in units of 2^-36: sums of 2^28 of them fit.
// In two halves of 18 bits, both exact: small machines convert to 64 bits by double arithmetic in software.
uint64_t Weight(float relative_probability) {
  constexpr float kHalf = 262144.0f;
  const float scaled = relative_probability * kHalf;
  const uint32_t high = static_cast<uint32_t>(scaled);
  const uint32_t low = static_cast<uint32_t>((scaled - static_cast<float>(high)) * kHalf);
  return (uint64_t{high} << 18) + low;
}

bool InRange(float value, float largest) { return value >= 0 && value <= largest; }

// Candidates compare as numbers: the larger logit is the larger one, of equals the lower id.
uint64_t Candidate(float logit, uint32_t token) {
  logit += 0.0f;  // -0 and 0 are equal
  uint32_t bits;
  std::memcpy(&bits, &logit, sizeof(bits));
  const bool negative = (bits & 0x80000000u) != 0;
  bits = logit != logit ? 0 : negative ? ~bits : bits | 0x80000000u;
  return uint64_t{bits} << 32 | static_cast<uint32_t>(~token);
}

// The upper half of the 128-bit product.
uint64_t MultiplyHigh(uint64_t a, uint64_t b) {
  const uint64_t a0 = a & 0xFFFFFFFFu, a1 = a >> 32, b0 = b & 0xFFFFFFFFu, b1 = b >> 32;
  const uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
  return a1 * b1 + (middle >> 32) + ((a0 * b1 + (middle & 0xFFFFFFFFu)) >> 32);
}

// A largest-first heap in items[0, size).
void SiftDown(uint64_t* items, uint32_t size, uint32_t i) {
  const uint64_t item = items[i];
  for (;;) {
    uint64_t child = uint64_t{2} * i + 1;
    if (child >= size) break;
    if (child + 1 < size && items[child + 1] > items[child]) ++child;
    if (items[child] <= item) break;
    items[i] = items[child];
    i = static_cast<uint32_t>(child);
  }
  items[i] = item;
}

// Moves the largest of items[0, size) to items[size - 1].
void PopLargest(uint64_t* items, uint32_t size) {
  const uint64_t largest = items[0];
  items[0] = items[size - 1];
  items[size - 1] = largest;
  if (size > 1) SiftDown(items, size - 1, 0);
}

class Sampler {
 public:
  Sampler(const cllm_sampling& sampling, uint32_t count, void* scratch)
      : sampling_(sampling),
        count_(count),
        candidates_(static_cast<uint64_t*>(scratch)),
        values_(reinterpret_cast<float*>(candidates_ + PaddedRow(count))) {}

  // Returns the first in rank.
  uint32_t Penalize(const float* logits, const uint32_t* history, uint32_t history_count) {
    std::memcpy(values_, logits, uint64_t{count_} * sizeof(float));
    const float penalty = sampling_.repetition_penalty;
    if (penalty != 0 && penalty != 1) {
      const uint32_t window = sampling_.repetition_window;
      const uint32_t begin = window != 0 && window < history_count ? history_count - window : 0;
      for (uint32_t i = begin; i < history_count; ++i) {
        const uint32_t token = history[i];
        if (token >= count_) continue;
        // From the original, so that a token that occurs twice is penalised once.
        values_[token] = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty;
      }
    }
    const uint32_t first = ArgMax(values_, count_);
    largest_ = values_[first];
    return first;
  }

  bool HasFiniteLargest() const { return largest_ >= -FLT_MAX && largest_ <= FLT_MAX; }

  // Leaves the survivors in candidates_[begin(), count_).
  void Filter() {
    begin_ = 0;
    for (uint32_t i = 0; i < count_; ++i) candidates_[i] = Candidate(values_[i], i);
    const bool has_top_p = sampling_.top_p > 0 && sampling_.top_p < 1;
    const bool has_min_p = sampling_.min_p > 0;
    const uint32_t kept = sampling_.top_k > 0 && sampling_.top_k < count_ ? sampling_.top_k : count_;
    if (has_top_p || has_min_p) {
      for (uint32_t i = 0; i < count_; ++i) values_[i] = Exponent(values_[i], 1);
      SoftmaxFrom(values_, count_, 0, values_);
    }
    if (kept < count_ || has_top_p) {
      for (uint32_t i = count_ / 2; i-- > 0;) SiftDown(candidates_, count_, i);
    }
    if (kept < count_) {
      for (begin_ = count_; begin_ > count_ - kept; --begin_) PopLargest(candidates_, begin_);
    }
    if (has_top_p) CutTopP(kept == count_);
    if (has_min_p) CutMinP();
  }

  uint32_t Draw(uint64_t random) {
    const uint32_t survivors = count_ - begin_;
    for (uint32_t i = 0; i < survivors; ++i) {
      values_[i] = Exponent(CandidateLogit(candidates_[begin_ + i]), sampling_.temperature);
    }
    SoftmaxFrom(values_, survivors, 0, values_);
    uint64_t total = 0;
    for (uint32_t i = 0; i < survivors; ++i) total += Weight(values_[i]);
    uint64_t rest = MultiplyHigh(random, total);  // < total
    uint32_t i = 0;
    while (i + 1 < survivors && rest >= Weight(values_[i])) rest -= Weight(values_[i++]);
    return CandidateToken(candidates_[begin_ + i]);
  }

  const uint64_t* candidates() const { return candidates_ + begin_; }
  uint32_t survivors() const { return count_ - begin_; }
  void KeepOnly(uint32_t token) {
    begin_ = count_ - 1;
    candidates_[begin_] = Candidate(values_[token], token);
  }

 private:
  float Exponent(float logit, float temperature) const {
    const float exponent = (logit - largest_) / temperature;
    return exponent > kLeastExponent ? exponent : kLeastExponent;
  }

  uint64_t WeightAt(uint32_t i) const { return Weight(values_[CandidateToken(candidates_[i])]); }

  // is_heap: candidates_ is still a heap; otherwise [begin_, count_) is in order, the largest last.
  void CutTopP(bool is_heap) {
    uint64_t total = 0;
    for (uint32_t i = begin_; i < count_; ++i) total += WeightAt(i);
    // top_p in units of 2^-24, so that the product needs no floats.
    const uint64_t share = static_cast<uint32_t>(sampling_.top_p * 16777216.0f);
    const uint64_t goal = (total >> 24) * share + ((total & 0xFFFFFFu) * share >> 24);
    uint64_t reached = 0;
    uint32_t i = count_;
    do {
      if (is_heap) PopLargest(candidates_, i);
      reached += WeightAt(--i);
    } while (reached < goal && i > begin_);
    begin_ = i;
  }

  void CutMinP() {
    float most = 0;
    for (uint32_t i = begin_; i < count_; ++i) {
      const float value = values_[CandidateToken(candidates_[i])];
      if (value > most) most = value;
    }
    uint32_t to = count_;
    for (uint32_t i = count_; i-- > begin_;) {
      if (values_[CandidateToken(candidates_[i])] >= sampling_.min_p * most)
        candidates_[--to] = candidates_[i];
    }
    begin_ = to;
  }

  const cllm_sampling& sampling_;
  uint32_t count_;
  uint32_t begin_ = 0;
  float largest_ = 0;
  uint64_t* candidates_;
  float* values_;  // penalised logits, then what exp makes of them
};

}  // namespace

Status ValidateSampling(const cllm_sampling& sampling) {
  if (sampling.struct_size != sizeof(cllm_sampling)) return CLLM_STRUCT_SIZE;
  const bool valid = InRange(sampling.temperature, FLT_MAX) && InRange(sampling.top_p, 1) &&
                     InRange(sampling.min_p, 1) && InRange(sampling.repetition_penalty, FLT_MAX);
  return valid ? CLLM_OK : CLLM_SAMPLING_RANGE;
}

uint64_t SampleScratchBytes(uint64_t vocabulary_size) {
  return RoundUp(PaddedRow(vocabulary_size) * (sizeof(uint64_t) + sizeof(float)), kAlignment);
}

Status Sample(const cllm_sampling& sampling, const float* logits, uint32_t count, const uint32_t* history,
              uint32_t history_count, uint32_t position, void* scratch, uint32_t* token) {
  Sampler sampler(sampling, count, scratch);
  *token = sampler.Penalize(logits, history, history_count);
  if (sampling.temperature == 0 || !sampler.HasFiniteLargest()) return CLLM_OK;
  sampler.Filter();
  *token = sampler.Draw(Random(sampling.seed, RandomStream::kSampling, position));
  return CLLM_OK;
}

uint32_t FilterCandidates(const cllm_sampling& sampling, const float* logits, uint32_t count,
                          const uint32_t* history, uint32_t history_count, void* scratch,
                          const uint64_t** candidates) {
  Sampler sampler(sampling, count, scratch);
  const uint32_t first = sampler.Penalize(logits, history, history_count);
  if (sampler.HasFiniteLargest()) {
    sampler.Filter();
  } else {
    sampler.KeepOnly(first);
  }
  *candidates = sampler.candidates();
  return sampler.survivors();
}

uint32_t CandidateToken(uint64_t candidate) { return ~static_cast<uint32_t>(candidate); }

float CandidateLogit(uint64_t candidate) {
  const uint32_t ordered = static_cast<uint32_t>(candidate >> 32);
  const uint32_t bits = (ordered & 0x80000000u) != 0 ? ordered & 0x7FFFFFFFu : ~ordered;
  float logit;
  std::memcpy(&logit, &bits, sizeof(logit));
  return logit;
}

}  // namespace cllm
