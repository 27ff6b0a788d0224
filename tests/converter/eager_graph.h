// A graph builder that computes: each value at once, in double, for one sequence from position 0 on.
#ifndef CLLM_TESTS_CONVERTER_EAGER_GRAPH_H_
#define CLLM_TESTS_CONVERTER_EAGER_GRAPH_H_

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "converter/export/graph.h"

namespace cllm::testing {

class EagerGraph : public GraphBuilder {
 public:
  struct Tensor {
    std::vector<size_t> shape;
    std::vector<double> values;
    size_t last() const { return shape.back(); }
  };

  explicit EagerGraph(const std::vector<uint32_t>& tokens) : tokens_(tokens) {}

  const Tensor& logits() const { return logits_; }

  Value Weights(const std::string& name, const std::vector<uint64_t>& shape,
                std::function<std::vector<float>()> values) override {
    const std::vector<float> floats = values();
    Tensor& tensor = tensors_[name] = {{shape.begin(), shape.end()}, {floats.begin(), floats.end()}};
    if (tensor.values.size() != Count(tensor.shape)) throw std::runtime_error(name + " has another size");
    return name;
  }
  Value Number(float number) override { return Keep({{}, {static_cast<double>(number)}}); }

  Value Apply(Unary op, const Value& x) override {
    Tensor y = tensors_.at(x);
    for (double& v : y.values) {
      switch (op) {
        case Unary::kSqrt: v = std::sqrt(v); break;
        case Unary::kTanh: v = std::tanh(v); break;
        case Unary::kSigmoid: v = 1 / (1 + std::exp(-v)); break;
        case Unary::kErf: v = std::erf(v); break;
        case Unary::kRelu: v = std::max(v, 0.0); break;
      }
    }
    return Keep(y);
  }

  Value Apply(Binary op, const Value& left, const Value& right) override {
    const Tensor &a = tensors_.at(left), &b = tensors_.at(right);
    Tensor y = {Broadcast(a.shape, b.shape), {}};
    for (size_t i = 0; i < Count(y.shape); ++i) {
      const double p = a.values[Source(y.shape, a.shape, i)], q = b.values[Source(y.shape, b.shape, i)];
      y.values.push_back(op == Binary::kAdd        ? p + q
                         : op == Binary::kSubtract ? p - q
                         : op == Binary::kMultiply ? p * q
                                                   : p / q);
    }
    return Keep(y);
  }

  Value MatMul(const Value& left, const Value& right) override {
    const Tensor &a = tensors_.at(left), &b = tensors_.at(right);
    const size_t rows = a.shape[a.shape.size() - 2], inner = a.last(), columns = b.last();
    if (b.shape[b.shape.size() - 2] != inner) throw std::runtime_error("shapes of a product do not fit");
    const auto batch = [](std::vector<size_t> shape) { return shape.resize(shape.size() - 2), shape; };
    Tensor y = {Broadcast(batch(a.shape), batch(b.shape)), {}};
    for (size_t i = 0; i < Count(y.shape); ++i) {
      const double* p = a.values.data() + Source(y.shape, batch(a.shape), i) * rows * inner;
      const double* q = b.values.data() + Source(y.shape, batch(b.shape), i) * inner * columns;
      for (size_t row = 0; row < rows; ++row) {
        for (size_t column = 0; column < columns; ++column) {
          double sum = 0;
          for (size_t k = 0; k < inner; ++k) sum += p[row * inner + k] * q[k * columns + column];
          y.values.push_back(sum);
        }
      }
    }
    y.shape.insert(y.shape.end(), {rows, columns});
    return Keep(y);
  }

  Value Mean(const Value& x) override {
    const Tensor& from = tensors_.at(x);
    Tensor y = {from.shape, std::vector<double>(from.values.size() / from.last())};
    y.shape.back() = 1;
    for (size_t i = 0; i < from.values.size(); ++i)
      y.values[i / from.last()] += from.values[i] / static_cast<double>(from.last());
    return Keep(y);
  }

  Value Softmax(const Value& x) override {
    Tensor y = tensors_.at(x);
    for (auto row = y.values.begin(); row != y.values.end(); row += static_cast<long>(y.last())) {
      const auto end = row + static_cast<long>(y.last());
      const double most = *std::max_element(row, end);
      double sum = 0;
      for (auto v = row; v != end; ++v) sum += * v = std::exp(*v - most);
      for (auto v = row; v != end; ++v) *v /= sum;
    }
    return Keep(y);
  }

  Value Slice(const Value& x, uint32_t begin, uint32_t end) override {
    const Tensor& from = tensors_.at(x);
    Tensor y = {from.shape, {}};
    y.shape.back() = end - begin;
    for (size_t i = 0; i < from.values.size(); ++i) {
      if (i % from.last() >= begin && i % from.last() < end) y.values.push_back(from.values[i]);
    }
    return Keep(y);
  }

  Value Concat(const std::vector<Value>& values) override {
    Tensor y = {tensors_.at(values[0]).shape, {}};
    const size_t rows = Count(y.shape) / y.last();
    y.shape.back() = 0;
    for (const Value& value : values) y.shape.back() += tensors_.at(value).last();
    for (size_t row = 0; row < rows; ++row) {
      for (const Value& value : values) {
        const Tensor& part = tensors_.at(value);
        const auto begin = part.values.begin() + static_cast<long>(row * part.last());
        y.values.insert(y.values.end(), begin, begin + static_cast<long>(part.last()));
      }
    }
    return Keep(y);
  }

  Value Rows(const Value& table, const Value& indices) override {
    const Tensor &rows = tensors_.at(table), &which = tensors_.at(indices);
    Tensor y = {{which.shape[0], which.shape[1], rows.last()}, {}};
    for (const double index : which.values) {
      const auto begin = rows.values.begin() + static_cast<long>(index) * static_cast<long>(rows.last());
      y.values.insert(y.values.end(), begin, begin + static_cast<long>(rows.last()));
    }
    return Keep(y);
  }

  Value Transpose(const Value& x, const std::vector<int>& axes) override {
    const Tensor& from = tensors_.at(x);
    Tensor y;
    for (const int axis : axes) y.shape.push_back(from.shape[static_cast<size_t>(axis)]);
    for (size_t i = 0; i < from.values.size(); ++i) {
      std::vector<size_t> at(axes.size());
      for (size_t axis = axes.size(), rest = i; axis-- > 0; rest /= y.shape[axis])
        at[static_cast<size_t>(axes[axis])] = rest % y.shape[axis];
      size_t source = 0;
      for (size_t axis = 0; axis < at.size(); ++axis) source = source * from.shape[axis] + at[axis];
      y.values.push_back(from.values[source]);
    }
    return Keep(y);
  }

  Value Reshape(const Value& x, const std::vector<int>& sizes) override {
    Tensor y = {{}, tensors_.at(x).values};
    size_t known = 1, open = sizes.size();
    for (size_t axis = 0; axis < sizes.size(); ++axis) {
      if (sizes[axis] < 0) open = axis;
      y.shape.push_back(sizes[axis] == 0  ? tensors_.at(x).shape[axis]
                        : sizes[axis] > 0 ? static_cast<size_t>(sizes[axis])
                                          : 1);
      known *= y.shape.back();
    }
    if (open < sizes.size()) y.shape[open] = y.values.size() / known;
    if (Count(y.shape) != y.values.size()) throw std::runtime_error("a new shape has another size");
    return Keep(y);
  }

  Value Tokens() override { return Keep({{1, tokens_.size()}, {tokens_.begin(), tokens_.end()}}); }
  Value Positions() override {
    Tensor y = {{1, tokens_.size()}, {}};
    for (size_t i = 0; i < tokens_.size(); ++i) y.values.push_back(static_cast<double>(i));
    return Keep(y);
  }
  Value Masked(const Value& scores, uint32_t window) override {
    Tensor y = tensors_.at(scores);
    for (size_t i = 0; i < y.values.size(); ++i) {
      const size_t key = i % y.last(), query = i / y.last() % tokens_.size();
      if (key > query || (window != 0 && query - key >= window)) y.values[i] = -1e300;
    }
    return Keep(y);
  }
  Value WithPast(uint32_t /*layer*/, const char* /*part*/, const Value& x) override { return x; }
  void SetLogits(const Value& logits) override { logits_ = tensors_.at(logits); }

 private:
  static size_t Count(const std::vector<size_t>& shape) {
    size_t count = 1;
    for (const size_t size : shape) count *= size;
    return count;
  }
  static std::vector<size_t> Broadcast(const std::vector<size_t>& a, const std::vector<size_t>& b) {
    std::vector<size_t> shape(std::max(a.size(), b.size()), 1);
    for (const auto* each : {&a, &b}) {
      for (size_t i = 0; i < each->size(); ++i) {
        size_t& size = shape[shape.size() - each->size() + i];
        if (size != 1 && (*each)[i] != 1 && size != (*each)[i]) throw std::runtime_error("shapes do not fit");
        size = std::max(size, (*each)[i]);
      }
    }
    return shape;
  }
  // Where element i of `shape` lies in a tensor that is broadcast to it.
  static size_t Source(const std::vector<size_t>& shape, const std::vector<size_t>& from, size_t i) {
    size_t source = 0, stride = 1;
    for (size_t axis = shape.size(), k = from.size(); k-- > 0; stride *= from[k]) {
      --axis;
      source += (from[k] == 1 ? 0 : i % shape[axis]) * stride;
      i /= shape[axis];
    }
    return source;
  }
  Value Keep(const Tensor& tensor) {
    const Value name = std::to_string(tensors_.size());
    tensors_[name] = tensor;
    return name;
  }

  std::vector<uint32_t> tokens_;
  std::map<std::string, Tensor> tensors_;
  Tensor logits_;
};

}  // namespace cllm::testing

#endif  // CLLM_TESTS_CONVERTER_EAGER_GRAPH_H_
