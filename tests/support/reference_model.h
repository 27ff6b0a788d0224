// An independent model to test against: the Llama family written out plainly over a Checkpoint, templated so
// that T = double checks values and T = std::complex<double> differentiates by the complex step
// (Squire and Trapp, SIAM Review 40, 1998). Shares no code with the runtime.
#ifndef CLLM_TESTS_SUPPORT_REFERENCE_MODEL_H_
#define CLLM_TESTS_SUPPORT_REFERENCE_MODEL_H_

#include <cmath>
#include <complex>
#include <cstdint>
#include <map>
#include <vector>

#include "converter/checkpoint/checkpoint.h"

namespace cllm::reference {

inline double Real(double x) { return x; }
inline double Real(const std::complex<double>& x) { return x.real(); }

template <class T>
struct Matrix {
  size_t rows = 0, columns = 0;
  std::vector<T> values;
  T* row(size_t r) { return values.data() + r * columns; }
  const T* row(size_t r) const { return values.data() + r * columns; }
};

template <class T>
using Weights = std::map<TensorKey, Matrix<T>>;

template <class T>
Weights<T> Convert(const Checkpoint& checkpoint) {
  Weights<T> weights;
  for (const auto& [key, tensor] : checkpoint.tensors) {
    weights[key] = {tensor.rows, tensor.columns, std::vector<T>(tensor.values.begin(), tensor.values.end())};
  }
  return weights;
}

template <class T>
std::vector<T> Product(const Matrix<T>& w, const std::vector<T>& x) {
  std::vector<T> y(w.rows, T(0));
  for (size_t n = 0; n < w.rows; ++n) {
    for (size_t k = 0; k < w.columns; ++k) y[n] += w.row(n)[k] * x[k];
  }
  return y;
}

template <class T>
std::vector<T> Norm(const Matrix<T>& weight, const std::vector<T>& x, double epsilon) {
  T sum(0);
  for (const T& v : x) sum += v * v;
  const T inverse = T(1) / std::sqrt(sum / static_cast<double>(x.size()) + epsilon);
  std::vector<T> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * inverse * weight.values[i];
  return y;
}

template <class T>
void Rotate(T* head, const Architecture& a, size_t position) {
  for (uint32_t i = 0; i < a.head_size / 2; ++i) {
    const double frequency = a.rope_turns.empty()
                                 ? std::pow(a.rope_theta, -2.0 * i / a.head_size)
                                 : std::ldexp(static_cast<double>(a.rope_turns[i]), -64) * 2 * M_PI;
    const double angle = static_cast<double>(position) * frequency;
    const bool halves = a.rope_pairs == RopePairs::kHalves;
    T& first = head[halves ? i : 2 * i];
    T& second = head[halves ? i + a.head_size / 2 : 2 * i + 1];
    const T x = first, y = second;
    first = x * std::cos(angle) - y * std::sin(angle);
    second = x * std::sin(angle) + y * std::cos(angle);
  }
}

// softmax(scale * q . keys) mixed over values, for one head.
template <class T>
void Attend(const T* query, const std::vector<std::vector<T>>& keys,
            const std::vector<std::vector<T>>& values, size_t offset, size_t size, T* out) {
  std::vector<T> scores;
  double largest = -1e300;
  for (const std::vector<T>& key : keys) {
    T score(0);
    for (size_t d = 0; d < size; ++d) score += query[d] * key[offset + d];
    scores.push_back(score / std::sqrt(static_cast<double>(size)));
    largest = std::max(largest, Real(scores.back()));
  }
  T sum(0);
  for (T& score : scores) {
    score = std::exp(score - largest);
    sum += score;
  }
  for (size_t d = 0; d < size; ++d) {
    out[d] = T(0);
    for (size_t t = 0; t < scores.size(); ++t) out[d] += scores[t] / sum * values[t][offset + d];
  }
}

struct KeepAll {
  double operator()(size_t, size_t, size_t) const { return 1.0; }
};

// Logits after every token of one sequence: [tokens][vocabulary]. keep(place, position, column) is a factor
// of the embedded token (place 0) and of what half h adds to it (place h + 1).
template <class T, class Keep = KeepAll>
std::vector<std::vector<T>> Logits(const Architecture& a, const Weights<T>& w,
                                   const std::vector<uint32_t>& tokens, const Keep& keep = {}) {
  const size_t query_width = size_t{a.heads} * a.head_size, kv_width = size_t{a.kv_heads} * a.head_size;
  std::vector<std::vector<std::vector<T>>> keys(a.layers), values(a.layers);
  std::vector<std::vector<T>> logits;
  const Matrix<T>& embedding = w.at({Role::kTokenEmbedding, 0});
  for (size_t position = 0; position < tokens.size(); ++position) {
    std::vector<T> x(embedding.row(tokens[position]), embedding.row(tokens[position]) + a.width);
    for (size_t i = 0; i < x.size(); ++i) x[i] *= keep(0, position, i);
    for (uint32_t layer = 0; layer < a.layers; ++layer) {
      std::vector<T> qkv = Product(w.at({Role::kQueryKeyValue, layer}),
                                   Norm(w.at({Role::kAttentionNorm, layer}), x, a.norm_epsilon));
      for (size_t h = 0; h < size_t{a.heads} + a.kv_heads; ++h) Rotate(&qkv[h * a.head_size], a, position);
      keys[layer].emplace_back(qkv.begin() + query_width, qkv.begin() + query_width + kv_width);
      values[layer].emplace_back(qkv.begin() + query_width + kv_width, qkv.end());
      std::vector<T> attended(query_width);
      for (size_t h = 0; h < a.heads; ++h) {
        Attend(&qkv[h * a.head_size], keys[layer], values[layer], h / (a.heads / a.kv_heads) * a.head_size,
               a.head_size, &attended[h * a.head_size]);
      }
      const std::vector<T> output = Product(w.at({Role::kAttentionOutput, layer}), attended);
      for (size_t i = 0; i < x.size(); ++i) x[i] += output[i] * keep(2 * layer + 1, position, i);
      const std::vector<T> gate_up = Product(w.at({Role::kGateUp, layer}),
                                             Norm(w.at({Role::kFeedForwardNorm, layer}), x, a.norm_epsilon));
      std::vector<T> hidden(a.hidden);
      for (size_t i = 0; i < a.hidden; ++i) {
        hidden[i] = gate_up[i] / (T(1) + std::exp(-gate_up[i])) * gate_up[a.hidden + i];
      }
      const std::vector<T> down = Product(w.at({Role::kDown, layer}), hidden);
      for (size_t i = 0; i < x.size(); ++i) x[i] += down[i] * keep(2 * layer + 2, position, i);
    }
    logits.push_back(Product(w.at({a.tied_head ? Role::kTokenEmbedding : Role::kHead, 0}),
                             Norm(w.at({Role::kFinalNorm, 0}), x, a.norm_epsilon)));
  }
  return logits;
}

// Mean negative log-likelihood of targets over sequences; CLLM_NO_TOKEN targets are left out.
template <class T>
T Loss(const Architecture& a, const Weights<T>& w, const std::vector<std::vector<uint32_t>>& inputs,
       const std::vector<std::vector<uint32_t>>& targets) {
  T sum(0);
  size_t count = 0;
  for (size_t s = 0; s < inputs.size(); ++s) {
    const auto logits = Logits(a, w, inputs[s]);
    for (size_t t = 0; t < logits.size(); ++t) {
      if (targets[s][t] == CLLM_NO_TOKEN) continue;
      double largest = -1e300;
      for (const T& v : logits[t]) largest = std::max(largest, Real(v));
      T total(0);
      for (const T& v : logits[t]) total += std::exp(v - largest);
      sum += std::log(total) + largest - logits[t][targets[s][t]];
      ++count;
    }
  }
  return sum / static_cast<double>(count);
}

}  // namespace cllm::reference

#endif  // CLLM_TESTS_SUPPORT_REFERENCE_MODEL_H_
