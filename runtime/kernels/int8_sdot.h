// Room: kernels. The integer product of 64-bit ARM by SDOT, an option of ARMv8.2 that Highway 1.2 does not
// choose alone: Cortex-A55, A75, A76 (Raspberry Pi 5) and later have it. For the NEON target of int8.cc,
// which asks at run time. Exact, and so the same results.
#ifndef CLLM_KERNELS_INT8_SDOT_H_
#define CLLM_KERNELS_INT8_SDOT_H_

#include "kernels/int8.h"

#if defined(__aarch64__) && defined(__linux__)
#define CLLM_INT8_SDOT 1
#else
#define CLLM_INT8_SDOT 0
#endif

#if CLLM_INT8_SDOT

namespace cllm {

bool HasSdot();
// As GemmInt8. Only where HasSdot.
void GemmInt8Sdot(const Int8Gemm& gemm);

}  // namespace cllm

#endif  // CLLM_INT8_SDOT
#endif  // CLLM_KERNELS_INT8_SDOT_H_
