#include "trainer/muon.h"

#include "base/layout.h"
#include "kernels/gemm.h"
#include "kernels/optimizer.h"
#include "kernels/vector.h"
#include "trainer/trainer.h"

namespace cllm {
namespace {

constexpr int kSteps = 5;
constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;
constexpr float kRootMeanSquare = 0.2f;  // of AdamW's steps, about
constexpr size_t kRowBlock = 48;         // of a symmetric product, of which half is computed

// y [larger][stride]: the matrix, turned so that it is at least as high as wide, padding zero.
void Gather(const MatrixPlace& place, const float* tensor, size_t stride, float* y) {
  const size_t smaller = place.smaller(), larger = place.larger();
  for (size_t i = 0; i < larger; ++i) {
    for (size_t j = 0; j < smaller; ++j) {
      y[i * stride + j] = tensor[place.rows > place.columns ? place.Index(i, j) : place.Index(j, i)];
    }
    for (size_t j = smaller; j < stride; ++j) y[i * stride + j] = 0.0f;
  }
}

void Scatter(const MatrixPlace& place, const float* y, size_t stride, float factor, float* tensor) {
  const size_t smaller = place.smaller(), larger = place.larger();
  for (size_t i = 0; i < larger; ++i) {
    for (size_t j = 0; j < smaller; ++j) {
      tensor[place.rows > place.columns ? place.Index(i, j) : place.Index(j, i)] = factor * y[i * stride + j];
    }
  }
}

// c [count][stride] = x^T x for x [depth][stride], padding zero. c(i, j) and c(j, i) are sums of the same
// products in the same order: the blocks below the diagonal are copied from above it.
void SymmetricProduct(const float* x, size_t depth, size_t count, size_t stride, float* c) {
  const size_t panels = stride / kPanel;
  for (size_t row = 0; row < count; row += kRowBlock) {
    const size_t rows = count - row < kRowBlock ? count - row : kRowBlock;
    GemmF32({x + row, 1, stride, x, kPanel, stride, c + row * stride, stride, kPanel, rows, depth,
             row / kPanel, panels, false});
  }
  for (size_t i = kRowBlock; i < count; ++i) {
    for (size_t j = 0; j < i / kRowBlock * kRowBlock; ++j) c[i * stride + j] = c[j * stride + i];
  }
}

}  // namespace

MatrixPlace MatrixOf(const Config& config, size_t number) {
  const size_t width = config.width, hidden = config.hidden;
  const size_t query = size_t{config.heads} * config.head_size;
  const size_t key = size_t{config.kv_heads} * config.head_size;
  switch (number) {
    case 0: return {Role::kQueryKeyValue, query, width, 0, 1, 0};
    case 1: return {Role::kQueryKeyValue, key, width, query, 1, 0};
    case 2: return {Role::kQueryKeyValue, key, width, query + key, 1, 0};
    case 3: return {Role::kAttentionOutput, width, query, 0, 1, 0};
    case 4: return {Role::kGateUp, hidden, width, 0, config.variant.feed_forward_inputs(), 0};
    case 5:
      if (config.variant.gated) return {Role::kGateUp, hidden, width, 0, 2, 1};
      [[fallthrough]];
    default: return {Role::kDown, width, hidden, 0, 1, 0};
  }
}

uint64_t MuonFloats(const Config& config) {
  uint64_t most = 0;
  for (size_t number = 0; number < MatricesPerLayer(config); ++number) {
    const MatrixPlace place = MatrixOf(config, number);
    const uint64_t stride = PaddedRow(place.smaller());
    const uint64_t floats = 2 * stride * (place.larger() + stride);
    if (floats > most) most = floats;
  }
  return most;
}

void Orthogonalize(const MatrixPlace& place, float* tensor, float* scratch) {
  const size_t smaller = place.smaller(), larger = place.larger();
  const size_t stride = static_cast<size_t>(PaddedRow(smaller)), panels = stride / kPanel;
  float* y = scratch;
  float* next = y + larger * stride;
  float* gram = next + larger * stride;
  float* polynomial = gram + stride * stride;
  Gather(place, tensor, stride, y);
  // Singular values of at most 1, without a division by zero.
  Scale(1.0f / (__builtin_sqrtf(SumOfSquares(y, larger * stride)) + 1e-7f), larger * stride, y);
  for (int step = 0; step < kSteps; ++step) {
    // y (a + b y^T y + c (y^T y)^2)
    SymmetricProduct(y, larger, smaller, stride, gram);
    SymmetricProduct(gram, smaller, smaller, stride, polynomial);
    Blend(kB, gram, kC, smaller * stride, polynomial);
    for (size_t i = 0; i < smaller; ++i) polynomial[i * stride + i] += kA;
    GemmF32(
        {y, stride, 1, polynomial, kPanel, stride, next, stride, kPanel, larger, smaller, 0, panels, false});
    float* const last = y;
    y = next;
    next = last;
  }
  Scatter(place, y, stride, kRootMeanSquare * __builtin_sqrtf(static_cast<float>(larger)), tensor);
}

// As many matrices at once as the room has scratch for, which in all but tiny batches is all of them.
void Trainer::Orthogonalize() {
  const size_t each = MatricesPerLayer(model_.config), matrices = model_.config.layers * each;
  const size_t slots =
      static_cast<size_t>((plan_.room_bytes - plan_.muon) / (plan_.muon_floats * sizeof(float)));
  for (size_t first = 0; first < matrices; first += slots) {
    const size_t count = matrices - first < slots ? matrices - first : slots;
    ParallelFor(workers(), static_cast<uint32_t>(count), [&](uint32_t slot) {
      const size_t number = first + slot;
      const LayerWeights& layer = Layer(number / each);
      const MatrixPlace place = MatrixOf(model_.config, number % each);
      const Tensor& tensor = place.role == Role::kQueryKeyValue     ? layer.query_key_value
                             : place.role == Role::kAttentionOutput ? layer.attention_output
                             : place.role == Role::kGateUp          ? layer.gate_up
                                                                    : layer.down;
      cllm::Orthogonalize(place, GradientOf(tensor), Floats(plan_.muon) + slot * plan_.muon_floats);
    });
  }
}

}  // namespace cllm
