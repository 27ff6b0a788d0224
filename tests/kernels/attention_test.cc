#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/layout.h"
#include "doctest/doctest.h"
#include "kernels/targets.h"

namespace cllm {
namespace {

using Floats = std::vector<float>;

const size_t kHeadSizes[] = {2, 6, 8, 16, 32, 40, 48, 64, 80, 128};

// One key head of `length` positions with queries, in a cache whose unused parts are NaN.
struct Head {
  size_t head_size, length, stride;
  float scale;
  Floats queries, keys, values;      // rows at t * stride
  Floats key_panels, cached_values;  // the cache
  KvHead cache;
  size_t window = 0;

  Head(size_t size, size_t positions, uint32_t seed)
      : head_size(size),
        length(positions),
        stride(size + 5),
        scale(1.0f / std::sqrt(static_cast<float>(size))) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (Floats* rows : {&queries, &keys, &values}) {
      rows->resize(length * stride);
      for (float& x : *rows) x = normal(random);
    }
    const float nan = std::numeric_limits<float>::quiet_NaN();
    key_panels.assign(PaddedRow(length) * head_size, nan);
    cached_values.assign(PaddedRow(length) * head_size, nan);
    cache = {key_panels.data(), cached_values.data()};
    // By calls of one and of several positions, within panels and across them.
    const size_t counts[] = {1, 3, 6, 1, 21, 16, 4, 40};
    for (size_t t = 0, call = 0, count = 0; t < length; t += count) {
      count = std::min(counts[call++ % 8], length - t);
      WriteKv({keys.data() + t * stride, values.data() + t * stride, 1, head_size, stride, t, count,
               count > 1 || t % 16 == 0},
              cache, 0);
    }
  }
};

struct Answer {
  Floats out;  // [length][head_size]
  Floats log_sum_exp;
  bool operator==(const Answer& other) const {
    return std::memcmp(out.data(), other.out.data(), out.size() * sizeof(float)) == 0 &&
           std::memcmp(log_sum_exp.data(), other.log_sum_exp.data(), log_sum_exp.size() * sizeof(float)) == 0;
  }
};

// All positions, `at_once` queries a call.
Answer Run(const Head& head, Arithmetic arithmetic, size_t at_once) {
  Answer answer{Floats(head.length * head.head_size), Floats(head.length)};
  for (size_t t = 0; t < head.length; t += at_once) {
    const size_t rows = std::min(at_once, head.length - t);
    float* out = answer.out.data() + t * head.head_size;
    const float* query = head.queries.data() + t * head.stride;
    if (at_once == 1) {
      AttendHeads({query, head.cache, 0, 1, 0, 1, head.head_size, t, head.scale, arithmetic, out,
                   &answer.log_sum_exp[t], 1, nullptr, 0.0f, head.window});
    } else {
      Attend({query, head.stride, head.cache, head.head_size, t, rows, head.scale, arithmetic, out,
              head.head_size, &answer.log_sum_exp[t], nullptr, 0.0f, head.window});
    }
  }
  return answer;
}

// out [length][head_size] and log_sum_exp [length] by the definition.
template <class T>
void Reference(const std::vector<T>& queries, const std::vector<T>& keys, const std::vector<T>& values,
               size_t head_size, size_t stride, size_t length, double scale, std::vector<T>& out,
               std::vector<T>& log_sum_exp, size_t window = 0) {
  out.assign(length * head_size, T(0));
  log_sum_exp.assign(length, T(0));
  for (size_t t = 0; t < length; ++t) {
    T sum(0);
    for (size_t s = window != 0 && t >= window ? t - window + 1 : 0; s <= t; ++s) {
      T score(0);
      for (size_t i = 0; i < head_size; ++i) score += queries[t * stride + i] * keys[s * stride + i];
      const T weight = std::exp(score * scale);
      sum += weight;
      for (size_t i = 0; i < head_size; ++i) out[t * head_size + i] += weight * values[s * stride + i];
    }
    for (size_t i = 0; i < head_size; ++i) out[t * head_size + i] /= sum;
    log_sum_exp[t] = std::log(sum);
  }
}

template <class T>
std::vector<T> Convert(const Floats& x) {
  return std::vector<T>(x.begin(), x.end());
}

template <class Body>
void ForEachTarget(const Body& body) {
  int count = 0;
  for (int64_t targets = SupportedTargets(); targets != 0; targets &= targets - 1) {
    const char* name = TargetName(targets & -targets);
    CAPTURE(name);
    REQUIRE(UseTarget(name));
    body();
    ++count;
  }
  UseTarget(nullptr);
  CHECK(count > 0);
}

TEST_CASE("attention: every target gives the scalar target's bits, for any number of queries at once") {
  for (const size_t head_size : kHeadSizes) {
    CAPTURE(head_size);
    const Head head(head_size, 201, 7 + head_size);
    for (const Arithmetic arithmetic : {Arithmetic::kSeparate, Arithmetic::kFused}) {
      UseTarget("SCALAR");
      const Answer expected = Run(head, arithmetic, 1);
      ForEachTarget([&] {
        for (const size_t at_once : {1, 3, 4, 7, 64, 201}) {
          CAPTURE(at_once);
          CHECK(Run(head, arithmetic, at_once) == expected);
        }
      });
    }
  }
}

TEST_CASE("attention: near the definition in double") {
  for (const size_t head_size : kHeadSizes) {
    CAPTURE(head_size);
    Head head(head_size, 201, 11 + head_size);
    // Some scores are large, so that the maximum moves from block to block and weights vanish.
    for (size_t i = 0; i < head_size; ++i) head.queries[100 * head.stride + i] *= 12.0f;
    std::vector<double> out, log_sum_exp;
    Reference(Convert<double>(head.queries), Convert<double>(head.keys), Convert<double>(head.values),
              head_size, head.stride, head.length, head.scale, out, log_sum_exp);
    for (const Arithmetic arithmetic : {Arithmetic::kSeparate, Arithmetic::kFused}) {
      const Answer answer = Run(head, arithmetic, 1);
      double worst = 0, worst_log = 0;
      for (size_t i = 0; i < out.size(); ++i) worst = std::max(worst, std::abs(answer.out[i] - out[i]));
      for (size_t t = 0; t < head.length; ++t) {
        worst_log = std::max(worst_log, std::abs(answer.log_sum_exp[t] - log_sum_exp[t]));
      }
      CHECK(worst < 5e-6);
      CHECK(worst_log < 1e-5);
    }
  }
}

TEST_CASE("attention: with a window every target gives the same bits, near the definition in double") {
  for (const size_t head_size : {2, 16, 40}) {
    for (const size_t window : {1, 5, 63, 64, 70, 200, 201, 500}) {
      CAPTURE(head_size);
      CAPTURE(window);
      Head head(head_size, 201, 5 + head_size);
      head.window = window;
      std::vector<double> out, log_sum_exp;
      Reference(Convert<double>(head.queries), Convert<double>(head.keys), Convert<double>(head.values),
                head_size, head.stride, head.length, head.scale, out, log_sum_exp, window);
      UseTarget("SCALAR");
      const Answer expected = Run(head, Arithmetic::kFused, 1);
      double worst = 0;
      for (size_t i = 0; i < out.size(); ++i) worst = std::max(worst, std::abs(expected.out[i] - out[i]));
      for (size_t t = 0; t < head.length; ++t) {
        worst = std::max(worst, std::abs(expected.log_sum_exp[t] - log_sum_exp[t]));
      }
      CHECK(worst < 1e-5);
      ForEachTarget([&] {
        for (const size_t at_once : {1, 7, 64, 201}) {
          CAPTURE(at_once);
          CHECK(Run(head, Arithmetic::kFused, at_once) == expected);
        }
      });
    }
  }
}

TEST_CASE("attention: what lies beyond the query is not read") {
  Head head(8, 40, 3);
  const Answer expected = Run(head, Arithmetic::kSeparate, 1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (size_t t = 21; t < 40; ++t) {
    for (size_t i = 0; i < 8; ++i) {
      head.cached_values[t * 8 + i] = nan;
      head.key_panels[(t / 16 * 8 + i) * 16 + t % 16] = nan;
    }
  }
  Floats out(8);
  AttendHeads({head.queries.data() + 20 * head.stride, head.cache, 0, 1, 0, 1, 8, 20, head.scale,
               Arithmetic::kSeparate, out.data(), nullptr});
  CHECK(std::memcmp(out.data(), expected.out.data() + 20 * 8, sizeof(float) * 8) == 0);
}

TEST_CASE("attention: a value reaches no query before it, however many queries share a call") {
  for (const size_t last : {21, 63, 64, 130}) {
    CAPTURE(last);
    Head head(10, 140, 4);
    const Answer expected = Run(head, Arithmetic::kSeparate, 1);
    for (size_t t = last + 1; t < 140; ++t) {
      for (size_t i = 0; i < 10; ++i) {
        head.cached_values[t * 10 + i] = std::numeric_limits<float>::infinity();
      }
    }
    ForEachTarget([&] {
      for (const size_t at_once : {4, 16, 50, 140}) {
        const Answer answer = Run(head, Arithmetic::kSeparate, at_once);
        CHECK(std::memcmp(answer.out.data(), expected.out.data(), (last + 1) * 10 * sizeof(float)) == 0);
      }
    });
  }
}

TEST_CASE("attention: heads at once equal heads one by one, and only those asked for are written") {
  for (const size_t head_size : {6, 8, 16, 24, 48}) {
    for (const size_t group : {1, 2, 3}) {
      CAPTURE(head_size);
      CAPTURE(group);
      const size_t heads = 11, kv_heads = (heads + group - 1) / group, length = 70;
      const size_t head_stride = PaddedRow(length) * head_size;
      Floats keys(kv_heads * head_stride), values(keys.size()), queries(heads * head_size);
      std::mt19937 random(5);
      std::normal_distribution<float> normal;
      for (float& x : queries) x = normal(random);
      Floats key(kv_heads * head_size), value(key.size());
      for (size_t t = 0; t < length; ++t) {
        for (float& x : key) x = normal(random);
        for (float& x : value) x = normal(random);
        WriteKv({key.data(), value.data(), kv_heads, head_size, 0, t, 1, true}, {keys.data(), values.data()},
                head_stride);
      }
      const auto run = [&](size_t begin, size_t end, Floats& out, Floats& log_sum_exp) {
        AttendHeads({queries.data(),
                     {keys.data(), values.data()},
                     head_stride,
                     group,
                     begin,
                     end,
                     head_size,
                     length - 1,
                     0.3f,
                     Arithmetic::kSeparate,
                     out.data(),
                     log_sum_exp.data()});
      };
      UseTarget("SCALAR");
      Floats want(heads * head_size, 7.0f), want_log(heads, 7.0f);
      for (size_t h = 1; h < heads; ++h) run(h, h + 1, want, want_log);
      ForEachTarget([&] {
        Floats out(heads * head_size, 7.0f), log_sum_exp(heads, 7.0f);
        run(1, heads, out, log_sum_exp);
        CHECK(out == want);
        CHECK(log_sum_exp == want_log);
      });
    }
  }
}

TEST_CASE("attention: packed positions equal written ones") {
  const Head head(6, 37, 5);
  Floats panels(head.key_panels.size(), 1.0f);
  PackPositions(head.keys.data(), head.stride, 6, 37, panels.data());
  CHECK(panels == head.key_panels);
}

struct Gradient {
  Floats d_queries, d_keys, d_values;
};

Gradient RunBackward(const Head& head, const Floats& d_out) {
  const size_t size = head.length * head.stride;
  Gradient g{Floats(size, 7.0f), Floats(size), Floats(size)};
  Floats value_panels(PaddedRow(head.length) * head.head_size);
  PackPositions(head.values.data(), head.stride, head.head_size, head.length, value_panels.data());
  const Answer forward = Run(head, Arithmetic::kFused, 4);
  AttentionBackward({head.queries.data(), head.keys.data(), head.key_panels.data(), value_panels.data(),
                     head.stride, forward.out.data(), d_out.data(), head.head_size,
                     forward.log_sum_exp.data(), g.d_queries.data(), g.d_keys.data(), g.d_values.data(),
                     head.head_size, head.length, head.scale});
  return g;
}

Floats RandomGradient(const Head& head) {
  std::mt19937 random(99);
  std::normal_distribution<float> normal;
  Floats d_out(head.length * head.head_size);
  for (float& x : d_out) x = normal(random);
  return d_out;
}

// The largest difference of `actual` from the derivative of sum(d_out * out) by rows[which], by complex step.
double ComplexStepError(const Head& head, const Floats& d_out, int which, const Floats& actual) {
  using Complex = std::complex<double>;
  std::vector<Complex> rows[3] = {Convert<Complex>(head.queries), Convert<Complex>(head.keys),
                                  Convert<Complex>(head.values)};
  std::vector<Complex> out, log_sum_exp;
  double worst = 0;
  for (size_t t = 0; t < head.length; ++t) {
    for (size_t i = 0; i < head.head_size; ++i) {
      Complex& x = rows[which][t * head.stride + i];
      x += Complex(0, 1e-100);
      Reference(rows[0], rows[1], rows[2], head.head_size, head.stride, head.length, head.scale, out,
                log_sum_exp);
      x = x.real();
      double derivative = 0;
      for (size_t j = 0; j < out.size(); ++j) derivative += d_out[j] * out[j].imag() / 1e-100;
      worst = std::max(worst, std::abs(derivative - actual[t * head.stride + i]));
    }
  }
  return worst;
}

TEST_CASE("attention backward: complex step") {
  for (const auto& size : {std::pair<size_t, size_t>{6, 37}, {8, 16}, {24, 21}, {2, 1}}) {
    CAPTURE(size.first);
    const Head head(size.first, size.second, 17);
    const Floats d_out = RandomGradient(head);
    const Gradient g = RunBackward(head, d_out);
    CHECK(ComplexStepError(head, d_out, 0, g.d_queries) < 1e-5);
    CHECK(ComplexStepError(head, d_out, 1, g.d_keys) < 1e-5);
    CHECK(ComplexStepError(head, d_out, 2, g.d_values) < 1e-5);
  }
}

TEST_CASE(
    "attention backward: every target gives the scalar target's bits; nothing beside the head is touched") {
  for (const size_t head_size : kHeadSizes) {
    CAPTURE(head_size);
    const Head head(head_size, 77, 23);
    const Floats d_out = RandomGradient(head);
    UseTarget("SCALAR");
    const Gradient expected = RunBackward(head, d_out);
    ForEachTarget([&] {
      const Gradient g = RunBackward(head, d_out);
      CHECK(g.d_queries == expected.d_queries);
      CHECK(g.d_keys == expected.d_keys);
      CHECK(g.d_values == expected.d_values);
      bool untouched = true;
      for (size_t t = 0; t < head.length; ++t) {
        for (size_t i = head_size; i < head.stride; ++i)
          untouched &= g.d_queries[t * head.stride + i] == 7.0f;
      }
      CHECK(untouched);
    });
  }
}

}  // namespace
}  // namespace cllm
