// Room: kernels. Keys and values as points of the lattice E8, four bits a number: class A.
//
// Eight numbers of a head are a group: integers n_i in [-8, 7], and with p the parity of their sum the point
// 2 n_i + p. Even and odd sums are the two cosets of D8 that make E8 (Conway and Sloane, "Sphere Packings,
// Lattices and Groups", chapter 4.8), so every 32 bits are a point, without a table. A number is its scale, a
// byte for a head's key or value at a position, times its coordinate.
#ifndef CLLM_KERNELS_KV_LATTICE_H_
#define CLLM_KERNELS_KV_LATTICE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/layout.h"

namespace cllm {

// The keys, or the values, of one head. words: [context / 16][head_size / 8][16][4], a group's 4 bytes;
// context padded to 16. Byte i has n_i + 8 in its low half and n_(4 + i) + 8 in its high half.
struct LatticeHead {
  uint8_t* words;
  uint8_t* scales;  // [context]

  // The same `positions` later: of another head, or, for a multiple of 16, of a later position.
  LatticeHead From(size_t positions, size_t head_size) const {
    if (words == nullptr) return {nullptr, nullptr};
    return {words + positions * head_size / 2, scales + positions};
  }
};

// From the first word of a head to a position's group.
constexpr size_t LatticeWordAt(size_t head_size, size_t position, size_t group) {
  return (position / kPanel * (head_size / kLatticeGroup) + group) * kPanel * 4 + position % kPanel * 4;
}

// Scales are floats of three bits of mantissa and five of exponent, 2^-20 to 1.875 * 2^11: the upper bits of
// a float32, less these.
inline constexpr uint32_t kLatticeScaleBits = 20, kLeastLatticeScale = (127 - 20) << 3;

inline float LatticeScale(uint8_t byte) {
  const uint32_t bits = (byte + kLeastLatticeScale) << kLatticeScaleBits;
  float scale;
  std::memcpy(&scale, &bits, sizeof(scale));
  return scale;
}

// The nearest scale to a positive number's bits.
inline uint8_t NearestLatticeScale(uint32_t bits) {
  const uint32_t rounded = (bits + (1u << (kLatticeScaleBits - 1))) >> kLatticeScaleBits;
  const uint32_t most = kLeastLatticeScale + 255;
  const uint32_t within = rounded < kLeastLatticeScale ? kLeastLatticeScale : rounded > most ? most : rounded;
  return static_cast<uint8_t>(within - kLeastLatticeScale);
}

// What is added to coordinates, -16 to 15, to make them unsigned.
inline constexpr int32_t kLatticeOffset = 16;

// Coordinates plus kLatticeOffset of a group's word: of numbers 0 to 3 in *low, a byte each, of 4 to 7 in
// *high.
inline void DecodeLatticeWord(uint32_t word, uint32_t* low, uint32_t* high) {
  uint32_t parity = word ^ word >> 4;
  parity ^= parity >> 16;
  parity ^= parity >> 8;
  parity = (parity & 1) * 0x01010101u;
  *low = (word << 1 & 0x1E1E1E1Eu) | parity;
  *high = (word >> 3 & 0x1E1E1E1Eu) | parity;
}

// Numbers [count][heads][head_size], rows `stride` apart, at positions first_position and on, into the heads
// from `to` on, `context` positions apart. head_size: a multiple of 8.
// The scale is the nearest to max|x| / 15; a group becomes the closest point, of those that the integers can
// give, to x * (64 / scale) rounded to integers, ties to even, in units of 1/64 coordinate, clamped to
// +-2048. Of two equally close points the one of an even sum; within a coset the upper of two equally close
// integers, and where the parity asks for a second nearest one, that of the first number for which it costs
// least. NaN counts as 0.
struct LatticeRows {
  const float* x;
  size_t stride, heads, head_size, first_position, count;
};
void WriteLattice(const LatticeRows& rows, const LatticeHead& to, size_t context);

// As PackKv and UnpackKv (attention.h), of keys or of values: words [count][head_size / 8], scales [count].
uint8_t* PackLattice(const LatticeHead& head, size_t head_size, size_t count, uint8_t* to);
const uint8_t* UnpackLattice(const uint8_t* from, size_t head_size, size_t count, const LatticeHead& head);

}  // namespace cllm

#endif  // CLLM_KERNELS_KV_LATTICE_H_
