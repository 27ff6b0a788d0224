#include "kernels/targets.h"

#include "hwy/highway.h"
#include "hwy/targets.h"

// Without run-time dispatch there is one target, and Highway's targets.cc need not be linked.
#define CLLM_ONE_TARGET ((HWY_TARGETS & (HWY_TARGETS - 1)) == 0)

namespace cllm {
namespace {

bool SameName(const char* a, const char* b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  while (*a != '\0' && lower(*a) == lower(*b)) ++a, ++b;
  return lower(*a) == lower(*b);
}

int64_t BestOf(int64_t targets) { return targets & -targets; }

}  // namespace

int64_t SupportedTargets() {
#if CLLM_ONE_TARGET
  return HWY_TARGETS;
#else
  return hwy::SupportedTargets() & HWY_TARGETS;
#endif
}

const char* TargetName(int64_t target) { return hwy::TargetName(target); }

bool UseTarget(const char* name) {
#if !CLLM_ONE_TARGET
  hwy::SetSupportedTargetsForTest(0);
#endif
  if (name == nullptr) return true;
  for (int64_t rest = SupportedTargets(); rest != 0; rest &= rest - 1) {
    if (!SameName(name, TargetName(BestOf(rest)))) continue;
#if !CLLM_ONE_TARGET
    hwy::SetSupportedTargetsForTest(BestOf(rest));
#endif
    return true;
  }
  return false;
}

const char* ChosenTarget() { return TargetName(BestOf(SupportedTargets())); }

}  // namespace cllm
