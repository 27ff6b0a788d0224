#include "converter/export/graph.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "converter/export/turns.h"

namespace cllm {
namespace {

using Unary = GraphBuilder::Unary;
using Binary = GraphBuilder::Binary;
using Value = GraphBuilder::Value;

// Cosines or sines of all positions, [context][pairs], of angles that are exact in integers.
std::vector<float> RotationTable(const std::vector<uint64_t>& turns, uint32_t context,
                                 double (*function)(double)) {
  std::vector<float> table;
  table.reserve(uint64_t{context} * turns.size());
  for (uint32_t position = 0; position < context; ++position) {
    for (const uint64_t each : turns) {
      const auto phase = static_cast<int64_t>(each * position);
      table.push_back(static_cast<float>(function(std::ldexp(static_cast<double>(phase), -64) * 2 * M_PI)));
    }
  }
  return table;
}

class ModelGraph {
 public:
  ModelGraph(const Checkpoint& checkpoint, GraphBuilder* builder)
      : checkpoint_(checkpoint), a_(checkpoint.architecture), variant_(a_.variant), g_(*builder) {}

  void Build() {
    const Value embedding =
        g_.Weights("token_embedding", {a_.vocabulary_size, a_.width}, Rows({Role::kTokenEmbedding, 0}));
    Value x = Scaled(g_.Rows(embedding, g_.Tokens()), variant_.embedding_scale);
    if (variant_.learned_positions) {
      const Value table =
          g_.Weights("position_embedding", {a_.context, a_.width}, Rows({Role::kPositionEmbedding, 0}));
      x = Add(x, g_.Rows(table, g_.Positions()));
    }
    if (variant_.rope) rotation_ = MakeRotation("rotation", TurnsOf(a_));
    if (variant_.window_rope) window_rotation_ = MakeRotation("window_rotation", a_.window_rope_turns);
    for (uint32_t layer = 0; layer < a_.layers; ++layer) x = Layer(layer, x);
    x = Norm(x, {Role::kFinalNorm, 0});
    const Value head = a_.tied_head ? g_.Transpose(embedding, {1, 0})
                                    : Matrix("head", {Role::kHead, 0}, 0, a_.vocabulary_size);
    const Value logits = Scaled(g_.MatMul(x, head), variant_.logit_scale);
    g_.SetLogits(Capped(logits, variant_.logit_softcap));
  }

 private:
  // cosines and sines of the positions, [batch][1][sequence][pairs]
  struct Rotation {
    Value cosines, sines;
  };

  Value Add(const Value& x, const Value& y) { return g_.Apply(Binary::kAdd, x, y); }
  Value Multiply(const Value& x, const Value& y) { return g_.Apply(Binary::kMultiply, x, y); }
  Value Multiply(const Value& x, float y) { return Multiply(x, g_.Number(y)); }
  Value Scaled(const Value& x, float scale) { return scale == 1.0f ? x : Multiply(x, scale); }
  Value Capped(const Value& x, float cap) {
    if (cap == 0.0f) return x;
    return Multiply(g_.Apply(Unary::kTanh, g_.Apply(Binary::kDivide, x, g_.Number(cap))), cap);
  }

  // All of a tensor, row-major.
  std::function<std::vector<float>()> Rows(const TensorKey& key) const {
    const FloatTensor& tensor = checkpoint_.tensors.at(key);
    return [&tensor] { return tensor.values; };
  }

  // Rows [first, first + rows) of a matrix as what is multiplied by from the left: [columns][rows].
  Value Matrix(const std::string& name, const TensorKey& key, uint32_t first, uint32_t rows) {
    const FloatTensor& tensor = checkpoint_.tensors.at(key);
    return g_.Weights(name, {tensor.columns, rows}, [&tensor, first, rows] {
      std::vector<float> values(uint64_t{tensor.columns} * rows);
      for (uint64_t row = 0; row < rows; ++row) {
        const float* from = tensor.values.data() + (first + row) * tensor.columns;
        for (uint64_t k = 0; k < tensor.columns; ++k) values[k * rows + row] = from[k];
      }
      return values;
    });
  }

  // `count` elements of a row of vectors, from `first` on.
  Value Vector(const std::string& name, const TensorKey& key, uint32_t row, uint32_t first, uint32_t count) {
    const FloatTensor& tensor = checkpoint_.tensors.at(key);
    const uint64_t at = uint64_t{row} * tensor.columns + first;
    return g_.Weights(name, {count}, [&tensor, at, count] {
      const auto begin = tensor.values.begin() + static_cast<std::ptrdiff_t>(at);
      return std::vector<float>(begin, begin + count);
    });
  }

  // x times rows [first, first + rows) of a tensor, plus its bias if there is one.
  Value Linear(const std::string& name, const Value& x, const TensorKey& key, uint32_t first, uint32_t rows,
               bool has_bias, Role bias) {
    const Value product = g_.MatMul(x, Matrix(name, key, first, rows));
    if (!has_bias) return product;
    return Add(product, Vector(name + "_bias", {bias, key.second}, 0, first, rows));
  }

  Value RootMeanSquare(const Value& x) {
    const Value mean = g_.Mean(Multiply(x, x));
    return g_.Apply(Unary::kSqrt, Add(mean, g_.Number(a_.norm_epsilon)));
  }

  Value RmsNorm(const Value& x, const TensorKey& key) {
    const uint32_t size = checkpoint_.tensors.at(key).columns;
    const Value unit = g_.Apply(Binary::kDivide, x, RootMeanSquare(x));
    return Multiply(unit, Vector(TensorName(key), key, 0, 0, size));
  }

  Value Norm(const Value& x, const TensorKey& key) {
    if (variant_.norm == cllm::Norm::kRms) return RmsNorm(x, key);
    Value unit = x;
    if (variant_.norm == cllm::Norm::kLayer) {
      const Value centered = g_.Apply(Binary::kSubtract, x, g_.Mean(x));
      unit = g_.Apply(Binary::kDivide, centered, RootMeanSquare(centered));
    }
    const Value weighted = Multiply(unit, Vector(TensorName(key), key, 0, 0, a_.width));
    return Add(weighted, Vector(TensorName(key) + "_bias", key, 1, 0, a_.width));
  }

  Rotation MakeRotation(const std::string& name, const std::vector<uint64_t>& turns) {
    const auto pairs = static_cast<int>(turns.size());
    const auto of_positions = [&](const char* part, double (*function)(double)) {
      const Value table = g_.Weights(
          name + part, {a_.context, turns.size()},
          [turns, context = a_.context, function] { return RotationTable(turns, context, function); });
      return g_.Reshape(g_.Rows(table, g_.Positions()), {0, 1, -1, pairs});
    };
    return {of_positions("_cosines", std::cos), of_positions("_sines", std::sin)};
  }

  // x [batch][heads][sequence][head size]: pair i are elements i and i + half of those that rotate.
  Value Rotated(uint32_t layer, const Value& x) {
    if (!variant_.rope) return x;
    const bool of_window = variant_.window_rope && variant_.window(layer) != 0;
    const Rotation& rotation = of_window ? window_rotation_ : rotation_;
    const uint32_t rotary = variant_.rotary(a_.head_size);
    const Value first = g_.Slice(x, 0, rotary / 2), second = g_.Slice(x, rotary / 2, rotary);
    std::vector<Value> parts = {
        g_.Apply(Binary::kSubtract, Multiply(first, rotation.cosines), Multiply(second, rotation.sines)),
        Add(Multiply(second, rotation.cosines), Multiply(first, rotation.sines))};
    if (rotary < a_.head_size) parts.push_back(g_.Slice(x, rotary, a_.head_size));
    return g_.Concat(parts);
  }

  // Heads of the projection of x, [batch][heads][sequence][head size]. first: the first of them in the
  // tensor.
  Value Heads(uint32_t layer, const char* name, const Value& x, uint32_t first, uint32_t heads) {
    const Value all = Linear(LayerName(layer, name), x, {Role::kQueryKeyValue, layer}, first * a_.head_size,
                             heads * a_.head_size, variant_.query_key_value_bias, Role::kQueryKeyValueBias);
    return g_.Reshape(all, {0, 0, static_cast<int>(heads), static_cast<int>(a_.head_size)});
  }

  Value NormedHeads(uint32_t layer, const Value& heads, Role norm) {
    const Value normed = variant_.query_key_norm ? RmsNorm(heads, {norm, layer}) : heads;
    return Rotated(layer, g_.Transpose(normed, {0, 2, 1, 3}));
  }

  Value Attention(uint32_t layer, const Value& x) {
    const int size = static_cast<int>(a_.head_size), groups = static_cast<int>(a_.kv_heads),
              group = static_cast<int>(a_.heads / a_.kv_heads);
    const Value queries = NormedHeads(layer, Heads(layer, "query", x, 0, a_.heads), Role::kQueryNorm);
    const Value new_keys = NormedHeads(layer, Heads(layer, "key", x, a_.heads, a_.kv_heads), Role::kKeyNorm);
    const Value new_values =
        g_.Transpose(Heads(layer, "value", x, a_.heads + a_.kv_heads, a_.kv_heads), {0, 2, 1, 3});
    const Value keys = g_.WithPast(layer, "key", new_keys), values = g_.WithPast(layer, "value", new_values);

    const Value turned = g_.Reshape(g_.Transpose(keys, {0, 1, 3, 2}), {0, groups, 1, size, -1});
    const Value products = g_.MatMul(g_.Reshape(queries, {0, groups, group, -1, size}), turned);
    const float scale = variant_.attention_scale != 0.0f ? variant_.attention_scale
                                                         : 1.0f / std::sqrt(static_cast<float>(a_.head_size));
    const Value scores = Capped(Multiply(products, scale), variant_.attention_softcap);
    const Value weights = g_.Softmax(g_.Masked(scores, variant_.window(layer)));
    const Value mixed = g_.MatMul(weights, g_.Reshape(values, {0, groups, 1, -1, size}));
    const Value by_head = g_.Reshape(mixed, {0, groups * group, -1, size});
    const Value joined = g_.Reshape(g_.Transpose(by_head, {0, 2, 1, 3}), {0, 0, groups * group * size});
    return Linear(LayerName(layer, "attention_output"), joined, {Role::kAttentionOutput, layer}, 0, a_.width,
                  variant_.attention_output_bias, Role::kAttentionOutputBias);
  }

  Value Activated(const Value& x) {
    switch (variant_.activation) {
      case Activation::kSilu: return Multiply(x, g_.Apply(Unary::kSigmoid, x));
      case Activation::kRelu: return g_.Apply(Unary::kRelu, x);
      case Activation::kReluSquared: {
        const Value positive = g_.Apply(Unary::kRelu, x);
        return Multiply(positive, positive);
      }
      case Activation::kGeluErf: {
        const Value erf = g_.Apply(Unary::kErf, Multiply(x, static_cast<float>(std::sqrt(0.5))));
        return Multiply(Multiply(x, 0.5f), Add(erf, g_.Number(1.0f)));
      }
      case Activation::kGeluTanh: break;
    }
    const Value cube = Multiply(Multiply(Multiply(x, x), x), 0.044715f);
    const Value inner = Multiply(Add(x, cube), static_cast<float>(std::sqrt(2 / M_PI)));
    return Multiply(Multiply(x, 0.5f), Add(g_.Apply(Unary::kTanh, inner), g_.Number(1.0f)));
  }

  Value FeedForward(uint32_t layer, const Value& x) {
    const TensorKey key = {Role::kGateUp, layer};
    const auto product = [&](const char* name, uint32_t first) {
      return Linear(LayerName(layer, name), x, key, first, a_.hidden, variant_.feed_forward_bias,
                    Role::kGateUpBias);
    };
    const Value hidden = variant_.gated ? Multiply(Activated(product("gate", 0)), product("up", a_.hidden))
                                        : Activated(product("up", 0));
    return Linear(LayerName(layer, "down"), hidden, {Role::kDown, layer}, 0, a_.width,
                  variant_.feed_forward_bias, Role::kDownBias);
  }

  // What a half adds to the residual stream.
  Value Added(const Value& half, const TensorKey& post_norm) {
    return Scaled(variant_.norms_after() ? Norm(half, post_norm) : half, variant_.residual_scale);
  }

  Value Layer(uint32_t layer, const Value& x) {
    const auto normed = [&](const Value& of, Role norm) {
      return variant_.norms_before() ? Norm(of, {norm, layer}) : of;
    };
    const Value attended =
        Add(x, Added(Attention(layer, normed(x, Role::kAttentionNorm)), {Role::kAttentionPostNorm, layer}));
    const Value& read = variant_.parallel_block ? x : attended;
    return Add(attended, Added(FeedForward(layer, normed(read, Role::kFeedForwardNorm)),
                               {Role::kFeedForwardPostNorm, layer}));
  }

  static std::string LayerName(uint32_t layer, const char* name) {
    return absl::StrCat("layers.", layer, ".", name);
  }

  const Checkpoint& checkpoint_;
  const Architecture& a_;
  const Variant& variant_;
  GraphBuilder& g_;
  Rotation rotation_, window_rotation_;
};

}  // namespace

uint64_t GraphWeights::bytes() const {
  uint64_t count = sizeof(float);
  for (const uint64_t size : shape) count *= size;
  return count;
}

void BuildModelGraph(const Checkpoint& checkpoint, GraphBuilder* builder) {
  ModelGraph(checkpoint, builder).Build();
}

}  // namespace cllm
