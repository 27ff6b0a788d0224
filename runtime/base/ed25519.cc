#include "base/ed25519.h"

#include <cstring>

#include "base/sha512.h"

namespace cllm {
namespace {

constexpr unsigned kWords = 8;

// 256 bits, least significant word first. As an element of the field modulo p = 2^255 - 19 any of the numbers
// that are equal modulo p: 2^256 counts 38.
struct Number {
  uint32_t word[kWords];
};

// Edwards coordinates x = X/Z, y = Y/Z, x y = T/Z on -x^2 + y^2 = 1 + d x^2 y^2.
struct Point {
  Number x, y, z, t;
};

constexpr Number kZero = {{0}};
constexpr Number kOne = {{1}};
constexpr Number kPrime = {
    {0xFFFFFFED, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0x7FFFFFFF}};
// d = -121665 / 121666, and twice that.
constexpr Number kD = {
    {0x135978a3, 0x75eb4dca, 0x4141d8ab, 0x00700a4d, 0x7779e898, 0x8cc74079, 0x2b6ffe73, 0x52036cee}};
constexpr Number kTwiceD = {
    {0x26b2f159, 0xebd69b94, 0x8283b156, 0x00e0149a, 0xeef3d130, 0x198e80f2, 0x56dffce7, 0x2406d9dc}};
// 2^((p - 1) / 4), whose square is -1.
constexpr Number kRootOfMinusOne = {
    {0x4a0ea0b0, 0xc4ee1b27, 0xad2fe478, 0x2f431806, 0x3dfbd7a7, 0x2b4d0099, 0x4fc1df0b, 0x2b832480}};
// The base point, y = 4/5, and its order, 2^252 + 27742317777372353535851937790883648493.
constexpr Point kBase = {
    {{0x8f25d51a, 0xc9562d60, 0x9525a7b2, 0x692cc760, 0xfdd6dc5c, 0xc0a4e231, 0xcd6e53fe, 0x216936d3}},
    {{0x66666658, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666}},
    kOne,
    {{0xa5b7dda3, 0x6dde8ab3, 0x775152f5, 0x20f09f80, 0x64abe37d, 0x66ea4e8e, 0xd78b7665, 0x67875f0f}}};
constexpr Number kOrder = {{0x5cf5d3ed, 0x5812631a, 0xa2f79cd6, 0x14def9de, 0, 0, 0, 0x10000000}};

bool IsBelow(const Number& a, const Number& b) {
  for (unsigned i = kWords; i-- > 0;) {
    if (a.word[i] != b.word[i]) return a.word[i] < b.word[i];
  }
  return false;
}

bool IsSame(const Number& a, const Number& b) { return std::memcmp(&a, &b, sizeof(a)) == 0; }

// a - b modulo 2^256; returns the borrow.
uint32_t SubtractWords(const Number& a, const Number& b, Number* difference) {
  uint32_t borrow = 0;
  for (unsigned i = 0; i < kWords; ++i) {
    const uint64_t word = uint64_t{a.word[i]} - b.word[i] - borrow;
    difference->word[i] = static_cast<uint32_t>(word);
    borrow = static_cast<uint32_t>(word >> 63);
  }
  return borrow;
}

// Adds 2^256 times `high`, as 38 each, until nothing is carried out: the second time at the latest.
void Fold(uint32_t high, Number* number) {
  while (high != 0) {
    uint64_t carry = uint64_t{high} * 38;
    for (uint32_t& word : number->word) {
      carry += word;
      word = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    high = static_cast<uint32_t>(carry);
  }
}

Number Add(const Number& a, const Number& b) {
  Number sum;
  uint64_t carry = 0;
  for (unsigned i = 0; i < kWords; ++i) {
    carry += uint64_t{a.word[i]} + b.word[i];
    sum.word[i] = static_cast<uint32_t>(carry);
    carry >>= 32;
  }
  Fold(static_cast<uint32_t>(carry), &sum);
  return sum;
}

Number Subtract(const Number& a, const Number& b) {
  Number difference;
  uint32_t borrow = SubtractWords(a, b, &difference);
  while (borrow != 0) borrow = SubtractWords(difference, {{38}}, &difference);
  return difference;
}

Number Multiply(const Number& a, const Number& b) {
  uint32_t product[2 * kWords] = {};
  for (unsigned i = 0; i < kWords; ++i) {
    uint64_t carry = 0;
    for (unsigned j = 0; j < kWords; ++j) {
      carry += uint64_t{a.word[i]} * b.word[j] + product[i + j];
      product[i + j] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    product[i + kWords] = static_cast<uint32_t>(carry);
  }
  Number result;
  uint64_t carry = 0;
  for (unsigned i = 0; i < kWords; ++i) {
    carry += uint64_t{product[i + kWords]} * 38 + product[i];
    result.word[i] = static_cast<uint32_t>(carry);
    carry >>= 32;
  }
  Fold(static_cast<uint32_t>(carry), &result);
  return result;
}

// The one number below p.
Number Canonical(Number a) {
  while (!IsBelow(a, kPrime)) SubtractWords(a, kPrime, &a);
  return a;
}

bool IsZero(const Number& a) { return IsSame(Canonical(a), kZero); }

// To the power of a number of `bits` bits that are ones but for the lowest eight, `low`.
Number Power(const Number& a, unsigned bits, uint8_t low) {
  Number result = kOne;
  for (unsigned i = bits; i-- > 0;) {
    result = Multiply(result, result);
    if (i >= 8 || (low >> i & 1) != 0) result = Multiply(result, a);
  }
  return result;
}

Number Inverse(const Number& a) { return Power(a, 255, 0xEB); }  // p - 2

// Complete: for all points, equal ones as well (Hisil, Wong, Carter and Dawson, 2008, for a = -1).
Point Add(const Point& p, const Point& q) {
  const Number a = Multiply(Subtract(p.y, p.x), Subtract(q.y, q.x));
  const Number b = Multiply(Add(p.y, p.x), Add(q.y, q.x));
  const Number c = Multiply(Multiply(p.t, q.t), kTwiceD);
  const Number z = Multiply(p.z, q.z), d = Add(z, z);
  const Number e = Subtract(b, a), f = Subtract(d, c), g = Add(d, c), h = Add(b, a);
  return {Multiply(e, f), Multiply(g, h), Multiply(f, g), Multiply(e, h)};
}

Number Read(const uint8_t bytes[32]) {
  Number number;
  for (unsigned i = 0; i < kWords; ++i) {
    const uint8_t* b = bytes + 4 * i;
    number.word[i] = b[0] | uint32_t{b[1]} << 8 | uint32_t{b[2]} << 16 | uint32_t{b[3]} << 24;
  }
  return number;
}

// The negative of the point that the bytes encode: y below p, and in the last bit whether x is odd.
bool ReadNegative(const uint8_t bytes[32], Point* point) {
  Number y = Read(bytes);
  const uint32_t odd = y.word[7] >> 31;
  y.word[7] &= 0x7FFFFFFF;
  if (!IsBelow(y, kPrime)) return false;
  // x^2 = u / v; a root of it, if there is one, is u v^3 (u v^7)^((p - 5) / 8), or that times a root of -1.
  const Number square = Multiply(y, y), u = Subtract(square, kOne), v = Add(Multiply(kD, square), kOne);
  const Number v3 = Multiply(Multiply(v, v), v), uv7 = Multiply(Multiply(Multiply(v3, v3), v), u);
  Number x = Multiply(Multiply(u, v3), Power(uv7, 252, 0xFD));
  if (!IsZero(Subtract(Multiply(v, Multiply(x, x)), u))) x = Multiply(x, kRootOfMinusOne);
  if (!IsZero(Subtract(Multiply(v, Multiply(x, x)), u))) return false;
  x = Canonical(x);
  if (IsSame(x, kZero) && odd != 0) return false;
  if ((x.word[0] & 1) == odd) x = Subtract(kZero, x);
  *point = {x, y, kOne, Multiply(x, y)};
  return true;
}

void Write(const Point& point, uint8_t bytes[32]) {
  const Number inverse = Inverse(point.z);
  const Number x = Canonical(Multiply(point.x, inverse));
  Number y = Canonical(Multiply(point.y, inverse));
  y.word[7] |= x.word[0] << 31;
  for (unsigned i = 0; i < 32; ++i) bytes[i] = static_cast<uint8_t>(y.word[i / 4] >> (8 * (i % 4)));
}

// Whether eight times the point is the neutral one.
bool HasSmallOrder(Point point) {
  for (int i = 0; i < 3; ++i) point = Add(point, point);
  return IsZero(point.x) && IsZero(Subtract(point.y, point.z));
}

// A number of 64 bytes modulo the order of the base point, bit by bit.
Number ModuloOrder(const uint8_t bytes[kSha512Bytes]) {
  Number rest = kZero;
  for (unsigned i = 8 * kSha512Bytes; i-- > 0;) {
    for (unsigned j = kWords; j-- > 1;) rest.word[j] = rest.word[j] << 1 | rest.word[j - 1] >> 31;
    rest.word[0] = rest.word[0] << 1 | (bytes[i / 8] >> (i % 8) & 1);
    if (!IsBelow(rest, kOrder)) SubtractWords(rest, kOrder, &rest);
  }
  return rest;
}

// s B + k p, both bits of a step at once.
Point Combine(const Number& s, const Number& k, const Point& p) {
  const Point both = Add(kBase, p);
  Point sum = {kZero, kOne, kOne, kZero};
  for (unsigned i = 32 * kWords; i-- > 0;) {
    sum = Add(sum, sum);
    const bool has_base = (s.word[i / 32] >> (i % 32) & 1) != 0,
               has_p = (k.word[i / 32] >> (i % 32) & 1) != 0;
    if (has_base || has_p) sum = Add(sum, has_base && has_p ? both : has_base ? kBase : p);
  }
  return sum;
}

}  // namespace

bool CheckEd25519(const uint8_t signature[kSignatureBytes], const uint8_t key[kPublicKeyBytes],
                  const void* message, size_t bytes) {
  const Number s = Read(signature + 32);
  Point minus_key;
  if (!IsBelow(s, kOrder) || !ReadNegative(key, &minus_key) || HasSmallOrder(minus_key)) return false;
  Sha512Hasher hasher;
  hasher.Add(signature, 32);
  hasher.Add(key, kPublicKeyBytes);
  hasher.Add(message, bytes);
  uint8_t digest[kSha512Bytes], point[32];
  hasher.Finish(digest);
  Write(Combine(s, ModuloOrder(digest), minus_key), point);
  return std::memcmp(point, signature, sizeof(point)) == 0;
}

}  // namespace cllm
