// The gradient of every element of every tensor against complex-step differentiation of a plain model.
#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

#include "converter/checkpoint/batch_norm.h"
#include "converter/export/panels.h"
#include "doctest/doctest.h"
#include "tests/support/reference_model.h"
#include "tests/trainer/fixture.h"

namespace cllm::testing {
namespace {

struct Data {
  std::vector<std::vector<uint32_t>> inputs, targets;
  std::vector<uint32_t> flat_inputs, flat_targets;

  // Some targets are left out, and some tokens occur several times.
  Data(uint32_t vocabulary, uint32_t sequences, uint32_t length) {
    for (uint32_t s = 0; s < sequences; ++s) {
      inputs.push_back(RandomTokens(vocabulary, length, 50 + s));
      targets.push_back(RandomTokens(vocabulary, length, 90 + s));
      inputs[s][length - 1] = inputs[s][0];
      targets[s][(s + 1) % length] = CLLM_NO_TOKEN;
      flat_inputs.insert(flat_inputs.end(), inputs[s].begin(), inputs[s].end());
      flat_targets.insert(flat_targets.end(), targets[s].begin(), targets[s].end());
    }
  }
};

// The largest difference between a tensor's gradient and the truth, relative to the truth's largest element.
double TensorError(const Checkpoint& checkpoint, const Data& data, const TensorKey& key,
                   const std::vector<float>& stored) {
  using Complex = std::complex<double>;
  auto weights = reference::Convert<Complex>(checkpoint);
  const FloatTensor& tensor = checkpoint.tensors.at(key);
  double worst = 0, largest = 0, stored_sum = 0, found_sum = 0;
  for (size_t i = 0; i < tensor.values.size(); ++i) {
    Complex& weight = weights.at(key).values[i];
    weight += Complex(0, 1e-100);
    const double truth =
        reference::Loss(checkpoint.architecture, weights, data.inputs, data.targets).imag() / 1e-100;
    weight = weight.real();
    const double found = stored[StoredIndex(key.first, tensor, i / tensor.columns, i % tensor.columns,
                                            checkpoint.architecture.variant)];
    worst = std::max(worst, std::abs(found - truth));
    largest = std::max(largest, std::abs(truth));
    found_sum += std::abs(found);
  }
  for (const float x : stored) stored_sum += std::abs(static_cast<double>(x));
  CHECK(largest > 0);
  // Padding has no gradient.
  CHECK(std::abs(stored_sum - found_sum) <= 1e-9 * stored_sum);
  return worst / largest;
}

void CheckGradients(const Architecture& architecture) {
  const Checkpoint checkpoint = RandomCheckpoint(architecture, 5);
  const ModelFile file = MakeModel(checkpoint, Dtype::kF32);
  const Data data(architecture.vocabulary_size, 2, 7);
  TestTrainer trainer(file, 3, 8);  // room for more than is used
  float loss = 0, second = 0;
  const auto accumulate = [&](float weight, float* out) {
    return cllm_trainer_accumulate(trainer, data.flat_inputs.data(), data.flat_targets.data(), 2, 7, weight,
                                   out);
  };
  // The gradient adds up over calls.
  REQUIRE(accumulate(0.75f, &loss) == CLLM_OK);
  REQUIRE(accumulate(0.25f, &second) == CLLM_OK);
  CHECK(loss == second);
  const double truth =
      reference::Loss(architecture, reference::Convert<double>(checkpoint), data.inputs, data.targets);
  CHECK(std::abs(loss - truth) < 2e-6 * std::abs(truth));
  const Model& model = file.model();
  REQUIRE(model.tensor_count == checkpoint.tensors.size());
  for (uint32_t i = 0; i < model.tensor_count; ++i) {
    const TableEntry entry = TensorAt(model, i);
    const TensorKey key{entry.role, entry.layer};
    const std::string name = TensorName(key);
    CAPTURE(name);
    CHECK(TensorError(checkpoint, data, key, trainer.Stored(i, CLLM_TRAINER_GRADIENT)) < 1e-5);
  }
  float evaluated = 0;
  REQUIRE(cllm_trainer_evaluate(trainer, data.flat_inputs.data(), data.flat_targets.data(), 2, 7,
                                &evaluated) == CLLM_OK);
  // Batch norms have running statistics there.
  CHECK((evaluated == loss) == (architecture.variant.norm != Norm::kBatch));
  CHECK(trainer.GuardsIntact());
}

TEST_CASE("gradient of a tied model with grouped queries, adjacent pairs, odd sizes") {
  CheckGradients(TinyArchitecture());
}

TEST_CASE("gradient of an untied model with rotated halves") {
  Architecture a = TinyArchitecture();
  a.tied_head = false;
  a.rope_pairs = RopePairs::kHalves;
  a.head_size = 8;
  a.kv_heads = 1;
  CheckGradients(a);
}

TEST_CASE("gradient of a model of whole panels, a key head a query head") {
  Architecture a = TinyArchitecture();
  a.vocabulary_size = 16;
  a.width = 16;
  a.heads = a.kv_heads = 2;
  a.head_size = 16;
  a.hidden = 16;
  a.layers = 1;
  CheckGradients(a);
}

TEST_CASE("gradient with each activation, gated and not") {
  for (const Activation activation : {Activation::kSilu, Activation::kGeluTanh, Activation::kGeluErf,
                                      Activation::kRelu, Activation::kReluSquared}) {
    for (const bool gated : {true, false}) {
      Architecture a = TinyArchitecture();
      a.layers = 1;
      a.variant.activation = activation;
      a.variant.gated = gated;
      CAPTURE(static_cast<int>(activation));
      CAPTURE(gated);
      CheckGradients(a);
    }
  }
}

TEST_CASE("gradient with layer norms, and with affine norms") {
  for (const Norm norm : {Norm::kLayer, Norm::kAffine}) {
    Architecture a = TinyArchitecture();
    a.variant.norm = norm;
    CAPTURE(static_cast<int>(norm));
    CheckGradients(a);
    a.width = 33;
    a.layers = 1;
    CheckGradients(a);
  }
}

TEST_CASE("gradient with batch norms") {
  Architecture a = TinyArchitecture();
  a.variant.norm = Norm::kBatch;
  CheckGradients(a);
  a.width = 33;
  a.layers = 1;
  a.variant.residual_scale = 0.7f;
  CheckGradients(a);
}

// Batches all alike: the running statistics become theirs, and the loss with these that of training, but for
// what 0.9^300 leaves. Folded into the weights they give the same.
TEST_CASE("batch norms: running statistics, evaluation, and the folded model") {
  Architecture a = TinyArchitecture();
  a.variant.norm = Norm::kBatch;
  Checkpoint checkpoint = RandomCheckpoint(a, 5);
  const ModelFile file = MakeModel(checkpoint, Dtype::kF32);
  const Data data(a.vocabulary_size, 2, 7);
  TestTrainer trainer(file, 2, 7);
  float loss = 0, evaluated = 0;
  for (int i = 0; i < 300; ++i) {
    REQUIRE(cllm_trainer_accumulate(trainer, data.flat_inputs.data(), data.flat_targets.data(), 2, 7, 1,
                                    &loss) == CLLM_OK);
  }
  REQUIRE(cllm_trainer_evaluate(trainer, data.flat_inputs.data(), data.flat_targets.data(), 2, 7,
                                &evaluated) == CLLM_OK);
  CHECK(std::abs(evaluated - loss) < 1e-5f * loss);
  for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
    const TableEntry entry = TensorAt(file.model(), i);
    Tensor weights = entry.tensor;
    weights.data = trainer.Data(i, CLLM_TRAINER_WEIGHT);
    checkpoint.tensors[{entry.role, entry.layer}] = UnpackTensor(file.model().config, entry.role, weights);
  }
  FoldBatchNorms(&checkpoint);
  CHECK(checkpoint.architecture.variant.norm == Norm::kAffine);
  const double folded = reference::Loss(checkpoint.architecture, reference::Convert<double>(checkpoint),
                                        data.inputs, data.targets);
  CHECK(std::abs(evaluated - folded) < 2e-6 * folded);
}

TEST_CASE("gradient with biases, learned positions, a part of each head rotating, no positions") {
  Architecture a = TinyArchitecture();
  a.variant.query_key_value_bias = a.variant.attention_output_bias = a.variant.feed_forward_bias = true;
  a.variant.rotary_size = 2;
  CheckGradients(a);
  a.variant.gated = false;
  a.variant.rope = false;
  a.variant.rotary_size = 0;
  a.variant.learned_positions = true;
  a.variant.residual_scale = 0.4f;
  a.variant.embedding_scale = 2.5f;
  a.context = 8;
  CheckGradients(a);
  a.variant = Variant();
  a.variant.rope = false;
  CheckGradients(a);
}

TEST_CASE("gradient with norms of queries and keys, soft caps, scales") {
  Architecture a = TinyArchitecture();
  a.variant.query_key_norm = true;
  CheckGradients(a);
  a.head_size = 18;
  a.variant.logit_softcap = 2.0f;
  a.variant.logit_scale = 1.5f;
  CheckGradients(a);
  a.variant = Variant();
  a.variant.attention_softcap = 1.5f;
  a.variant.attention_scale = 0.7f;
  CheckGradients(a);
  a.variant.residual_scale = 0.4f;
  a.variant.embedding_scale = 2.5f;
  CheckGradients(a);
}

TEST_CASE("gradient of the smallest model") {
  Architecture a = TinyArchitecture();
  a.vocabulary_size = 2;
  a.width = 1;
  a.heads = a.kv_heads = 1;
  a.head_size = 2;
  a.hidden = 1;
  a.layers = 1;
  // With one element a norm gives plus or minus its weight, so that the head alone has a gradient of size.
  const Checkpoint checkpoint = RandomCheckpoint(a, 5);
  const ModelFile file = MakeModel(checkpoint, Dtype::kF32);
  TestTrainer trainer(file, 1, 1);
  const uint32_t token = 1;
  float loss = 0;
  REQUIRE(cllm_trainer_accumulate(trainer, &token, &token, 1, 1, 1.0f, &loss) == CLLM_OK);
  const double truth = reference::Loss<double>(a, reference::Convert<double>(checkpoint), {{1}}, {{1}});
  CHECK(std::abs(loss - truth) < 1e-6);
}

TEST_CASE("a batch without targets has no loss and no gradient") {
  const ModelFile file = MakeModel(RandomCheckpoint(TinyArchitecture(), 5), Dtype::kF32);
  TestTrainer trainer(file, 1, 4);
  const std::vector<uint32_t> inputs = {1, 2, 3, 4}, targets(4, CLLM_NO_TOKEN);
  float loss = 1;
  REQUIRE(cllm_trainer_accumulate(trainer, inputs.data(), targets.data(), 1, 4, 1.0f, &loss) == CLLM_OK);
  CHECK(loss == 0.0f);
  for (const float x : trainer.All(CLLM_TRAINER_GRADIENT)) REQUIRE(x == 0.0f);
}

}  // namespace
}  // namespace cllm::testing
