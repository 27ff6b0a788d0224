// An independent model to test against: Llama and its variants written out plainly over a Checkpoint,
// templated so that T = double checks values and T = std::complex<double> differentiates by the complex step
// (Squire and Trapp, SIAM Review 40, 1998). Shares no code with the runtime.
#ifndef CLLM_TESTS_SUPPORT_REFERENCE_MODEL_H_
#define CLLM_TESTS_SUPPORT_REFERENCE_MODEL_H_

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <map>
#include <vector>

#include "converter/checkpoint/checkpoint.h"
#include "tests/support/reference_activation.h"

namespace cllm::reference {

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

// x plus a bias, if the weights have it.
template <class T>
std::vector<T> Biased(const Weights<T>& w, const TensorKey& bias, std::vector<T> x) {
  const auto found = w.find(bias);
  for (size_t i = 0; found != w.end() && i < x.size(); ++i) x[i] += found->second.values[i];
  return x;
}

template <class T>
using Table = std::vector<std::vector<T>>;

template <class T>
std::vector<T> RmsNorm(const Matrix<T>& weight, const std::vector<T>& x, double epsilon) {
  T sum(0);
  for (const T& v : x) sum += v * v;
  const T inverse = T(1) / std::sqrt(sum / static_cast<double>(x.size()) + epsilon);
  std::vector<T> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * inverse * weight.values[i];
  return y;
}

// x less its mean, divided by its deviation.
template <class T>
std::vector<T> Standardize(const std::vector<T>& x, double epsilon) {
  const double count = static_cast<double>(x.size());
  T mean(0), variance(0);
  for (const T& v : x) mean += v / count;
  for (const T& v : x) variance += (v - mean) * (v - mean) / count;
  std::vector<T> y;
  for (const T& v : x) y.push_back((v - mean) / std::sqrt(variance + epsilon));
  return y;
}

template <class T>
Table<T> Transposed(const Table<T>& x) {
  Table<T> y(x[0].size());
  for (size_t i = 0; i < y.size(); ++i) {
    for (const std::vector<T>& row : x) y[i].push_back(row[i]);
  }
  return y;
}

// The norm of every row; a batch norm is over each column.
template <class T>
Table<T> Norm(const Architecture& a, const Matrix<T>& parameters, Table<T> x) {
  if (a.variant.norm == cllm::Norm::kBatch) x = Transposed(x);
  for (std::vector<T>& row : x) {
    if (a.variant.norm == cllm::Norm::kRms) row = RmsNorm(parameters, row, a.norm_epsilon);
    if (a.variant.norm == cllm::Norm::kLayer || a.variant.norm == cllm::Norm::kBatch) {
      row = Standardize<T>(row, a.norm_epsilon);
    }
  }
  if (a.variant.norm == cllm::Norm::kBatch) x = Transposed(x);
  if (a.variant.norm == cllm::Norm::kRms) return x;
  for (std::vector<T>& row : x) {
    for (size_t i = 0; i < row.size(); ++i) row[i] = row[i] * parameters.row(0)[i] + parameters.row(1)[i];
  }
  return x;
}

// Positions that a query sees; 0: all.
inline size_t WindowOf(const Variant& variant, size_t layer) {
  const size_t period = variant.sliding_window_period;
  if (period > 1 && (layer + 1 + variant.sliding_window_phase) % period == 0) return 0;
  return variant.sliding_window;
}

template <class T>
void Rotate(T* head, const Architecture& a, uint32_t layer, size_t position) {
  const uint32_t rotary = a.variant.rope ? (a.variant.rotary_size ? a.variant.rotary_size : a.head_size) : 0;
  for (uint32_t i = 0; i < rotary / 2; ++i) {
    const bool local = a.variant.window_rope && WindowOf(a.variant, layer) != 0;
    const std::vector<uint64_t>& turns = local ? a.window_rope_turns : a.rope_turns;
    const double frequency = turns.empty() ? std::pow(a.rope_theta, -2.0 * i / rotary)
                                           : std::ldexp(static_cast<double>(turns[i]), -64) * 2 * M_PI;
    const double angle = static_cast<double>(position) * frequency;
    const bool halves = a.rope_pairs == RopePairs::kHalves;
    T& first = head[halves ? i : 2 * i];
    T& second = head[halves ? i + rotary / 2 : 2 * i + 1];
    const T x = first, y = second;
    first = x * std::cos(angle) - y * std::sin(angle);
    second = x * std::sin(angle) + y * std::cos(angle);
  }
}

// cap tanh(x / cap), or x without a cap.
template <class T>
T SoftCap(const T& x, double cap) {
  return cap != 0 ? cap * std::tanh(x / cap) : x;
}

// softmax(scale * q . keys) mixed over values, for one head.
template <class T>
void Attend(const Variant& variant, const T* query, const std::vector<std::vector<T>>& keys,
            const std::vector<std::vector<T>>& values, size_t offset, size_t size, T* out) {
  std::vector<T> scores;
  double largest = -1e300;
  for (const std::vector<T>& key : keys) {
    T score(0);
    for (size_t d = 0; d < size; ++d) score += query[d] * key[offset + d];
    const double scale = variant.attention_scale;
    score = scale != 0 ? score * scale : score / std::sqrt(static_cast<double>(size));
    scores.push_back(SoftCap(score, variant.attention_softcap));
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

// What the attention half of a layer adds to the rows of a sequence, from their norms.
template <class T>
Table<T> AttentionOf(const Architecture& a, const Weights<T>& w, uint32_t layer, const Table<T>& normed) {
  const size_t query_width = size_t{a.heads} * a.head_size, kv_width = size_t{a.kv_heads} * a.head_size;
  Table<T> keys, values, added;
  for (const std::vector<T>& row : normed) {
    std::vector<T> qkv =
        Biased(w, {Role::kQueryKeyValueBias, layer}, Product(w.at({Role::kQueryKeyValue, layer}), row));
    for (size_t h = 0; h < size_t{a.heads} + a.kv_heads; ++h) {
      T* head = &qkv[h * a.head_size];
      if (a.variant.query_key_norm) {
        const Matrix<T>& weight = w.at({h < a.heads ? Role::kQueryNorm : Role::kKeyNorm, layer});
        const std::vector<T> x(head, head + a.head_size), y = RmsNorm(weight, x, a.norm_epsilon);
        std::copy(y.begin(), y.end(), head);
      }
      Rotate(head, a, layer, keys.size());
    }
    keys.emplace_back(qkv.begin() + query_width, qkv.begin() + query_width + kv_width);
    values.emplace_back(qkv.begin() + query_width + kv_width, qkv.end());
    const size_t window = WindowOf(a.variant, layer);
    const long passed = window != 0 && keys.size() > window ? static_cast<long>(keys.size() - window) : 0;
    const Table<T> seen(keys.begin() + passed, keys.end()), mixed(values.begin() + passed, values.end());
    std::vector<T> attended(query_width);
    for (size_t h = 0; h < a.heads; ++h) {
      Attend(a.variant, &qkv[h * a.head_size], seen, mixed, h / (a.heads / a.kv_heads) * a.head_size,
             a.head_size, &attended[h * a.head_size]);
    }
    added.push_back(Biased(w, {Role::kAttentionOutputBias, layer},
                           Product(w.at({Role::kAttentionOutput, layer}), attended)));
  }
  return added;
}

template <class T>
std::vector<T> FeedForward(const Architecture& a, const Weights<T>& w, uint32_t layer,
                           const std::vector<T>& normed) {
  const std::vector<T> gate_up =
      Biased(w, {Role::kGateUpBias, layer}, Product(w.at({Role::kGateUp, layer}), normed));
  std::vector<T> hidden(a.hidden);
  for (size_t i = 0; i < a.hidden; ++i) {
    hidden[i] = Activate(a.variant.activation, gate_up[i]);
    if (a.variant.gated) hidden[i] *= gate_up[a.hidden + i];
  }
  return Biased(w, {Role::kDownBias, layer}, Product(w.at({Role::kDown, layer}), hidden));
}

// Logits after every token of each sequence, one row after the other: [tokens][vocabulary]. keep(place,
// position, column) is a factor of the embedded token (place 0) and of what half h adds to it (place h + 1).
template <class T, class Keep = KeepAll>
Table<T> BatchLogits(const Architecture& a, const Weights<T>& w, const Table<uint32_t>& sequences,
                     const Keep& keep = {}) {
  Table<T> x;
  const Matrix<T>& embedding = w.at({Role::kTokenEmbedding, 0});
  for (const std::vector<uint32_t>& tokens : sequences) {
    for (size_t position = 0; position < tokens.size(); ++position) {
      const T* row = embedding.row(tokens[position]);
      x.emplace_back(row, row + a.width);
      for (size_t i = 0; i < a.width; ++i) {
        T& value = x.back()[i];
        value *= static_cast<double>(a.variant.embedding_scale);
        if (a.variant.learned_positions) value += w.at({Role::kPositionEmbedding, 0}).row(position)[i];
        value *= keep(0, position, i);
      }
    }
  }
  // What half `half` adds, after its norm, if it has one.
  const auto add = [&](size_t half, Role post_norm, Table<T> added) {
    const auto norm = w.find({post_norm, static_cast<uint32_t>(half / 2)});
    if (norm != w.end()) added = Norm(a, norm->second, added);
    size_t row = 0;
    for (const std::vector<uint32_t>& tokens : sequences) {
      for (size_t t = 0; t < tokens.size(); ++t, ++row) {
        for (size_t i = 0; i < a.width; ++i) {
          x[row][i] += added[row][i] * static_cast<double>(a.variant.residual_scale) * keep(half + 1, t, i);
        }
      }
    }
  };
  const auto normed = [&](Role role, uint32_t layer, const Table<T>& rows) {
    const auto norm = w.find({role, layer});
    return norm != w.end() ? Norm(a, norm->second, rows) : rows;
  };
  for (uint32_t layer = 0; layer < a.layers; ++layer) {
    const Table<T> before = x, read = normed(Role::kAttentionNorm, layer, x);
    Table<T> attended, fed;
    auto begin = read.begin();
    for (const std::vector<uint32_t>& tokens : sequences) {
      const auto end = begin + static_cast<long>(tokens.size());
      for (const std::vector<T>& row : AttentionOf(a, w, layer, Table<T>(begin, end)))
        attended.push_back(row);
      begin = end;
    }
    add(2 * layer, Role::kAttentionPostNorm, attended);
    for (const std::vector<T>& row :
         normed(Role::kFeedForwardNorm, layer, a.variant.parallel_block ? before : x)) {
      fed.push_back(FeedForward(a, w, layer, row));
    }
    add(2 * layer + 1, Role::kFeedForwardPostNorm, fed);
  }
  Table<T> logits;
  for (const std::vector<T>& row : Norm(a, w.at({Role::kFinalNorm, 0}), x)) {
    logits.push_back(Product(w.at({a.tied_head ? Role::kTokenEmbedding : Role::kHead, 0}), row));
    for (T& z : logits.back()) {
      z = SoftCap(z * static_cast<double>(a.variant.logit_scale), a.variant.logit_softcap);
    }
  }
  return logits;
}

// Of one sequence.
template <class T, class Keep = KeepAll>
Table<T> Logits(const Architecture& a, const Weights<T>& w, const std::vector<uint32_t>& tokens,
                const Keep& keep = {}) {
  return BatchLogits<T, Keep>(a, w, {tokens}, keep);
}

// Mean negative log-likelihood of targets over sequences; CLLM_NO_TOKEN targets are left out.
template <class T>
T Loss(const Architecture& a, const Weights<T>& w, const Table<uint32_t>& inputs,
       const Table<uint32_t>& targets) {
  T sum(0);
  size_t count = 0, row = 0;
  const Table<T> logits = BatchLogits(a, w, inputs);
  for (const std::vector<uint32_t>& sequence : targets) {
    for (const uint32_t target : sequence) {
      const std::vector<T>& values = logits[row++];
      if (target == CLLM_NO_TOKEN) continue;
      double largest = -1e300;
      for (const T& v : values) largest = std::max(largest, Real(v));
      T total(0);
      for (const T& v : values) total += std::exp(v - largest);
      sum += std::log(total) + largest - values[target];
      ++count;
    }
  }
  return sum / static_cast<double>(count);
}

}  // namespace cllm::reference

#endif  // CLLM_TESTS_SUPPORT_REFERENCE_MODEL_H_
