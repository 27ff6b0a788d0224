// Training in mixed precision: gradients against complex-step differentiation of a plain model in double,
// within what rounding factors to 8 bits may do, and the same bits whatever the workers.
#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

#include "doctest/doctest.h"
#include "kernels/targets.h"
#include "tests/support/reference_model.h"
#include "tests/trainer/fixture.h"

namespace cllm::testing {
namespace {

Architecture Small() {
  Architecture a;
  a.vocabulary_size = 37;
  a.context = 40;
  a.width = 20;
  a.layers = 2;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_size = 6;
  a.hidden = 27;
  return a;
}

struct Batch {
  Batch(const Architecture& a, uint32_t count, uint32_t size)
      : sequences(count),
        length(size),
        inputs(RandomTokens(a.vocabulary_size, count * size, 11)),
        targets(RandomTokens(a.vocabulary_size, count * size, 12)) {}
  float AccumulateIn(cllm_trainer* trainer) const {
    float loss = 0;
    REQUIRE(cllm_trainer_accumulate(trainer, inputs.data(), targets.data(), sequences, length, 1, &loss) ==
            CLLM_OK);
    return loss;
  }
  uint32_t sequences, length;
  std::vector<uint32_t> inputs, targets;
};

// Root of the mean square of the difference to the truth, relative to that of the truth.
double TensorError(const Checkpoint& checkpoint, const Batch& batch, const TensorKey& key,
                   const std::vector<float>& stored) {
  using Complex = std::complex<double>;
  const FloatTensor& tensor = checkpoint.tensors.at(key);
  auto weights = reference::Convert<Complex>(checkpoint);
  double difference = 0, size = 0;
  for (size_t i = 0; i < tensor.values.size(); ++i) {
    Complex& weight = weights.at(key).values[i];
    weight += Complex(0, 1e-100);
    const double truth =
        reference::Loss(checkpoint.architecture, weights, {batch.inputs}, {batch.targets}).imag() / 1e-100;
    weight = weight.real();
    const double found = stored[StoredIndex(key.first, tensor, i / tensor.columns, i % tensor.columns,
                                            checkpoint.architecture.variant)];
    difference += (found - truth) * (found - truth);
    size += truth * truth;
  }
  return std::sqrt(difference / size);
}

// A factor is off by at most 2^-9 of itself, so a product by 2^-8. A gradient here is the end of a chain of
// at most 2 x 4 forward products and as many backward: 16 x 2^-8 if all errors pointed one way, and about a
// half of that because they do not.
void CheckGradients(const Architecture& a) {
  const Checkpoint checkpoint = RandomCheckpoint(a, 5);
  const ModelFile file = MakeModel(checkpoint, Dtype::kF32);
  const Batch batch(a, 1, 7);
  TestTrainer trainer(file, 2, 8, nullptr, CLLM_ADAMW, CLLM_BFLOAT16), exact(file, 2, 8);
  const float loss = batch.AccumulateIn(trainer), exact_loss = batch.AccumulateIn(exact);
  CHECK(loss != exact_loss);
  CHECK(std::abs(loss - exact_loss) < 0.02f * exact_loss);
  const Model& model = file.model();
  for (uint32_t i = 0; i < model.tensor_count; ++i) {
    const TableEntry entry = TensorAt(model, i);
    const TensorKey key{entry.role, entry.layer};
    const std::string name = TensorName(key);
    CAPTURE(name);
    CHECK(TensorError(checkpoint, batch, key, trainer.Stored(i, CLLM_TRAINER_GRADIENT)) < 16.0 / 256 / 2);
    CHECK(trainer.Stored(i, CLLM_TRAINER_GRADIENT) != exact.Stored(i, CLLM_TRAINER_GRADIENT));
  }
  float evaluated = 0;
  REQUIRE(cllm_trainer_evaluate(trainer, batch.inputs.data(), batch.targets.data(), 1, 7, &evaluated) ==
          CLLM_OK);
  CHECK(evaluated == loss);
  CHECK(trainer.GuardsIntact());
}

TEST_CASE("mixed precision: gradient of a tied model of odd sizes") { CheckGradients(Small()); }

TEST_CASE("mixed precision: gradient of an untied model, an odd width") {
  Architecture a = Small();
  a.tied_head = false;
  a.width = 15;
  CheckGradients(a);
}

TEST_CASE("mixed precision: gradient of an architecture unlike Llama's") {
  Architecture a = Small();
  a.variant.norm = Norm::kLayer;
  a.variant.activation = Activation::kGeluErf;
  a.variant.gated = false;
  a.variant.query_key_value_bias = a.variant.attention_output_bias = a.variant.feed_forward_bias = true;
  a.variant.query_key_norm = true;
  a.variant.residual_scale = 0.5f;
  a.variant.logit_softcap = 10.0f;
  CheckGradients(a);
}

// Weights and moments after some steps.
std::vector<float> Trained(const ModelFile& file, const Batch& batch, const cllm_workers* workers,
                           cllm_method method) {
  TestTrainer trainer(file, batch.sequences, batch.length, workers, method, CLLM_BFLOAT16);
  const cllm_optimizer optimizer = Optimizer(1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f);
  float norm = 0;
  for (int step = 0; step < 3; ++step) {
    batch.AccumulateIn(trainer);
    REQUIRE(cllm_trainer_update(trainer, &optimizer, &norm) == CLLM_OK);
  }
  CHECK(trainer.GuardsIntact());
  std::vector<float> all = trainer.All(CLLM_TRAINER_WEIGHT);
  const std::vector<float> moments = trainer.All(CLLM_TRAINER_FIRST_MOMENT);
  all.insert(all.end(), moments.begin(), moments.end());
  return all;
}

TEST_CASE("mixed precision: the same bits for every number of workers and on every target") {
  Architecture a = Small();
  a.width = 48;
  a.hidden = 80;
  const ModelFile file = MakeModel(RandomCheckpoint(a, 3), Dtype::kF32);
  // Blocks of depth end within a batch; shares and bands are of uneven size.
  for (const Batch& batch : {Batch(a, 11, 37), Batch(a, 1, 33)}) {
    const std::vector<float> alone = Trained(file, batch, nullptr, CLLM_ADAMW);
    for (const uint32_t count : {2, 3, 5}) {
      CHECK(Trained(file, batch, PlainWorkers(count).get(), CLLM_ADAMW) == alone);
    }
    for (int64_t rest = SupportedTargets(); rest != 0; rest &= rest - 1) {
      const std::string name = TargetName(rest & -rest);
      CAPTURE(name);
      REQUIRE(UseTarget(name.c_str()));
      CHECK(Trained(file, batch, nullptr, CLLM_ADAMW) == alone);
      UseTarget(nullptr);
    }
    CHECK(Trained(file, batch, nullptr, CLLM_MUON) == Trained(file, batch, PlainWorkers(3).get(), CLLM_MUON));
  }
}

// Weights that the caller writes count from the next batch on.
TEST_CASE("mixed precision: factors follow the weights") {
  const Architecture a = Small();
  const Checkpoint checkpoint = RandomCheckpoint(a, 3);
  const ModelFile file = MakeModel(checkpoint, Dtype::kF32);
  const Batch batch(a, 2, 9);
  TestTrainer trainer(file, 2, 9, nullptr, CLLM_ADAMW, CLLM_BFLOAT16);
  const float before = batch.AccumulateIn(trainer);
  for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
    float* weights = trainer.Data(i, CLLM_TRAINER_WEIGHT);
    const size_t count = trainer.Stored(i, CLLM_TRAINER_WEIGHT).size();
    std::transform(weights, weights + count, weights, [](float x) { return 2 * x; });
  }
  CHECK(batch.AccumulateIn(trainer) != before);
}

}  // namespace
}  // namespace cllm::testing
