// Room: kernels. Walsh-Hadamard transform: class A.
#ifndef CLLM_KERNELS_HADAMARD_H_
#define CLLM_KERNELS_HADAMARD_H_

#include <cstddef>

namespace cllm {

// The numbers of a block: the largest power of two that divides the size.
constexpr size_t HadamardBlock(size_t size) { return size & (~size + 1); }

// Transforms `count` vectors of `size` numbers, one after the other, in place: each block x of b numbers
// becomes factor * H x, H the symmetric matrix of +1 and -1 with H H = b (Sylvester's). Its steps pair
// elements 1, 2, 4 and so on apart, and give their sum and difference. size: a multiple of 4.
void WalshHadamard(float* x, size_t count, size_t size, float factor);

}  // namespace cllm

#endif  // CLLM_KERNELS_HADAMARD_H_
