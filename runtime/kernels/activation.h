// Room: kernels. SwiGLU (Shazeer, arXiv 2002.05202), class A: h = silu(gate) * up.
#ifndef CLLM_KERNELS_ACTIVATION_H_
#define CLLM_KERNELS_ACTIVATION_H_

#include <cstddef>

namespace cllm {

// gate_up [rows][2 stride]: 16 gate, 16 up, alternating; h [rows][stride]; stride a multiple of 16.
// silu(0) * 0 = 0, so padding stays zero.
void SwiGlu(const float* gate_up, size_t rows, size_t stride, float* h);

// gate_up becomes its own gradient, from dh [rows][stride].
void SwiGluBackward(const float* dh, size_t rows, size_t stride, float* gate_up);

}  // namespace cllm

#endif  // CLLM_KERNELS_ACTIVATION_H_
