// Room: kernels. Which SIMD level the kernels run on: for tests, `cllm digest --target` and benchmarks. The
// choice is the process's, so this is no part of the public API.
#ifndef CLLM_KERNELS_TARGETS_H_
#define CLLM_KERNELS_TARGETS_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

// Bits of Highway targets that are compiled in and run on this machine, best first when iterated from bit 0.
int64_t SupportedTargets();
const char* TargetName(int64_t target);  // "AVX2"; static storage
// Restricts dispatch to the one target with this name (case-insensitive); nullptr: all again. false if it
// is not compiled in or this machine lacks it.
bool UseTarget(const char* name);
const char* ChosenTarget();

}  // namespace cllm

#endif  // CLLM_KERNELS_TARGETS_H_
