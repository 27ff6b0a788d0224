// Room: kernels. The part of Highway that chooses a target at run time, compiled here rather than by its own
// build so that it can neither print nor abort: its one warning is dropped, and a broken invariant traps.
#include <stdio.h>

#include <string>

#define fprintf(...) static_cast<void>(0)
#include "hwy/targets.cc"  // NOLINT
#undef fprintf

namespace hwy {

void Abort(const char*, int, const char*, ...) { __builtin_trap(); }

}  // namespace hwy
