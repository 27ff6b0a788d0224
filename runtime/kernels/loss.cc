#include "kernels/loss.h"

#include "base/layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/loss.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cllm {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct ValueTerm {
  const float* x;
  HWY_INLINE RowVector operator()(RowTag d, size_t k) const { return hn::LoadU(d, x + k); }
};

struct ExpTerm {
  const float* x;
  float maximum;
  HWY_INLINE RowVector operator()(RowTag d, size_t k) const {
    return Exp(d, hn::Sub(hn::LoadU(d, x + k), hn::Set(d, maximum)));
  }
};

// The last count % 16 elements, filled up with what neither a maximum nor a sum of exponentials notices.
struct Tail {
  alignas(64) float x[16];
  Tail(const float* row, size_t count) {
    const size_t whole = count / 16 * 16;
    for (size_t i = 0; i < 16; ++i) x[i] = whole + i < count ? row[whole + i] : MaxOf::kStart;
  }
};

float MaxElement(const float* x, size_t count) {
  const RowTag d;
  const Tail tail(x, count);
  VirtualLanes lanes = StartLanes<MaxOf>();
  TakeIntoLanes<MaxOf>(d, count / 16 * 16, ValueTerm{x}, lanes);
  TakeIntoLanes<MaxOf>(d, 16, ValueTerm{tail.x}, lanes);
  return FinishLanes<MaxOf>(lanes);
}

float LogSumExp(const float* x, size_t count) {
  const RowTag d;
  const float maximum = MaxElement(x, count);
  const Tail tail(x, count);
  VirtualLanes lanes = StartLanes<SumOf>();
  TakeIntoLanes<SumOf>(d, count / 16 * 16, ExpTerm{x, maximum}, lanes);
  TakeIntoLanes<SumOf>(d, 16, ExpTerm{tail.x, maximum}, lanes);
  const float sum = FinishLanes<SumOf>(lanes);
  return maximum + hn::GetLane(Log(d, hn::Set(d, sum)));
}

// out = factor * exp(x - log_sum_exp) for n elements, a multiple of 16.
void WeightedSoftmax(const float* x, size_t n, float log_sum_exp, float factor, float* out) {
  const RowTag d;
  const ExpTerm term{x, log_sum_exp};
  for (size_t k = 0; k < n; k += hn::Lanes(d)) {
    hn::StoreU(hn::Mul(term(d, k), hn::Set(d, factor)), d, out + k);
  }
}

void SoftmaxFrom(const float* x, size_t count, float log_sum_exp, float* probabilities) {
  const size_t whole = count / 16 * 16;
  Tail tail(x, count);
  WeightedSoftmax(x, whole, log_sum_exp, 1.0f, probabilities);
  WeightedSoftmax(tail.x, 16, log_sum_exp, 1.0f, tail.x);
  for (size_t i = whole; i < count; ++i) probabilities[i] = tail.x[i - whole];
}

void MapLogits(const LogitMap& map, size_t n, float* x) {
  const RowTag d;
  const RowVector scale = hn::Set(d, map.softcap != 0.0f ? map.scale / map.softcap : map.scale);
  const RowVector cap = hn::Set(d, map.softcap);
  for (size_t k = 0; k < n; k += hn::Lanes(d)) {
    RowVector y = hn::Mul(hn::LoadU(d, x + k), scale);
    if (map.softcap != 0.0f) y = hn::Mul(Tanh(d, y), cap);
    hn::StoreU(y, d, x + k);
  }
}

// The derivative of the map, from its value y.
HWY_INLINE float MapSlope(const LogitMap& map, float y) {
  if (map.softcap == 0.0f) return map.scale;
  const float t = y * (1.0f / map.softcap);
  return map.scale * (1.0f - t * t);
}

HWY_INLINE RowVector MapSlope(RowTag d, const LogitMap& map, RowVector y) {
  const RowVector scale = hn::Set(d, map.scale);
  if (map.softcap == 0.0f) return scale;
  const RowVector t = hn::Mul(y, hn::Set(d, 1.0f / map.softcap));
  return hn::Mul(scale, hn::Sub(hn::Set(d, 1.0f), hn::Mul(t, t)));
}

HWY_INLINE float TaughtProbability(const LossGradient& gradient, uint32_t target, float log_sum_exp) {
  const RowTag d;
  return hn::GetLane(Exp(d, hn::Set(d, gradient.teacher[target] - log_sum_exp)));
}

void LossGradientRow(const LossGradient& gradient, size_t count, uint32_t target, float log_sum_exp,
                     float* logits) {
  const RowTag d;
  const size_t padded = PaddedRow(count);
  const bool smoothed = gradient.smoothing > 0.0f, mapped = !gradient.map.is_identity();
  const float share = gradient.weight * gradient.smoothing, each = share / static_cast<float>(count);
  const float target_logit = logits[target];
  const ExpTerm term{logits, log_sum_exp};
  const bool taught = gradient.teacher != nullptr;
  const float taught_share = taught ? gradient.weight * gradient.taught : 0.0f;
  const ExpTerm wanted{gradient.teacher, taught ? LogSumExp(gradient.teacher, count) : 0.0f};
  for (size_t k = 0; k < padded; k += hn::Lanes(d)) {
    RowVector g = hn::Mul(term(d, k), hn::Set(d, gradient.weight));
    if (smoothed) g = hn::Sub(g, hn::Set(d, each));
    if (taught) g = hn::Sub(g, hn::Mul(wanted(d, k), hn::Set(d, taught_share)));
    if (mapped) g = hn::Mul(g, MapSlope(d, gradient.map, hn::LoadU(d, logits + k)));
    hn::StoreU(g, d, logits + k);
  }
  const float probability = hn::GetLane(Exp(d, hn::Set(d, target_logit - log_sum_exp)));
  float g = gradient.weight * (probability - 1.0f);
  if (smoothed) g = g - each + share;
  if (taught) g = g + taught_share - taught_share * TaughtProbability(gradient, target, wanted.maximum);
  if (mapped) g *= MapSlope(gradient.map, target_logit);
  logits[target] = g;
  for (size_t i = count; i < padded; ++i) logits[i] = 0.0f;
}

float CrossEntropy(float* logits, size_t count, uint32_t target, const LossGradient* gradient) {
  const float log_sum_exp = LogSumExp(logits, count);
  const float loss = log_sum_exp - logits[target];
  if (gradient != nullptr) LossGradientRow(*gradient, count, target, log_sum_exp, logits);
  return loss;
}

uint32_t ArgMax(const float* x, size_t count) {
#if HWY_TARGET == HWY_SCALAR
  // The first element that is a number wins against the start, though it be -infinity.
  uint32_t best = 0;
  bool found = false;
  for (uint32_t i = 0; i < count; ++i) {
    if (found ? x[i] > x[best] : x[i] == x[i]) best = i, found = true;
  }
  return best;
#else
  const RowTag d;
  const float maximum = MaxElement(x, count);
  const RowVector maxima = hn::Set(d, maximum);
  size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) {
    const intptr_t lane = hn::FindFirstTrue(d, hn::Eq(hn::LoadU(d, x + i), maxima));
    if (lane >= 0) return static_cast<uint32_t>(i + static_cast<size_t>(lane));
  }
  for (; i < count; ++i) {
    if (x[i] == maximum) return static_cast<uint32_t>(i);
  }
  return 0;
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace cllm
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cllm {

HWY_EXPORT(LogSumExp);
HWY_EXPORT(SoftmaxFrom);
HWY_EXPORT(CrossEntropy);
HWY_EXPORT(MapLogits);
HWY_EXPORT(ArgMax);

float LogSumExp(const float* x, size_t count) { return HWY_DYNAMIC_DISPATCH(LogSumExp)(x, count); }

void SoftmaxFrom(const float* x, size_t count, float log_sum_exp, float* probabilities) {
  HWY_DYNAMIC_DISPATCH(SoftmaxFrom)(x, count, log_sum_exp, probabilities);
}

float CrossEntropy(float* logits, size_t count, uint32_t target, const LossGradient* gradient) {
  return HWY_DYNAMIC_DISPATCH(CrossEntropy)(logits, count, target, gradient);
}

void MapLogits(const LogitMap& map, size_t n, float* x) { HWY_DYNAMIC_DISPATCH(MapLogits)(map, n, x); }

uint32_t ArgMax(const float* x, size_t count) { return HWY_DYNAMIC_DISPATCH(ArgMax)(x, count); }

}  // namespace cllm
#endif  // HWY_ONCE
