#include "converter/run/roofline.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include "base/layout.h"
#include "base/workers.h"
#include "kernels/gemm.h"
#include "kernels/int4.h"
#include "kernels/int8.h"
#include "kernels/lattice.h"
#include "model/model.h"
#include "plan/session_plan.h"

namespace cllm {
namespace {

using Clock = std::chrono::steady_clock;

// Rows x outputs x depth of a product whose operands stay in the first cache.
constexpr size_t kRows = 24, kOutputs = 32, kDepth = 128;

// Calls of body(worker) a second by every worker, in at least `least` seconds.
double CallsPerSecond(const cllm_workers* workers, double least, const std::function<void(uint32_t)>& body) {
  const uint32_t count = workers != nullptr ? workers->count : 1;
  uint32_t calls = 0;
  const Clock::time_point start = Clock::now();
  double seconds = 0;
  do {
    ParallelFor(workers, count, body);
    ++calls;
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  } while (seconds < least);
  return calls / seconds;
}

// How far ahead a reader asks for bytes, as the kernels of one row do: the hardware by itself stops at the
// end of each page.
constexpr size_t kAheadWords = 1024;

double WeightBytes(const cllm_model_info& info) {
  switch (info.weight_format) {
    case CLLM_FORMAT_BF16: return 2;
    case CLLM_FORMAT_INT8: return 1;
    case CLLM_FORMAT_INT4: return 0.5 + 1.0 / kI4Group;
    case CLLM_FORMAT_LATTICE2:
    case CLLM_FORMAT_LATTICE3:
    case CLLM_FORMAT_LATTICE4: {
      constexpr double kWeights = kPanel * kLatticeBlock, kMultiplier = 2.0 / 8 / kLatticeBlock;
      return static_cast<double>(LatticeBlockBytes(FineBits(static_cast<Dtype>(info.weight_format)))) /
                 kWeights +
             kMultiplier;
    }
    default: return 4;
  }
}

}  // namespace

ReadProbe::ReadProbe(uint64_t bytes, const cllm_workers* workers)
    : workers_(workers),
      count_(workers != nullptr ? workers->count : 1),
      words_(static_cast<size_t>(RoundUp(bytes, 64 * uint64_t{count_}) / 8 / count_)),
      // Few are read several times a call, so that the fork and join does not count.
      repeats_(1 + (size_t{1} << 20) / (words_ * 8)),
      data_(words_ * count_ + kAheadWords, 1),
      sums_(size_t{count_} * 8) {}

double ReadProbe::Measure() {
  const auto read = [&](uint32_t worker) {
    const uint64_t* from = data_.data() + worker * words_;
    uint64_t sum[8] = {};
    for (size_t r = 0; r < repeats_; ++r) {
      for (size_t i = 0; i < words_; i += 8) {
        __builtin_prefetch(from + i + kAheadWords);
        for (size_t j = 0; j < 8; ++j) sum[j] += from[i + j];
      }
      sums_[size_t{worker} * 8 + r % 8] += sum[r % 8];
    }
  };
  // What was measured before has the caches until then.
  for (int warm = 0; warm < 3; ++warm) ParallelFor(workers_, count_, read);
  const double calls = CallsPerSecond(workers_, 0.01, read);
  return calls * static_cast<double>(words_ * 8 * count_ * repeats_);
}

double ProductSpeed(uint32_t weight_format, const cllm_workers* workers) {
  const uint32_t count = workers != nullptr ? workers->count : 1;
  constexpr size_t kRepeats = 64;
  const std::vector<float> x(kRows * kDepth), weights(kOutputs * kDepth);
  std::vector<int8_t> q(kRows * kDepth);
  std::vector<RowScale> scales(kRows);
  std::vector<int16_t> group_sums(2 * kRows * kDepth / kI4Group);
  const std::vector<uint16_t> halves(kOutputs * kDepth);
  const std::vector<uint8_t> integers(kOutputs * kDepth);
  const std::vector<uint16_t> weight_scales(kOutputs);
  const auto format = static_cast<Dtype>(weight_format);
  std::vector<float> y(count * kRows * kOutputs);
  const auto multiply = [&](uint32_t worker) {
    float* to = y.data() + worker * kRows * kOutputs;
    for (size_t r = 0; r < kRepeats; ++r) {
      if (weight_format == CLLM_FORMAT_INT8) {
        GemmInt8({q.data(), kDepth, scales.data(), integers.data(), weight_scales.data(), to, kOutputs, kRows,
                  kDepth, 0, kOutputs / kPanel, false});
      } else if (weight_format == CLLM_FORMAT_INT4) {
        GemmInt4({{q.data(), kDepth, scales.data(), group_sums.data()},
                  integers.data(),
                  integers.data(),
                  weight_scales.data(),
                  to,
                  kOutputs,
                  kRows,
                  kDepth,
                  0,
                  kOutputs / kPanel,
                  false});
      } else if (IsLattice(format)) {
        GemmLattice({{q.data(), kDepth, scales.data(), group_sums.data()},
                     FineBits(format),
                     integers.data(),
                     integers.data(),
                     weight_scales.data(),
                     to,
                     kOutputs,
                     kRows,
                     kDepth,
                     0,
                     kOutputs / kPanel,
                     false});
      } else if (weight_format == CLLM_FORMAT_BF16) {
        GemmBf16({x.data(), kDepth, 1, halves.data(), kDepth * kPanel, kPanel, to, kOutputs, kPanel, kRows,
                  kDepth, 0, kOutputs / kPanel, false});
      } else {
        GemmF32({x.data(), kDepth, 1, weights.data(), kDepth * kPanel, kPanel, to, kOutputs, kPanel, kRows,
                 kDepth, 0, kOutputs / kPanel, false});
      }
    }
  };
  // The best of five, for a bound is what is looked for.
  double calls = 0;
  for (int run = 0; run < 5; ++run) calls = std::max(calls, CallsPerSecond(workers, 0.05, multiply));
  return calls * static_cast<double>(2 * kRows * kOutputs * kDepth * kRepeats * count);
}

double DecodeBytes(const cllm_model_info& info, cllm_kv_format kv_format, double position) {
  const double table = info.tied_head != 0 ? 0 : double{1} * info.vocabulary_size * info.width;
  const CacheBytes of = CacheBytesOf(info.head_size, kv_format);
  const auto head_bytes = static_cast<double>(of.key + of.value + of.key_scale + of.value_scale);
  const double cache = head_bytes * info.layers * info.kv_heads * (position + 1);
  return static_cast<double>(info.weight_bytes) - table * WeightBytes(info) + cache;
}

double LayerOperations(const cllm_model_info& info) {
  const double attention = double{1} * info.width * info.head_size * (2.0 * info.heads + 2.0 * info.kv_heads);
  return 2.0 * info.layers * (attention + 3.0 * info.width * info.hidden);
}

}  // namespace cllm
