// Room: converter/export. The graph of a model in ONNX's messages; weights are only described.
#ifndef CLLM_CONVERTER_EXPORT_ONNX_BUILDER_H_
#define CLLM_CONVERTER_EXPORT_ONNX_BUILDER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "converter/export/graph.h"
#include "converter/export/onnx.pb.h"

namespace cllm {

class OnnxBuilder : public GraphBuilder {
 public:
  OnnxBuilder(const Architecture& architecture, bool with_past);

  Value Weights(const std::string& name, const std::vector<uint64_t>& shape,
                std::function<std::vector<float>()> values) override;
  Value Number(float number) override;
  Value Apply(Unary op, const Value& x) override;
  Value Apply(Binary op, const Value& a, const Value& b) override;
  Value MatMul(const Value& a, const Value& b) override;
  Value Mean(const Value& x) override;
  Value Softmax(const Value& x) override;
  Value Slice(const Value& x, uint32_t begin, uint32_t end) override;
  Value Concat(const std::vector<Value>& values) override;
  Value Rows(const Value& table, const Value& indices) override;
  Value Transpose(const Value& x, const std::vector<int>& axes) override;
  Value Reshape(const Value& x, const std::vector<int>& sizes) override;
  Value Tokens() override { return "input_ids"; }
  Value Positions() override { return "position_ids"; }
  Value Masked(const Value& scores, uint32_t window) override;
  Value WithPast(uint32_t layer, const char* part, const Value& x) override;
  void SetLogits(const Value& logits) override;

  // Nodes, inputs, outputs, small constants; without the weights.
  const onnx::GraphProto& graph() const { return graph_; }
  const std::vector<GraphWeights>& weights() const { return weights_; }

 private:
  Value Node(const char* type, const std::vector<Value>& inputs);
  onnx::AttributeProto* Attribute(const char* name, onnx::AttributeProto::AttributeType type);
  void SetAttribute(const char* name, int64_t value);  // of the last node
  Value Integers(const std::vector<int64_t>& values, bool scalar = false);
  Value LastAxis();
  Value SizeOf(const Value& x, int64_t axis);
  Value Unsqueezed(const Value& x, const std::vector<int64_t>& axes);
  Value Cast(const Value& x, onnx::TensorProto::DataType type);
  void Describe(onnx::ValueInfoProto* info, const std::string& name, onnx::TensorProto::DataType type,
                const std::vector<std::string>& axes);  // names or sizes
  const Value& Visible(uint32_t window);

  const Architecture& architecture_;
  bool with_past_;
  onnx::GraphProto graph_;
  std::vector<GraphWeights> weights_;
  std::map<std::string, bool> constants_;
  std::map<uint32_t, Value> visible_;  // by window: [batch][1][1][queries][keys]
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_ONNX_BUILDER_H_
