#include "kernels/mixed.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::Bits;
using testing::CheckSameBits;
using testing::FromBits;
using testing::Numbers;

// Every target that others can be held to, and then the dispatch's own choice, which alone may have an
// instruction for pairs.
template <class Body>
void OnEveryTargetAndTheOwn(const Body& body) {
  testing::OnEveryTarget(body);
  INFO("unrestricted");
  body("");
}

float Factor(float x) { return Bf16ToFloat(MixedFactor(x)); }

// One product of the contract: blocks of k, pairs within them, the odd k first.
template <class A, class B>
float Reference(const A& a, const B& b, size_t depth, bool accumulate, float c) {
  for (size_t k = 0; k < depth; k += kMixedDepth) {
    const size_t end = std::min(depth, k + kMixedDepth);
    float sum = 0.0f;
    for (size_t i = k; i < end; i += 2) {
      if (i + 1 < end) sum = std::fma(Factor(a(i + 1)), Factor(b(i + 1)), sum);
      sum = std::fma(Factor(a(i)), Factor(b(i)), sum);
    }
    c = accumulate || k != 0 ? c + sum : sum;
  }
  return c;
}

void CheckRows(size_t rows, size_t depth, size_t panel_begin, size_t panel_end, bool accumulate) {
  INFO("rows ", rows, " depth ", depth, " panels ", panel_begin, "..", panel_end, " accumulate ", accumulate);
  const size_t a_row = depth + 3, c_row = (panel_end + 1) * 16;
  const std::vector<float> a = Numbers(1, rows * a_row), b = Numbers(2, panel_end * depth * 16);
  std::vector<uint16_t> factors(panel_end * MixedPanel(depth), 0x7FFF);
  RoundPanels(b.data(), depth, 0, panel_end, factors.data());
  std::vector<float> got = Numbers(3, rows * c_row + 16), want = got;
  GemmMixed({a.data(), a_row, 1, factors.data(), MixedPanel(depth), 0, got.data(), c_row, 16, rows, depth,
             panel_begin, panel_end, accumulate});
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = panel_begin * 16; i < panel_end * 16; ++i) {
      float& c = want[r * c_row + i];
      c = Reference([&](size_t k) { return a[r * a_row + k]; },
                    [&](size_t k) { return b[(i / 16 * depth + k) * 16 + i % 16]; }, depth, accumulate, c);
    }
  }
  CheckSameBits(got, want);
}

// Gradients of weights: A read down its columns, B [k][panels][16], C in panels.
void CheckColumns(size_t rows, size_t depth, size_t panel_begin, size_t panel_end, bool accumulate) {
  INFO("rows ", rows, " depth ", depth, " panels ", panel_begin, "..", panel_end, " accumulate ", accumulate);
  const size_t stride = (panel_end + 1) * 16, a_k = rows + 5;
  const std::vector<float> a = Numbers(4, depth * a_k), b = Numbers(5, depth * stride);
  std::vector<float> got = Numbers(6, panel_end * rows * 16 + 16), want = got;
  GemmMixedColumns({a.data(), 1, a_k, b.data(), 16, stride, got.data(), 16, rows * 16, rows, depth,
                    panel_begin, panel_end, accumulate});
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = panel_begin * 16; i < panel_end * 16; ++i) {
      float& c = want[(i / 16 * rows + r) * 16 + i % 16];
      c = Reference([&](size_t k) { return a[k * a_k + r]; }, [&](size_t k) { return b[k * stride + i]; },
                    depth, accumulate, c);
    }
  }
  CheckSameBits(got, want);
}

TEST_CASE("mixed products are the contract's sums, bit for bit, for all small shapes") {
  OnEveryTargetAndTheOwn([](const std::string&) {
    for (size_t rows = 0; rows <= 26; ++rows) {
      for (size_t panels : {0, 1, 2, 3, 5}) {
        for (size_t depth : {1, 2, 3, 5, 33, 64}) {
          CheckRows(rows, depth, rows % 3 == 0, panels + (rows % 3 == 0), rows % 2 == 0);
          CheckColumns(rows, depth, rows % 3 == 1, panels + (rows % 3 == 1), rows % 2 != 0);
        }
      }
    }
    for (size_t depth = 1; depth <= 70; ++depth) CheckRows(2, depth, 0, 1, false);
  });
}

TEST_CASE("mixed products over several blocks of depth, rows and panels") {
  OnEveryTargetAndTheOwn([](const std::string&) {
    for (size_t depth : {255, 256, 257, 511, 513, 700}) {
      CheckRows(7, depth, 0, 3, depth % 2 == 0);
      CheckColumns(13, depth, 0, 2, depth % 2 != 0);
    }
    for (size_t rows : {119, 120, 121, 250}) CheckRows(rows, 40, 1, 4, false);
    for (size_t panels : {7, 8, 9, 17}) CheckColumns(30, 258, 2, 2 + panels, true);
  });
}

TEST_CASE("factors: nearest, ties to even, small ones 0, on every target as MixedFactor") {
  std::vector<float> x = Numbers(7, 64);
  const uint32_t special[] = {0x3F808000, 0x3F818000, 0x3F808001, 0x3F817FFF, 0x80000000, 0x00000001,
                              0x807FFFFF, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x24000000, 0x23FFFFFF,
                              0x23FF7FFF, 0xA4000000, 0xA3FF8000, 0x23000000, 0x7F7F7FFF, 0x7F7F8000};
  for (const uint32_t bits : special) x.push_back(FromBits(bits));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(MixedFactor(FromBits(0x24000000)) == 0x2400);
  CHECK(MixedFactor(FromBits(0x23FF7FFF)) == 0);
  CHECK(FromBits(0x24000000) == kMixedSmallest);
  OnEveryTargetAndTheOwn([&](const std::string&) {
    for (size_t at = 0; at < x.size(); ++at) {
      // One panel of depth 1, its column 0 the number; and its transpose, a panel of depth 16.
      std::vector<float> panel(16, 0.0f);
      panel[at % 16] = x[at];
      std::vector<uint16_t> factors(32, 1), transposed(16 / 2 * 32, 1);
      RoundPanels(panel.data(), 1, 0, 1, factors.data());
      CHECK(factors[at % 16 * 2] == MixedFactor(x[at]));
      CHECK(factors[at % 16 * 2 + 1] == 0);
      RoundTransposedPanels(panel.data(), 16, 1, 0, 1, transposed.data());
      CHECK(transposed[at % 16 / 2 * 32 + at % 2] == MixedFactor(x[at]));
      // A row and a column of A: times one.
      const std::vector<float> ones(16, 1.0f);
      const std::vector<uint16_t> one(32, 0x3F80);
      std::vector<float> row(16), column(16);
      GemmMixed({&x[at], 1, 1, one.data(), 32, 0, row.data(), 16, 16, 1, 1, 0, 1, false});
      GemmMixedColumns({&x[at], 1, 1, ones.data(), 16, 16, column.data(), 16, 16, 1, 1, 0, 1, false});
      CHECK(Bits(row[3]) == Bits(0.0f + Factor(x[at])));
      CHECK(Bits(column[5]) == Bits(0.0f + Factor(x[at])));
    }
    std::vector<float> panel(16, nan);
    std::vector<uint16_t> factors(32);
    RoundPanels(panel.data(), 1, 0, 1, factors.data());
    CHECK(std::isnan(Bf16ToFloat(factors[0])));
  });
}

// The smallest and the largest factors: no subnormal number arises, which an instruction would flush.
TEST_CASE("sums of tiny products have no subnormals") {
  OnEveryTargetAndTheOwn([](const std::string&) {
    const float tiny[] = {kMixedSmallest, kMixedSmallest * 1.0078125f};
    const std::vector<float> b = {tiny[1], -tiny[0]};
    std::vector<float> panel(32, 0.0f), got(16);
    panel[0] = b[0], panel[16] = b[1];
    std::vector<uint16_t> factors(32);
    RoundPanels(panel.data(), 2, 0, 1, factors.data());
    GemmMixed({tiny, 2, 1, factors.data(), 32, 0, got.data(), 16, 16, 1, 2, 0, 1, false});
    CHECK(Bits(got[0]) ==
          Bits(Reference([&](size_t k) { return tiny[k]; }, [&](size_t k) { return b[k]; }, 2, false, 0.0f)));
  });
}

TEST_CASE("RoundTransposedPanels is RoundPanels of TransposePanels") {
  OnEveryTargetAndTheOwn([](const std::string&) {
    for (size_t rows : {16, 32, 48}) {
      for (size_t columns : {1, 8, 15, 16, 17, 40}) {
        const std::vector<float> w = Numbers(7, rows * columns);
        const size_t panels = (columns + 15) / 16;
        std::vector<float> turned(panels * rows * 16);
        TransposePanels(w.data(), rows, columns, turned.data(), 0, panels);
        std::vector<uint16_t> got(panels * MixedPanel(rows), 7), want(panels * MixedPanel(rows), 8);
        RoundTransposedPanels(w.data(), rows, columns, 0, 1, got.data());
        RoundTransposedPanels(w.data(), rows, columns, 1, panels, got.data());
        RoundPanels(turned.data(), rows, 0, panels, want.data());
        CHECK(got == want);
      }
    }
  });
}

}  // namespace
}  // namespace cllm
