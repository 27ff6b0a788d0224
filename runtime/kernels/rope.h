// Room: kernels. Rotary position embedding (Su et al., arXiv 2104.09864), class A.
#ifndef CLLM_KERNELS_ROPE_H_
#define CLLM_KERNELS_ROPE_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

// cos_sin [2][pairs]: cosines, then sines, of position * turns[i] turns, where turns are fractions of 2^64.
// The product wraps in integers, so the angle is as exact at position 100,000 as at 1.
void RopeAngles(const uint64_t* turns, size_t pairs, uint32_t position, float* cos_sin);

// Rotates the first 2 pairs floats of each of `heads` heads of head_size floats at x in place: pair i is
// elements (2i, 2i + 1), or with `halves` (i, i + pairs). `inverse` rotates back: the backward pass.
void Rope(float* x, size_t heads, size_t head_size, size_t pairs, bool halves, const float* cos_sin,
          bool inverse);

}  // namespace cllm

#endif  // CLLM_KERNELS_ROPE_H_
