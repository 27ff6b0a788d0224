#include "base/sha256.h"

#include <cstring>

namespace cllm {
namespace {

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
constexpr uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// The same bits of the square roots of the first 8.
constexpr uint32_t kStart[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

uint32_t Rotate(uint32_t x, unsigned by) { return x >> by | x << (32 - by); }

uint32_t BigEndian(const uint8_t* b) {
  return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
}

}  // namespace

Sha256Hasher::Sha256Hasher() { std::memcpy(state_, kStart, sizeof(state_)); }

// The schedule's last 16 words are all that a round needs.
void Sha256Hasher::TakeBlock(const uint8_t* block) {
  uint32_t w[16], s[8];
  std::memcpy(s, state_, sizeof(s));
  for (unsigned i = 0; i < 64; ++i) {
    uint32_t word;
    if (i < 16) {
      word = BigEndian(block + 4 * i);
    } else {
      const uint32_t near = w[(i - 2) % 16], far = w[(i - 15) % 16];
      word = w[i % 16] + w[(i - 7) % 16] + (Rotate(near, 17) ^ Rotate(near, 19) ^ near >> 10) +
             (Rotate(far, 7) ^ Rotate(far, 18) ^ far >> 3);
    }
    w[i % 16] = word;
    const uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    const uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    const uint32_t first =
        s[7] + (Rotate(s[4], 6) ^ Rotate(s[4], 11) ^ Rotate(s[4], 25)) + choice + kRound[i] + word;
    const uint32_t second = (Rotate(s[0], 2) ^ Rotate(s[0], 13) ^ Rotate(s[0], 22)) + majority;
    for (unsigned j = 7; j > 0; --j) s[j] = s[j - 1];
    s[4] += first;
    s[0] = first + second;
  }
  for (unsigned i = 0; i < 8; ++i) state_[i] += s[i];
}

void Sha256Hasher::Add(const void* bytes, size_t count) {
  const auto* from = static_cast<const uint8_t*>(bytes);
  while (count > 0) {
    const auto held = static_cast<size_t>(bytes_ % 64);
    const size_t part = 64 - held < count ? 64 - held : count;
    if (part == 64) {
      TakeBlock(from);
    } else {
      std::memcpy(block_ + held, from, part);
      if (held + part == 64) TakeBlock(block_);
    }
    bytes_ += part;
    from += part;
    count -= part;
  }
}

void Sha256Hasher::Finish(uint8_t digest[kSha256Bytes]) {
  const uint64_t bits = bytes_ * 8;
  uint8_t end[72] = {0x80};
  const auto held = static_cast<size_t>(bytes_ % 64);
  const size_t zeros = (held < 56 ? 56 : 120) - held;
  for (unsigned i = 0; i < 8; ++i) end[zeros + i] = static_cast<uint8_t>(bits >> (56 - 8 * i));
  Add(end, zeros + 8);
  for (unsigned i = 0; i < 8; ++i) {
    for (unsigned j = 0; j < 4; ++j) digest[4 * i + j] = static_cast<uint8_t>(state_[i] >> (24 - 8 * j));
  }
}

}  // namespace cllm
