#ifdef CLLM_HAS_PROTOBUF

#include "converter/export/onnx_builder.h"

#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace cllm {
namespace {

using onnx::AttributeProto;
using onnx::TensorProto;

const char* NameOf(GraphBuilder::Unary op) {
  switch (op) {
    case GraphBuilder::Unary::kSqrt: return "Sqrt";
    case GraphBuilder::Unary::kTanh: return "Tanh";
    case GraphBuilder::Unary::kSigmoid: return "Sigmoid";
    case GraphBuilder::Unary::kErf: return "Erf";
    case GraphBuilder::Unary::kRelu: return "Relu";
  }
  return "";
}

const char* NameOf(GraphBuilder::Binary op) {
  switch (op) {
    case GraphBuilder::Binary::kAdd: return "Add";
    case GraphBuilder::Binary::kSubtract: return "Sub";
    case GraphBuilder::Binary::kMultiply: return "Mul";
    case GraphBuilder::Binary::kDivide: return "Div";
  }
  return "";
}

}  // namespace

OnnxBuilder::OnnxBuilder(const Architecture& architecture, bool with_past)
    : architecture_(architecture), with_past_(with_past) {
  graph_.set_name("cllm");
  const char* const keys = with_past ? "past_sequence_length + sequence_length" : "sequence_length";
  Describe(graph_.add_input(), Tokens(), TensorProto::INT64, {"batch_size", "sequence_length"});
  Describe(graph_.add_input(), "attention_mask", TensorProto::INT64, {"batch_size", keys});
  Describe(graph_.add_input(), Positions(), TensorProto::INT64, {"batch_size", "sequence_length"});
  Describe(graph_.add_output(), "logits", TensorProto::FLOAT,
           {"batch_size", "sequence_length", absl::StrCat(architecture.vocabulary_size)});
}

void OnnxBuilder::Describe(onnx::ValueInfoProto* info, const std::string& name, TensorProto::DataType type,
                           const std::vector<std::string>& axes) {
  info->set_name(name);
  info->mutable_type()->mutable_tensor_type()->set_elem_type(type);
  for (const std::string& axis : axes) {
    auto* dimension = info->mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim();
    int64_t size = 0;
    if (absl::SimpleAtoi(axis, &size)) {
      dimension->set_dim_value(size);
    } else {
      dimension->set_dim_param(axis);
    }
  }
}

// The first output has the node's name.
GraphBuilder::Value OnnxBuilder::Node(const char* type, const std::vector<Value>& inputs) {
  onnx::NodeProto* node = graph_.add_node();
  const std::string name = absl::StrCat(type, "_", graph_.node_size());
  node->set_name(name);
  node->set_op_type(type);
  for (const Value& input : inputs) node->add_input(input);
  node->add_output(name);
  return name;
}

AttributeProto* OnnxBuilder::Attribute(const char* name, AttributeProto::AttributeType type) {
  AttributeProto* attribute = graph_.mutable_node(graph_.node_size() - 1)->add_attribute();
  attribute->set_name(name);
  attribute->set_type(type);
  return attribute;
}

void OnnxBuilder::SetAttribute(const char* name, int64_t value) {
  Attribute(name, AttributeProto::INT)->set_i(value);
}

GraphBuilder::Value OnnxBuilder::Weights(const std::string& name, const std::vector<uint64_t>& shape,
                                         std::function<std::vector<float>()> values) {
  weights_.push_back({name, shape, std::move(values)});
  return name;
}

GraphBuilder::Value OnnxBuilder::Number(float number) {
  const std::string name = absl::StrFormat("number_%.9g", number);
  if (constants_.emplace(name, true).second) {
    TensorProto* tensor = graph_.add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(TensorProto::FLOAT);
    tensor->add_float_data(number);
  }
  return name;
}

GraphBuilder::Value OnnxBuilder::Integers(const std::vector<int64_t>& values, bool scalar) {
  const std::string name = absl::StrCat(scalar ? "integer_" : "integers_", absl::StrJoin(values, "_"));
  if (constants_.emplace(name, true).second) {
    TensorProto* tensor = graph_.add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(TensorProto::INT64);
    if (!scalar) tensor->add_dims(static_cast<int64_t>(values.size()));
    for (const int64_t value : values) tensor->add_int64_data(value);
  }
  return name;
}

GraphBuilder::Value OnnxBuilder::Apply(Unary op, const Value& x) { return Node(NameOf(op), {x}); }
GraphBuilder::Value OnnxBuilder::Apply(Binary op, const Value& a, const Value& b) {
  return Node(NameOf(op), {a, b});
}
GraphBuilder::Value OnnxBuilder::MatMul(const Value& a, const Value& b) { return Node("MatMul", {a, b}); }
GraphBuilder::Value OnnxBuilder::LastAxis() { return Integers({-1}); }
GraphBuilder::Value OnnxBuilder::Mean(const Value& x) { return Node("ReduceMean", {x, LastAxis()}); }

GraphBuilder::Value OnnxBuilder::Softmax(const Value& x) {
  const Value y = Node("Softmax", {x});
  SetAttribute("axis", -1);
  return y;
}

GraphBuilder::Value OnnxBuilder::Slice(const Value& x, uint32_t begin, uint32_t end) {
  return Node("Slice", {x, Integers({begin}), Integers({end}), LastAxis()});
}

GraphBuilder::Value OnnxBuilder::Concat(const std::vector<Value>& values) {
  const Value y = Node("Concat", values);
  SetAttribute("axis", -1);
  return y;
}

GraphBuilder::Value OnnxBuilder::Rows(const Value& table, const Value& indices) {
  return Node("Gather", {table, indices});
}

GraphBuilder::Value OnnxBuilder::Transpose(const Value& x, const std::vector<int>& axes) {
  const Value y = Node("Transpose", {x});
  AttributeProto* permutation = Attribute("perm", AttributeProto::INTS);
  for (const int axis : axes) permutation->add_ints(axis);
  return y;
}

GraphBuilder::Value OnnxBuilder::Reshape(const Value& x, const std::vector<int>& sizes) {
  return Node("Reshape", {x, Integers(std::vector<int64_t>(sizes.begin(), sizes.end()))});
}

GraphBuilder::Value OnnxBuilder::SizeOf(const Value& x, int64_t axis) {
  return Node("Gather", {Node("Shape", {x}), Integers({axis}, true)});
}

GraphBuilder::Value OnnxBuilder::Unsqueezed(const Value& x, const std::vector<int64_t>& axes) {
  return Node("Unsqueeze", {x, Integers(axes)});
}

GraphBuilder::Value OnnxBuilder::Cast(const Value& x, TensorProto::DataType type) {
  const Value y = Node("Cast", {x});
  SetAttribute("to", type);
  return y;
}

// Places in the sequence tell who sees whom, not positions, which padding shifts.
const GraphBuilder::Value& OnnxBuilder::Visible(uint32_t window) {
  Value& visible = visible_[window];
  if (!visible.empty()) return visible;
  const Value keys = SizeOf("attention_mask", 1), queries = SizeOf(Tokens(), 1);
  const Value one = Integers({1}, true);
  const Value key = Node("Range", {Integers({0}, true), keys, one});
  const Value query =
      Unsqueezed(Node("Range", {Node("Sub", {keys, queries}), keys, one}), {1});  // [queries][1]
  Value seen = Node("LessOrEqual", {key, query});
  if (window != 0) {
    const Value near = Node("Less", {Node("Sub", {query, key}), Integers({window}, true)});
    seen = Node("And", {seen, near});
  }
  const Value real = Unsqueezed(Cast("attention_mask", TensorProto::BOOL), {1, 2, 3});
  visible = Node("And", {real, seen});
  return visible;
}

GraphBuilder::Value OnnxBuilder::Masked(const Value& scores, uint32_t window) {
  const Value visible = Visible(window);
  return Node("Where", {visible, scores, Number(std::numeric_limits<float>::lowest())});
}

GraphBuilder::Value OnnxBuilder::WithPast(uint32_t layer, const char* part, const Value& x) {
  if (!with_past_) return x;
  const std::string past = absl::StrCat("past_key_values.", layer, ".", part),
                    present = absl::StrCat("present.", layer, ".", part);
  const std::string heads = absl::StrCat(architecture_.kv_heads),
                    size = absl::StrCat(architecture_.head_size);
  Describe(graph_.add_input(), past, TensorProto::FLOAT, {"batch_size", heads, "past_sequence_length", size});
  Describe(graph_.add_output(), present, TensorProto::FLOAT,
           {"batch_size", heads, "past_sequence_length + sequence_length", size});
  Node("Concat", {past, x});
  SetAttribute("axis", 2);
  graph_.mutable_node(graph_.node_size() - 1)->set_output(0, present);
  return present;
}

void OnnxBuilder::SetLogits(const Value& logits) {
  Node("Identity", {logits});
  graph_.mutable_node(graph_.node_size() - 1)->set_output(0, "logits");
}

}  // namespace cllm

#endif  // CLLM_HAS_PROTOBUF
