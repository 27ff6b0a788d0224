#include "machines/sha256.h"

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t round_constants[64] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u,
};

static uint32_t rotate(uint32_t x, unsigned by) { return x >> by | x << (32 - by); }

static void take_block(sha256* hash) {
  static uint32_t schedule[64];
  for (unsigned i = 0; i < 16; ++i) {
    const uint8_t* b = hash->block + 4 * i;
    schedule[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
  }
  for (unsigned i = 16; i < 64; ++i) {
    const uint32_t near = schedule[i - 2], far = schedule[i - 15];
    schedule[i] = schedule[i - 16] + schedule[i - 7] + (rotate(near, 17) ^ rotate(near, 19) ^ near >> 10) +
                  (rotate(far, 7) ^ rotate(far, 18) ^ far >> 3);
  }
  uint32_t s[8];
  for (unsigned i = 0; i < 8; ++i) s[i] = hash->state[i];
  for (unsigned i = 0; i < 64; ++i) {
    const uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    const uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    const uint32_t first = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + choice +
                           round_constants[i] + schedule[i];
    const uint32_t second = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + majority;
    for (unsigned j = 7; j > 0; --j) s[j] = s[j - 1];
    s[4] += first;
    s[0] = first + second;
  }
  for (unsigned i = 0; i < 8; ++i) hash->state[i] += s[i];
}

void sha256_start(sha256* hash) {
  /* The same bits of the square roots of the first 8 primes. */
  static const uint32_t start[8] = {
      0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u,
  };
  for (unsigned i = 0; i < 8; ++i) hash->state[i] = start[i];
  hash->bytes = 0;
}

void sha256_add(sha256* hash, const void* bytes, uint32_t count) {
  const uint8_t* from = bytes;
  for (uint32_t i = 0; i < count; ++i) {
    hash->block[hash->bytes++ % 64] = from[i];
    if (hash->bytes % 64 == 0) take_block(hash);
  }
}

void sha256_finish(sha256* hash, char hex[65]) {
  static const uint8_t mark = 0x80, zero = 0;
  const uint64_t bits = hash->bytes * 8;
  sha256_add(hash, &mark, 1);
  while (hash->bytes % 64 != 56) sha256_add(hash, &zero, 1);
  for (unsigned i = 0; i < 8; ++i) {
    const uint8_t byte = (uint8_t)(bits >> (56 - 8 * i));
    sha256_add(hash, &byte, 1);
  }
  for (unsigned i = 0; i < 64; ++i)
    hex[i] = "0123456789abcdef"[hash->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
  hex[64] = 0;
}
