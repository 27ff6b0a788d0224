// Room: kernels. AdamW whose moments take a byte each: blocks of 16 share a bfloat16 scale for their means
// and one for the roots of their squares (after Dettmers et al., "8-bit optimizers via block-wise
// quantization", arXiv 2110.02861). Separately rounded operations only.
#ifndef CLLM_KERNELS_MOMENTS8_H_
#define CLLM_KERNELS_MOMENTS8_H_

#include <cstddef>
#include <cstdint>

#include "kernels/optimizer.h"

namespace cllm {

// means, roots [n]; scales [n / 16][2]: of the means, of the roots. A mean is q * scale, to nearest; a root
// is u * scale, rounded up, so that no step is longer than with the exact one. All zero bytes are moments of
// zero, and so are blocks whose largest is below 1e-18.
struct Moments8 {
  int8_t* means;
  uint8_t* roots;
  uint16_t* scales;
};

// As AdamW in optimizer.h.
void AdamW8(const AdamWStep& step, size_t n, float* p, float* gradient, const Moments8& moments);

}  // namespace cllm

#endif  // CLLM_KERNELS_MOMENTS8_H_
