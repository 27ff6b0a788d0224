// Room: converter/export. The graph of a model as a class in TorchScript's source form.
#ifndef CLLM_CONVERTER_EXPORT_TORCH_BUILDER_H_
#define CLLM_CONVERTER_EXPORT_TORCH_BUILDER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "converter/export/graph.h"

namespace cllm {

class TorchBuilder : public GraphBuilder {
 public:
  TorchBuilder();

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
  Value Positions() override { return "positions"; }
  Value Masked(const Value& scores, uint32_t window) override;
  // Nothing is kept between runs.
  Value WithPast(uint32_t /*layer*/, const char* /*part*/, const Value& x) override { return x; }
  void SetLogits(const Value& logits) override;

  // The class __torch__.Model.
  std::string Source() const;
  const std::vector<GraphWeights>& weights() const { return weights_; }

 private:
  Value Call(const std::string& function, const std::vector<std::string>& arguments);
  void Assign(const Value& name, const std::string& expression);

  std::vector<GraphWeights> weights_;
  std::string body_;
  int count_ = 0;
  std::map<uint32_t, Value> visible_;  // by window: [batch][1][1][queries][keys]
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_TORCH_BUILDER_H_
