// Room: kernels. Activations of the feed-forward block, gated (Shazeer, arXiv 2002.05202: h = f(gate) * up)
// or not (h = f(x)), class A. GELU: Hendrycks and Gimpel, arXiv 1606.08415; squared ReLU: So et al., arXiv
// 2109.08668.
#ifndef CLLM_KERNELS_ACTIVATION_H_
#define CLLM_KERNELS_ACTIVATION_H_

#include <cstddef>

#include "base/variant.h"

namespace cllm {

// in [rows][2 stride]: 16 gate, 16 up, alternating; without a gate [rows][stride]; h [rows][stride]; stride a
// multiple of 16. Of the variant only the activation and the gate count. f(0) is 0, so padding stays zero.
void Activate(const Variant& variant, const float* in, size_t rows, size_t stride, float* h);

// `in` becomes its own gradient, from dh [rows][stride].
void ActivateBackward(const Variant& variant, const float* dh, size_t rows, size_t stride, float* in);

}  // namespace cllm

#endif  // CLLM_KERNELS_ACTIVATION_H_
