// What tests of a cache on the lattice share: room for one, its definition, and numbers to put into it.
#ifndef CLLM_TESTS_KERNELS_LATTICE_CACHE_H_
#define CLLM_TESTS_KERNELS_LATTICE_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/kv_lattice.h"

namespace cllm::testing {

using Floats = std::vector<float>;

// A number of heads with room for `context` positions each.
struct Cache {
  size_t head_size, context;
  std::vector<uint8_t> words, scales;

  Cache(size_t heads, size_t size, size_t positions)
      : head_size(size),
        context(PaddedRow(positions)),
        words(heads * context * size / 2, 0xA5),
        scales(heads * context, 0xFF) {}
  LatticeHead Head(size_t head) {
    return LatticeHead{words.data(), scales.data()}.From(head * context, head_size);
  }
};

// The coordinates of a group by the definition.
inline void Coordinates(const uint8_t* words, size_t head_size, size_t position, size_t group, int* x) {
  const uint8_t* word = words + LatticeWordAt(head_size, position, group);
  int sum = 0;
  for (int i = 0; i < 8; ++i) sum += x[i] = (i < 4 ? word[i] & 15 : word[i - 4] >> 4) - 8;
  for (int i = 0; i < 8; ++i) x[i] = 2 * x[i] + (sum & 1);
}

// Numbers of keys and values: normal ones, some rows with a far larger one, some of multiples of half a step,
// which ties are made of, and zeros.
inline Floats Rows(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Floats x(count);
  for (float& number : x) number = normal(random);
  for (size_t i = 0; i + 8 <= count; i += 8) {
    const uint32_t kind = random() % 8;
    if (kind == 0) x[i + random() % 8] = random() % 2 ? 9.0f : -9.0f;
    for (size_t k = 0; k < 8 && kind == 1; ++k)
      x[i + k] = static_cast<float>(static_cast<int>(random() % 31) - 15);
    for (size_t k = 0; k < 8 && kind == 2; ++k) x[i + k] = 0.0f;
    for (size_t k = 0; k < 8 && kind == 3; ++k) x[i + k] = random() % 2 ? 15.0f : -15.0f;
  }
  return x;
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_KERNELS_LATTICE_CACHE_H_
