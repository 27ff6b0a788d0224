// Room: kernels. The product with 4-bit weights of 64-bit ARM by SDOT; int8_sdot.h says where there is one.
// Exact, and so the same results.
#ifndef CLLM_KERNELS_INT4_SDOT_H_
#define CLLM_KERNELS_INT4_SDOT_H_

#include "kernels/int4.h"
#include "kernels/int8_sdot.h"

#if CLLM_INT8_SDOT

namespace cllm {

// As GemmInt4. Only where HasSdot.
void GemmInt4Sdot(const Int4Gemm& gemm);

}  // namespace cllm

#endif  // CLLM_INT8_SDOT
#endif  // CLLM_KERNELS_INT4_SDOT_H_
