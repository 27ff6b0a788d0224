// RopeTurns in fixed-point integers of 256 bits: libm and long double differ from host to host, and the turns
// are part of a file whose bytes must not.
#include <array>
#include <cmath>
#include <cstdint>

#include "converter/checkpoint/checkpoint.h"

namespace cllm {
namespace {

constexpr int kLimbs = 8;
constexpr int kFractionBits = 32 * (kLimbs - 1);

// A number of [0, 2^32): limb 7 is the integer part, limb 0 counts 2^-224.
struct Fixed {
  std::array<uint32_t, kLimbs> limb = {};
};

Fixed FromInteger(uint32_t value) {
  Fixed x;
  x.limb[kLimbs - 1] = value;
  return x;
}

bool IsZero(const Fixed& x) { return x.limb == Fixed{}.limb; }

bool IsLess(const Fixed& a, const Fixed& b) {
  for (int i = kLimbs; i-- > 0;) {
    if (a.limb[i] != b.limb[i]) return a.limb[i] < b.limb[i];
  }
  return false;
}

Fixed Sum(const Fixed& a, const Fixed& b) {
  Fixed result;
  uint64_t carry = 0;
  for (int i = 0; i < kLimbs; ++i) {
    carry += uint64_t{a.limb[i]} + b.limb[i];
    result.limb[i] = static_cast<uint32_t>(carry);
    carry >>= 32;
  }
  return result;
}

Fixed Difference(const Fixed& a, const Fixed& b) {  // a >= b
  Fixed result;
  uint64_t borrow = 0;
  for (int i = 0; i < kLimbs; ++i) {
    const uint64_t difference = uint64_t{a.limb[i]} - b.limb[i] - borrow;
    result.limb[i] = static_cast<uint32_t>(difference);
    borrow = difference >> 63;
  }
  return result;
}

Fixed Times(const Fixed& a, uint32_t factor) {
  Fixed result;
  uint64_t carry = 0;
  for (int i = 0; i < kLimbs; ++i) {
    carry += uint64_t{a.limb[i]} * factor;
    result.limb[i] = static_cast<uint32_t>(carry);
    carry >>= 32;
  }
  return result;
}

Fixed Over(const Fixed& a, uint32_t divisor) {
  Fixed result;
  uint64_t remainder = 0;
  for (int i = kLimbs; i-- > 0;) {
    remainder = remainder << 32 | a.limb[i];
    result.limb[i] = static_cast<uint32_t>(remainder / divisor);
    remainder %= divisor;
  }
  return result;
}

Fixed Product(const Fixed& a, const Fixed& b) {
  std::array<uint32_t, 2 * kLimbs> wide = {};
  for (int i = 0; i < kLimbs; ++i) {
    uint64_t carry = 0;
    for (int j = 0; j < kLimbs; ++j) {
      carry += uint64_t{a.limb[i]} * b.limb[j] + wide[i + j];
      wide[i + j] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    wide[i + kLimbs] = static_cast<uint32_t>(carry);
  }
  Fixed result;
  for (int i = 0; i < kLimbs; ++i) result.limb[i] = wide[i + kLimbs - 1];
  return result;
}

// a / b < 1, one bit after the other.
Fixed Quotient(Fixed a, const Fixed& b) {
  Fixed result;
  for (int bit = kFractionBits; bit-- > 0;) {
    a = Sum(a, a);
    if (IsLess(a, b)) continue;
    a = Difference(a, b);
    result.limb[bit / 32] |= 1u << bit % 32;
  }
  return result;
}

// The sum of z^(2k+1) / (2k+1), alternating (arctangent) or not (area hyperbolic tangent); |z| well below 1.
Fixed OddPowers(const Fixed& z, bool alternate) {
  const Fixed square = Product(z, z);
  Fixed power = z;
  Fixed sum = z;
  for (uint32_t k = 1; !IsZero(power); ++k) {
    power = Product(power, square);
    const Fixed term = Over(power, 2 * k + 1);
    sum = alternate && k % 2 == 1 ? Difference(sum, term) : Sum(sum, term);
  }
  return sum;
}

Fixed LogOfTwo() { return Times(OddPowers(Over(FromInteger(1), 3), false), 2); }

// Natural logarithm of x >= 1: x = mantissa * 2^exponent, log mantissa = 2 artanh((m - 1) / (m + 1)).
Fixed Log(double x) {
  int exponent;
  const double mantissa = 2 * std::frexp(x, &exponent);  // [1, 2), exact
  Fixed fraction;                                        // of the mantissa: 52 bits
  const auto bits = static_cast<uint64_t>((mantissa - 1) * 0x1p52) << 12;
  fraction.limb[kLimbs - 2] = static_cast<uint32_t>(bits >> 32);
  fraction.limb[kLimbs - 3] = static_cast<uint32_t>(bits);
  const Fixed z = Quotient(fraction, Sum(fraction, FromInteger(2)));
  return Sum(Times(OddPowers(z, false), 2), Times(LogOfTwo(), static_cast<uint32_t>(exponent - 1)));
}

Fixed Half(const Fixed& x) { return Over(x, 2); }

// exp(-x): whole powers of two by halving, the rest by Taylor's series, positive and negative terms apart.
Fixed ExpOfMinus(Fixed x) {
  const Fixed log_of_two = LogOfTwo();
  uint32_t halvings = 0;
  for (; !IsLess(x, log_of_two); ++halvings) x = Difference(x, log_of_two);
  Fixed positive = FromInteger(1);
  Fixed negative;
  Fixed term = FromInteger(1);
  for (uint32_t k = 1; !IsZero(term); ++k) {
    term = Over(Product(term, x), k);
    Fixed& side = k % 2 == 1 ? negative : positive;
    side = Sum(side, term);
  }
  Fixed result = Difference(positive, negative);
  for (uint32_t i = 0; i < halvings && !IsZero(result); ++i) result = Half(result);
  return result;
}

// 1 / (2 pi), pi by Machin's formula: 16 atan(1/5) - 4 atan(1/239).
Fixed TurnsOfRadian() {
  const Fixed a = OddPowers(Over(FromInteger(1), 5), true);
  const Fixed b = OddPowers(Over(FromInteger(1), 239), true);
  return Quotient(FromInteger(1), Times(Difference(Times(a, 16), Times(b, 4)), 2));
}

uint64_t RoundToTurns(const Fixed& x) {
  const uint64_t turns = uint64_t{x.limb[kLimbs - 2]} << 32 | x.limb[kLimbs - 3];
  return turns + (x.limb[kLimbs - 4] >> 31);
}

}  // namespace

std::vector<uint64_t> RopeTurns(double theta, uint32_t head_size) {
  const Fixed log_theta = Log(theta);
  const Fixed radian = TurnsOfRadian();
  std::vector<uint64_t> turns(head_size / 2);
  for (uint32_t i = 0; i < head_size / 2; ++i) {
    turns[i] = RoundToTurns(Product(ExpOfMinus(Over(Times(log_theta, 2 * i), head_size)), radian));
  }
  return turns;
}

}  // namespace cllm
