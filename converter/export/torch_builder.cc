#include "converter/export/torch_builder.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace cllm {
namespace {

const char* NameOf(GraphBuilder::Unary op) {
  switch (op) {
    case GraphBuilder::Unary::kSqrt: return "sqrt";
    case GraphBuilder::Unary::kTanh: return "tanh";
    case GraphBuilder::Unary::kSigmoid: return "sigmoid";
    case GraphBuilder::Unary::kErf: return "erf";
    case GraphBuilder::Unary::kRelu: return "relu";
  }
  return "";
}

const char* NameOf(GraphBuilder::Binary op) {
  switch (op) {
    case GraphBuilder::Binary::kAdd: return "add";
    case GraphBuilder::Binary::kSubtract: return "sub";
    case GraphBuilder::Binary::kMultiply: return "mul";
    case GraphBuilder::Binary::kDivide: return "div";
  }
  return "";
}

std::string List(const std::vector<std::string>& items) {
  return absl::StrCat("[", absl::StrJoin(items, ", "), "]");
}

}  // namespace

// Positions count from 0 in each row.
TorchBuilder::TorchBuilder() {
  Assign(Positions(), "torch.sub(torch.cumsum(torch.ones_like(input_ids), 1), 1)");
}

void TorchBuilder::Assign(const Value& name, const std::string& expression) {
  absl::StrAppend(&body_, "    ", name, " = ", expression, "\n");
}

GraphBuilder::Value TorchBuilder::Call(const std::string& function,
                                       const std::vector<std::string>& arguments) {
  const Value name = absl::StrCat("v", ++count_);
  Assign(name, absl::StrCat("torch.", function, "(", absl::StrJoin(arguments, ", "), ")"));
  return name;
}

GraphBuilder::Value TorchBuilder::Weights(const std::string& name, const std::vector<uint64_t>& shape,
                                          std::function<std::vector<float>()> values) {
  const std::string attribute = absl::StrReplaceAll(name, {{".", "_"}});
  weights_.push_back({attribute, shape, std::move(values)});
  return absl::StrCat("self.", attribute);
}

// A number with a point, so that it is none of integers.
GraphBuilder::Value TorchBuilder::Number(float number) {
  const std::string text = absl::StrFormat("%.17g", number);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

GraphBuilder::Value TorchBuilder::Apply(Unary op, const Value& x) { return Call(NameOf(op), {x}); }
GraphBuilder::Value TorchBuilder::Apply(Binary op, const Value& a, const Value& b) {
  return Call(NameOf(op), {a, b});
}
GraphBuilder::Value TorchBuilder::MatMul(const Value& a, const Value& b) { return Call("matmul", {a, b}); }
GraphBuilder::Value TorchBuilder::Mean(const Value& x) { return Call("mean", {x, "[-1]", "True"}); }
GraphBuilder::Value TorchBuilder::Softmax(const Value& x) { return Call("softmax", {x, "-1"}); }

GraphBuilder::Value TorchBuilder::Slice(const Value& x, uint32_t begin, uint32_t end) {
  return Call("slice", {x, "-1", absl::StrCat(begin), absl::StrCat(end)});
}

GraphBuilder::Value TorchBuilder::Concat(const std::vector<Value>& values) {
  return Call("cat", {List(values), "-1"});
}

GraphBuilder::Value TorchBuilder::Rows(const Value& table, const Value& indices) {
  return Call("embedding", {table, indices});
}

GraphBuilder::Value TorchBuilder::Transpose(const Value& x, const std::vector<int>& axes) {
  return Call("permute", {x, absl::StrCat("[", absl::StrJoin(axes, ", "), "]")});
}

GraphBuilder::Value TorchBuilder::Reshape(const Value& x, const std::vector<int>& sizes) {
  std::vector<std::string> items;
  for (size_t axis = 0; axis < sizes.size(); ++axis) {
    items.push_back(sizes[axis] != 0 ? absl::StrCat(sizes[axis])
                                     : absl::StrCat("torch.size(", x, ", ", axis, ")"));
  }
  return Call("reshape", {x, List(items)});
}

GraphBuilder::Value TorchBuilder::Masked(const Value& scores, uint32_t window) {
  Value& visible = visible_[window];
  if (visible.empty()) {
    const Value keys = Call("unsqueeze", {Positions(), "1"}), queries = Call("unsqueeze", {Positions(), "2"});
    visible = Call("le", {keys, queries});
    if (window != 0) {
      const Value near = Call("lt", {Call("sub", {queries, keys}), absl::StrCat(window)});
      visible = Call("logical_and", {visible, near});
    }
    visible = Call("unsqueeze", {Call("unsqueeze", {visible, "1"}), "1"});
  }
  return Call("where", {visible, scores, Number(std::numeric_limits<float>::lowest())});
}

void TorchBuilder::SetLogits(const Value& logits) { absl::StrAppend(&body_, "    return ", logits, "\n"); }

std::string TorchBuilder::Source() const {
  std::string names, types;
  for (const GraphWeights& tensor : weights_) {
    absl::StrAppend(&names, "\"", tensor.name, "\", ");
    absl::StrAppend(&types, "  ", tensor.name, " : Tensor\n");
  }
  return absl::StrCat("class Model(Module):\n  __parameters__ = [", names,
                      "]\n  __buffers__ = []\n  training : bool\n  _is_full_backward_hook : Optional[bool]\n",
                      types, "  def forward(self: __torch__.Model,\n    input_ids: Tensor) -> Tensor:\n",
                      body_);
}

}  // namespace cllm
