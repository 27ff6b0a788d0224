// The memory functions that firmware links instead of the C library's, at every alignment and length.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

// C for a board, compiled here as C++ into a namespace.
#define restrict
namespace board {
#include "platforms/cortex_m/memory.c"  // NOLINT(bugprone-suspicious-include)
}
#undef restrict

namespace cllm {
namespace {

constexpr size_t kMost = 70;

// 0, 1, 2, ..., aligned to 8.
std::vector<unsigned char> Bytes() {
  std::vector<unsigned char> bytes(2 * kMost + 8);
  std::iota(bytes.begin(), bytes.end(), 0);
  return bytes;
}

// Calls body(to, from, bytes) for offsets that overlap and that do not, aligned and not.
template <class Body>
void ForEach(const Body& body) {
  for (size_t to = 0; to < 24; ++to) {
    for (size_t from = 0; from < 24; ++from) {
      for (size_t bytes = 0; bytes <= kMost; bytes += bytes < 40 ? 1 : 15) body(to, from, bytes);
    }
  }
}

int Sign(int value) { return (value > 0) - (value < 0); }

TEST_CASE("memmove copies what overlaps in either direction, and nothing beside it") {
  ForEach([](size_t to, size_t from, size_t bytes) {
    std::vector<unsigned char> expected = Bytes(), moved = expected;
    std::memmove(expected.data() + to, expected.data() + from, bytes);
    REQUIRE(board::memmove(moved.data() + to, moved.data() + from, bytes) == moved.data() + to);
    REQUIRE(moved == expected);
  });
}

TEST_CASE("memcpy copies, and nothing beside it") {
  const std::vector<unsigned char> source = Bytes();
  ForEach([&](size_t to, size_t from, size_t bytes) {
    std::vector<unsigned char> expected(2 * kMost, 0xAA), copied = expected;
    std::memcpy(expected.data() + to, source.data() + from, bytes);
    REQUIRE(board::memcpy(copied.data() + to, source.data() + from, bytes) == copied.data() + to);
    REQUIRE(copied == expected);
  });
}

TEST_CASE("memset takes the low byte of its value") {
  for (const int value : {0, 0x5A, 0xFF, 0x1C3, -1}) {
    ForEach([&](size_t to, size_t from, size_t bytes) {
      if (from != 0) return;
      std::vector<unsigned char> expected = Bytes(), set = expected;
      std::memset(expected.data() + to, value, bytes);
      REQUIRE(board::memset(set.data() + to, value, bytes) == set.data() + to);
      REQUIRE(set == expected);
    });
  }
}

TEST_CASE("comparisons are of unsigned bytes and end where they should") {
  const char* texts[] = {"", "a", "ab", "abc", "abd", "ab\x80", "\xFF", "CLLM"};
  for (const char* a : texts) {
    REQUIRE(board::strlen(a) == std::strlen(a));
    for (const char* b : texts) {
      const size_t both = std::min(std::strlen(a), std::strlen(b)) + 1;
      for (size_t bytes = 0; bytes <= both; ++bytes) {
        REQUIRE(Sign(board::memcmp(a, b, bytes)) == Sign(std::memcmp(a, b, bytes)));
      }
      for (size_t bytes = 0; bytes < 8; ++bytes) {
        REQUIRE(Sign(board::strncmp(a, b, bytes)) == Sign(std::strncmp(a, b, bytes)));
      }
    }
  }
}

}  // namespace
}  // namespace cllm
