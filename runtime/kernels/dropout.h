// Room: kernels. Dropout (Srivastava et al., JMLR 15, 2014) whose masks are never stored: whether a number is
// dropped follows from a seed and the number's own counter. Separately rounded operations only.
#ifndef CLLM_KERNELS_DROPOUT_H_
#define CLLM_KERNELS_DROPOUT_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

// Four neighbours in a row share a draw of RandomStream::kDropout, 16 bits each.
struct Dropout {
  uint64_t seed;
  uint32_t threshold;  // of 65536: 16 bits below it drop a number
  float scale;         // of what stays: 65536 / (65536 - threshold)
};

// Of a share 0 <= dropout < 1, rounded to a multiple of 1 / 65536.
Dropout MakeDropout(uint64_t seed, float dropout);

// Draws that a row of n floats takes.
constexpr uint64_t DropoutDraws(size_t n) { return (uint64_t{n} + 3) / 4; }

// y[i] = x[i] scale, or 0; draws from `counter` on. y may be x.
void DropRow(const Dropout& dropout, uint64_t counter, const float* x, size_t n, float* y);

// Drops from what was added to x: y[i] = x[i] + (y[i] - x[i]) scale, or x[i].
void DropChange(const Dropout& dropout, uint64_t counter, const float* x, size_t n, float* y);

}  // namespace cllm

#endif  // CLLM_KERNELS_DROPOUT_H_
