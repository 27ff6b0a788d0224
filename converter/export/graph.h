// Room: converter/export. A model as a graph of plain operators, whatever file it is for: graph.cc says
// what is computed, and each format's builder writes it down.
#ifndef CLLM_CONVERTER_EXPORT_GRAPH_H_
#define CLLM_CONVERTER_EXPORT_GRAPH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// A constant in float32; `values` is called when the file is written.
struct GraphWeights {
  std::string name;  // as the format names it
  std::vector<uint64_t> shape;
  std::function<std::vector<float>()> values;
  uint64_t bytes() const;
};

// Values are named as the format names them. Element-wise operators broadcast as NumPy does. Batches and
// lengths are known only when the graph runs.
class GraphBuilder {
 public:
  using Value = std::string;
  enum class Unary { kSqrt, kTanh, kSigmoid, kErf, kRelu };
  enum class Binary { kAdd, kSubtract, kMultiply, kDivide };

  virtual ~GraphBuilder() = default;

  // float32 constants, as GraphWeights has them.
  virtual Value Weights(const std::string& name, const std::vector<uint64_t>& shape,
                        std::function<std::vector<float>()> values) = 0;
  // For the right side of a binary operator.
  virtual Value Number(float number) = 0;

  virtual Value Apply(Unary op, const Value& x) = 0;
  virtual Value Apply(Binary op, const Value& a, const Value& b) = 0;
  virtual Value MatMul(const Value& a, const Value& b) = 0;
  // Of the last axis, which Mean keeps.
  virtual Value Mean(const Value& x) = 0;
  virtual Value Softmax(const Value& x) = 0;
  virtual Value Slice(const Value& x, uint32_t begin, uint32_t end) = 0;
  virtual Value Concat(const std::vector<Value>& values) = 0;
  // Rows of a table [rows][columns] by integers [batch][sequence].
  virtual Value Rows(const Value& table, const Value& indices) = 0;
  virtual Value Transpose(const Value& x, const std::vector<int>& axes) = 0;
  // 0: the size that x has there; -1: what remains.
  virtual Value Reshape(const Value& x, const std::vector<int>& sizes) = 0;

  // The graph's inputs: integers [batch][sequence].
  virtual Value Tokens() = 0;
  virtual Value Positions() = 0;
  // Scores [batch][key heads][group][queries][keys], the lowest number where the query does not see the key:
  // it comes later, is padding, or, with a window that is not 0, lies that far back.
  virtual Value Masked(const Value& scores, uint32_t window) = 0;
  // "key" or "value" of a layer [batch][key heads][sequence][head size], after those of earlier runs.
  virtual Value WithPast(uint32_t layer, const char* part, const Value& x) = 0;
  // The graph's output [batch][sequence][vocabulary].
  virtual void SetLogits(const Value& logits) = 0;
};

// The whole model, in float32; weights have names such as "layers.0.query". The checkpoint is valid, has
// pairs that are halves apart (RotateByHalves), and outlives the builder.
void BuildModelGraph(const Checkpoint& checkpoint, GraphBuilder* builder);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_GRAPH_H_
