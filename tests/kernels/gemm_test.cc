#include "kernels/gemm.h"

#include <cmath>

#include "base/bf16.h"
#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Numbers;
using testing::OnEveryTarget;

constexpr float kUntouched = 12345.0f;

struct Shape {
  size_t rows, depth, panel_begin, panel_end;
  bool a_transposed, accumulate;
};

float Widened(float weight) { return weight; }
float Widened(uint16_t weight) { return Bf16ToFloat(weight); }

// One fused multiply-add after the other, k upwards, from 0.
template <class Weight>
void Reference(const BasicGemm<Weight>& g) {
  for (size_t r = 0; r < g.rows; ++r) {
    for (size_t p = g.panel_begin; p < g.panel_end; ++p) {
      for (size_t j = 0; j < 16; ++j) {
        float sum = 0.0f;
        for (size_t k = 0; k < g.depth; ++k) {
          sum = std::fma(g.a[r * g.a_row + k * g.a_k], Widened(g.b[p * g.b_panel + k * g.b_k + j]), sum);
        }
        float& c = g.c[r * g.c_row + p * g.c_panel + j];
        c = g.accumulate ? c + sum : sum;
      }
    }
  }
}

std::vector<uint16_t> Rounded(const std::vector<float>& weights) {
  std::vector<uint16_t> rounded;
  for (const float weight : weights) rounded.push_back(Bf16Nearest(weight));
  return rounded;
}

// The product of bf16 weights is that of the same weights as float32.
void CheckBf16(const Gemm& g, const std::vector<float>& b, const std::vector<float>& before) {
  const std::vector<uint16_t> halves = Rounded(b);
  std::vector<float> wide, got = before, want = before, same = before;
  for (const uint16_t half : halves) wide.push_back(Bf16ToFloat(half));
  Bf16Gemm narrow{g.a,     g.a_row,   g.a_k,  halves.data(), g.b_panel,     g.b_k,       got.data(),
                  g.c_row, g.c_panel, g.rows, g.depth,       g.panel_begin, g.panel_end, g.accumulate};
  GemmBf16(narrow);
  narrow.c = want.data();
  Reference(narrow);
  CheckSameBits(got, want);
  Gemm floats = g;
  floats.b = wide.data();
  floats.c = same.data();
  GemmF32(floats);
  CheckSameBits(same, want);
}

void CheckShape(const Shape& s) {
  INFO("rows ", s.rows, " depth ", s.depth, " panels ", s.panel_begin, "..", s.panel_end, " transposed ",
       s.a_transposed, " accumulate ", s.accumulate);
  // Columns over a page long go another way.
  const size_t a_k = s.a_transposed ? (s.depth > 200 ? 1040 : s.rows + 1) : 1;
  const size_t a_row = s.a_transposed ? 1 : s.depth + 3;
  std::vector<float> a(s.rows * a_row + s.depth * a_k);
  for (size_t r = 0; r < s.rows; ++r) {
    for (size_t k = 0; k < s.depth; ++k) a[r * a_row + k * a_k] = testing::Number(1, r * s.depth + k);
  }
  const std::vector<float> b = Numbers(2, (s.panel_end + 1) * (s.depth * 16 + 16));
  // Rows of C are a panel longer than needed: what lies between must stay.
  const size_t c_row = (s.panel_end + 1) * 16;
  std::vector<float> got(s.rows * c_row + 16, kUntouched);
  if (s.accumulate) got = Numbers(3, got.size());
  const std::vector<float> before = got;
  std::vector<float> want = got;
  Gemm g{a.data(), a_row, a_k,    b.data(), s.depth * 16 + 16, 16,          got.data(),
         c_row,    16,    s.rows, s.depth,  s.panel_begin,     s.panel_end, s.accumulate};
  GemmF32(g);
  g.c = want.data();
  Reference(g);
  CheckSameBits(got, want);
  CheckBf16(g, b, before);
}

TEST_CASE("GemmF32 and GemmBf16 are the contract's sum, bit for bit, for all small shapes") {
  OnEveryTarget([](const std::string&) {
    for (size_t rows = 0; rows <= 26; ++rows) {
      for (size_t panels : {1, 2, 3, 5}) {
        for (size_t depth : {0, 1, 2, 5, 17}) {
          CheckShape({rows, depth, 0, panels, rows % 2 == 0, depth % 2 == 0});
          CheckShape({rows, depth, 1, 1 + panels, rows % 2 != 0, depth % 2 != 0});
        }
      }
    }
  });
}

TEST_CASE("GemmF32 and GemmBf16 with many panels and a large depth") {
  OnEveryTarget([](const std::string&) {
    for (size_t rows : {1, 2, 3, 4, 13, 27}) {
      for (size_t panels = 6; panels <= 19; ++panels) CheckShape({rows, 33, 0, panels, false, false});
      CheckShape({rows, 1031, 0, 3, false, true});
      CheckShape({rows, 1031, 2, 5, true, false});
    }
    CheckShape({7, 9, 3, 3, false, false});
  });
}

// The product of weight gradients: B and C interleaved in ways that only strides tell.
TEST_CASE("GemmF32 reads B row by row and writes C in panels") {
  OnEveryTarget([](const std::string&) {
    for (size_t rows : {1, 5, 24, 30}) {
      const size_t tokens = 11, panels = 3, stride = panels * 16;
      const std::vector<float> x = Numbers(4, tokens * 32), dy = Numbers(5, tokens * stride);
      std::vector<float> got = Numbers(6, panels * 32 * 16), want = got;
      Gemm g{x.data(), 1, 32, dy.data(), 16, stride, got.data(), 16, 32 * 16, rows, tokens, 0, panels, true};
      GemmF32(g);
      g.c = want.data();
      Reference(g);
      CheckSameBits(got, want);
    }
  });
}

// Gradients of many tokens: sums run on over several blocks of k, and C is added at the end only.
TEST_CASE("GemmF32 with A read down its columns, for every depth around a block") {
  OnEveryTarget([](const std::string&) {
    for (size_t depth : {255, 256, 257, 700}) {
      for (size_t panels : {3, 4, 17, 21}) {
        CheckShape({13, depth, 0, panels, true, panels % 2 == 0});
        CheckShape({12, depth, 2, 2 + panels, true, panels % 2 != 0});
      }
    }
    CheckShape({40, 0, 0, 6, true, true});
    CheckShape({40, 0, 0, 6, true, false});
    CheckShape({700, 3, 0, 5, false, true});
    CheckShape({90, 4000, 0, 2, false, false});
  });
}

TEST_CASE("TransposePanels") {
  for (size_t rows : {16, 32, 48}) {
    for (size_t columns : {1, 8, 15, 16, 17, 40}) {
      const std::vector<float> w = Numbers(7, rows * columns);
      const size_t panels = (columns + 15) / 16;
      std::vector<float> got(panels * rows * 16, kUntouched), want(panels * rows * 16, 0.0f);
      TransposePanels(w.data(), rows, columns, got.data(), 0, 1);
      TransposePanels(w.data(), rows, columns, got.data(), 1, panels);
      for (size_t r = 0; r < rows; ++r) {
        for (size_t c = 0; c < columns; ++c) {
          want[c / 16 * rows * 16 + r * 16 + c % 16] = w[r / 16 * columns * 16 + c * 16 + r % 16];
        }
      }
      CheckSameBits(got, want);
    }
  }
}

}  // namespace
}  // namespace cllm
