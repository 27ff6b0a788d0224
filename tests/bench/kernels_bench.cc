// Speed of the products, in operations a second (a multiplication with its addition counts two), for
// every SIMD target: kernels_bench [--benchmark_filter=AVX2.*rows:256]. Names:
// format/target/rows/outputs/depth.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/bf16.h"
#include "base/layout.h"
#include "base/random.h"
#include "kernels/gemm.h"
#include "kernels/int4.h"
#include "kernels/int8.h"
#include "kernels/lattice.h"
#include "kernels/mixed.h"
#include "kernels/targets.h"

namespace cllm {
namespace {

struct Shape {
  size_t outputs, depth;
};
constexpr Shape kShapes[] = {{64, 64}, {128, 512}, {288, 768}, {768, 288}, {768, 2048}, {2048, 768}};
constexpr size_t kRowCounts[] = {1, 32, 256};

// Rows of the float arrays start at cache lines, as they do in a room.
class Lines {
 public:
  explicit Lines(size_t floats) : storage_(floats + 16) {
    for (size_t i = 0; i < storage_.size(); ++i) storage_[i] = UniformFloat(Random(1, 1, i)) - 0.5f;
  }
  float* data() {
    const uintptr_t address = reinterpret_cast<uintptr_t>(storage_.data());
    return storage_.data() + (64 - address % 64) % 64 / sizeof(float);
  }

 private:
  std::vector<float> storage_;
};

void SetRate(benchmark::State& state, size_t rows, Shape shape) {
  const double operations = 2.0 * static_cast<double>(rows * shape.outputs * shape.depth);
  state.counters["op/s"] = benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate);
}

void BenchF32(benchmark::State& state, const std::string& target, size_t rows, Shape shape) {
  UseTarget(target.c_str());
  Lines a(rows * shape.depth), b(shape.outputs * shape.depth), c(rows * shape.outputs);
  const Gemm gemm{a.data(),           shape.depth,   1,  b.data(), shape.depth * 16, 16,
                  c.data(),           shape.outputs, 16, rows,     shape.depth,      0,
                  shape.outputs / 16, false};
  for (auto _ : state) {
    GemmF32(gemm);
    benchmark::ClobberMemory();
  }
  SetRate(state, rows, shape);
}

// A product whose B is bf16, its panels panel_stride apart.
template <class Product>
void TimeBf16(benchmark::State& state, size_t rows, Shape shape, size_t panel_stride, size_t k_stride,
              const Product& product) {
  Lines a(rows * shape.depth), b(shape.outputs * shape.depth / 2), c(rows * shape.outputs);
  const Bf16Gemm gemm{a.data(),
                      shape.depth,
                      1,
                      reinterpret_cast<const uint16_t*>(b.data()),
                      panel_stride,
                      k_stride,
                      c.data(),
                      shape.outputs,
                      16,
                      rows,
                      shape.depth,
                      0,
                      shape.outputs / 16,
                      false};
  for (auto _ : state) {
    product(gemm);
    benchmark::ClobberMemory();
  }
  SetRate(state, rows, shape);
}

void BenchBf16(benchmark::State& state, const std::string& target, size_t rows, Shape shape) {
  UseTarget(target.c_str());
  TimeBf16(state, rows, shape, shape.depth * 16, 16, GemmBf16);
}

// On whatever is best here: dispatch to single targets leaves out the one with the instruction.
void BenchMixed(benchmark::State& state, const std::string& /*target*/, size_t rows, Shape shape) {
  UseTarget(nullptr);
  TimeBf16(state, rows, shape, MixedPanel(shape.depth), 0, GemmMixed);
}

// The product of weight gradients: depth is the number of tokens, A is read down its columns.
template <class Product>
void TimeGradient(benchmark::State& state, size_t tokens, Shape shape, const Product& product) {
  Lines x(tokens * shape.depth), dy(tokens * shape.outputs), dw(shape.outputs * shape.depth);
  const Gemm gemm{x.data(),           1,   shape.depth,      dy.data(),   16,     shape.outputs,
                  dw.data(),          16,  shape.depth * 16, shape.depth, tokens, 0,
                  shape.outputs / 16, true};
  for (auto _ : state) {
    product(gemm);
    benchmark::ClobberMemory();
  }
  SetRate(state, tokens, shape);
}

void BenchF32Gradient(benchmark::State& state, const std::string& target, size_t tokens, Shape shape) {
  UseTarget(target.c_str());
  TimeGradient(state, tokens, shape, GemmF32);
}

void BenchMixedGradient(benchmark::State& state, const std::string& /*target*/, size_t tokens, Shape shape) {
  UseTarget(nullptr);
  TimeGradient(state, tokens, shape, GemmMixedColumns);
}

void BenchInt8(benchmark::State& state, const std::string& target, size_t rows, Shape shape) {
  UseTarget(target.c_str());
  Lines weights(shape.outputs * shape.depth / 4), q(rows * shape.depth / 4 + 16), y(rows * shape.outputs);
  const std::vector<uint16_t> weight_scales(shape.outputs, Bf16RoundUp(0.01f));
  const std::vector<RowScale> scales(rows, RowScale{0.01f, 5});
  const Int8Gemm gemm{reinterpret_cast<const int8_t*>(q.data()),
                      shape.depth,
                      scales.data(),
                      reinterpret_cast<const uint8_t*>(weights.data()),
                      weight_scales.data(),
                      y.data(),
                      shape.outputs,
                      rows,
                      shape.depth,
                      0,
                      shape.outputs / 16,
                      false};
  for (auto _ : state) {
    GemmInt8(gemm);
    benchmark::ClobberMemory();
  }
  SetRate(state, rows, shape);
}

void BenchInt4(benchmark::State& state, const std::string& target, size_t rows, Shape shape) {
  UseTarget(target.c_str());
  const size_t stride = RoundUp(shape.depth, 64);
  Lines weights(I4MatrixBytes(shape.outputs, shape.depth) / 4), q(rows * stride / 4 + 16);
  Lines y(rows * shape.outputs);
  std::vector<int16_t> group_sums(rows * stride / 16, 3);
  std::vector<RowScale> scales(rows, RowScale{0.01f, 5});
  const std::vector<uint16_t> weight_scales(shape.outputs, Bf16RoundUp(0.01f));
  const auto* bytes = reinterpret_cast<const uint8_t*>(weights.data());
  const Int4Gemm gemm{{reinterpret_cast<int8_t*>(q.data()), stride, scales.data(), group_sums.data()},
                      bytes,
                      bytes + I4PanelBytes(shape.outputs, shape.depth),
                      weight_scales.data(),
                      y.data(),
                      shape.outputs,
                      rows,
                      shape.depth,
                      0,
                      shape.outputs / 16,
                      false};
  for (auto _ : state) {
    GemmInt4(gemm);
    benchmark::ClobberMemory();
  }
  SetRate(state, rows, shape);
}

template <int kFineBits>
void BenchLattice(benchmark::State& state, const std::string& target, size_t rows, Shape shape) {
  UseTarget(target.c_str());
  const size_t stride = RoundUp(shape.depth, 64);
  Lines weights(LatticeMatrixBytes(shape.outputs, shape.depth, kFineBits) / 4), q(rows * stride / 4 + 16);
  Lines y(rows * shape.outputs);
  std::vector<int16_t> group_sums(rows * stride / 16, 3);
  std::vector<RowScale> scales(rows, RowScale{0.01f, 5});
  const std::vector<uint16_t> weight_scales(shape.outputs, Bf16RoundUp(0.01f));
  const auto* bytes = reinterpret_cast<const uint8_t*>(weights.data());
  const LatticeGemm gemm{{reinterpret_cast<int8_t*>(q.data()), stride, scales.data(), group_sums.data()},
                         kFineBits,
                         bytes,
                         bytes + LatticePanelBytes(shape.outputs, shape.depth, kFineBits),
                         weight_scales.data(),
                         y.data(),
                         shape.outputs,
                         rows,
                         RoundUp(shape.depth, kLatticeBlock),
                         0,
                         shape.outputs / 16,
                         false};
  for (auto _ : state) {
    GemmLattice(gemm);
    benchmark::ClobberMemory();
  }
  SetRate(state, rows, shape);
}

using Bench = void (*)(benchmark::State&, const std::string&, size_t, Shape);

void Register(const char* format, Bench bench, const std::string& target) {
  for (size_t rows : kRowCounts) {
    for (const Shape shape : kShapes) {
      const std::string name = std::string(format) + "/" + target + "/rows:" + std::to_string(rows) + "/" +
                               std::to_string(shape.outputs) + "x" + std::to_string(shape.depth);
      benchmark::RegisterBenchmark(name.c_str(),
                                   [=](benchmark::State& state) { bench(state, target, rows, shape); });
    }
  }
}

void RegisterAll() {
  for (int64_t rest = SupportedTargets(); rest != 0; rest &= rest - 1) {
    const std::string target = TargetName(rest & -rest);
    Register("f32", BenchF32, target);
    Register("bf16", BenchBf16, target);
    Register("f32_gradient", BenchF32Gradient, target);
    Register("int8", BenchInt8, target);
    Register("int4", BenchInt4, target);
    Register("lattice2", BenchLattice<0>, target);
    Register("lattice3", BenchLattice<1>, target);
    Register("lattice4", BenchLattice<2>, target);
  }
  Register("mixed", BenchMixed, "best");
  Register("mixed_gradient", BenchMixedGradient, "best");
}

}  // namespace
}  // namespace cllm

int main(int argc, char** argv) {
  cllm::RegisterAll();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
