// Distillation: gradients against complex-step differentiation of a plain model, whose targets are mixed from
// tokens and another plain model's predictions.
#include <cmath>
#include <complex>
#include <cstring>
#include <vector>

#include "api/distill.h"
#include "doctest/doctest.h"
#include "tests/support/reference_model.h"
#include "tests/trainer/fixture.h"

namespace cllm::testing {
namespace {

constexpr uint32_t kVocabulary = 21, kSequences = 3, kLength = 7;
constexpr float kShare = 0.7f;

Architecture Tiny(uint32_t layers) {
  Architecture a;
  a.vocabulary_size = kVocabulary;
  a.context = 9;
  a.width = 13;
  a.layers = layers;
  a.heads = 2;
  a.kv_heads = 1;
  a.head_size = 6;
  a.hidden = 19;
  return a;
}

struct Batch {
  std::vector<uint32_t> inputs = RandomTokens(kVocabulary, kSequences* kLength, 3);
  std::vector<uint32_t> targets = RandomTokens(kVocabulary, kSequences* kLength, 4);
};

template <class T>
T Objective(const Architecture& a, const reference::Weights<T>& w, const Architecture& teacher_shape,
            const reference::Weights<double>& teacher, const Batch& batch) {
  T sum(0);
  for (uint32_t s = 0; s < kSequences; ++s) {
    const auto begin = batch.inputs.begin() + s * kLength;
    const std::vector<uint32_t> inputs(begin, begin + kLength);
    const auto logits = reference::Logits(a, w, inputs);
    const auto taught = reference::Logits(teacher_shape, teacher, inputs);
    for (uint32_t t = 0; t < kLength; ++t) {
      T total(0), mean(0);
      double teacher_total = 0;
      for (const double x : taught[t]) teacher_total += std::exp(x);
      for (size_t i = 0; i < kVocabulary; ++i) {
        total += std::exp(logits[t][i]);
        mean += logits[t][i] * (std::exp(taught[t][i]) / teacher_total);
      }
      const double share = kShare;
      sum += std::log(total) - share * mean - (1 - share) * logits[t][batch.targets[s * kLength + t]];
    }
  }
  return sum / static_cast<double>(kSequences * kLength);
}

cllm_status Accumulate(TestTrainer& trainer, const Batch& batch, float* loss) {
  return cllm_trainer_accumulate(trainer, batch.inputs.data(), batch.targets.data(), kSequences, kLength, 1,
                                 loss);
}

TEST_CASE("distill: the gradient against the complex step; losses are those of the tokens") {
  using Complex = std::complex<double>;
  const Checkpoint checkpoint = RandomCheckpoint(Tiny(2), 5), other = RandomCheckpoint(Tiny(1), 6);
  const ModelFile file = MakeModel(checkpoint, Dtype::kF32), other_file = MakeModel(other, Dtype::kF32);
  const Batch batch;
  TestTrainer trainer(file, kSequences, kLength), plain(file, kSequences, kLength);
  TestTrainer teacher(other_file, kSequences, kLength + 1, nullptr, CLLM_SGD);
  float loss = 0, plain_loss = 0;
  REQUIRE(cllm_trainer_distill(trainer, teacher, kShare) == CLLM_OK);
  REQUIRE(Accumulate(trainer, batch, &loss) == CLLM_OK);
  REQUIRE(Accumulate(plain, batch, &plain_loss) == CLLM_OK);
  CHECK(loss == plain_loss);
  CHECK((trainer.GuardsIntact() && teacher.GuardsIntact()));

  const reference::Weights<double> teacher_weights = reference::Convert<double>(other);
  auto weights = reference::Convert<Complex>(checkpoint);
  for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
    const TableEntry entry = TensorAt(file.model(), i);
    const TensorKey key{entry.role, entry.layer};
    const std::string name = TensorName(key);
    CAPTURE(name);
    const FloatTensor& tensor = checkpoint.tensors.at(key);
    const std::vector<float> found = trainer.Stored(i, CLLM_TRAINER_GRADIENT);
    double worst = 0, largest = 0;
    for (size_t k = 0; k < tensor.values.size(); k += 7) {
      Complex& weight = weights.at(key).values[k];
      weight += Complex(0, 1e-100);
      const double truth = Objective(Tiny(2), weights, Tiny(1), teacher_weights, batch).imag() / 1e-100;
      weight = weight.real();
      const size_t stored = StoredIndex(key.first, tensor, k / tensor.columns, k % tensor.columns);
      worst = std::max(worst, std::abs(found[stored] - truth));
      largest = std::max(largest, std::abs(truth));
    }
    CHECK(largest > 0);
    CHECK(worst < 1e-5 * largest);
  }
}

TEST_CASE("distill: of itself nothing is to be learned; the same bits for any workers; none again") {
  const ModelFile file = MakeModel(RandomCheckpoint(Tiny(2), 5), Dtype::kF32);
  const ModelFile other = MakeModel(RandomCheckpoint(Tiny(2), 6), Dtype::kF32);
  const Batch batch;
  float loss = 0;
  TestTrainer same(file, kSequences, kLength), itself(file, kSequences, kLength);
  REQUIRE(cllm_trainer_distill(same, itself, 1) == CLLM_OK);
  REQUIRE(Accumulate(same, batch, &loss) == CLLM_OK);
  for (const float g : same.All(CLLM_TRAINER_GRADIENT)) CHECK(std::fabs(g) < 1e-6f);
  std::vector<float> alone;
  for (const uint32_t count : {1u, 3u}) {
    const PlainWorkers workers(count);
    TestTrainer trainer(file, kSequences, kLength, workers.get()), teacher(other, kSequences, kLength);
    REQUIRE(cllm_trainer_distill(trainer, teacher, kShare) == CLLM_OK);
    REQUIRE(Accumulate(trainer, batch, &loss) == CLLM_OK);
    if (alone.empty()) alone = trainer.All(CLLM_TRAINER_GRADIENT);
    CHECK(trainer.All(CLLM_TRAINER_GRADIENT) == alone);
  }
  TestTrainer none(file, kSequences, kLength), plain(file, kSequences, kLength);
  REQUIRE(cllm_trainer_distill(none, itself, kShare) == CLLM_OK);
  REQUIRE(cllm_trainer_distill(none, nullptr, 0) == CLLM_OK);
  REQUIRE(Accumulate(none, batch, &loss) == CLLM_OK);
  REQUIRE(Accumulate(plain, batch, &loss) == CLLM_OK);
  CHECK(none.All(CLLM_TRAINER_GRADIENT) == plain.All(CLLM_TRAINER_GRADIENT));
}

TEST_CASE("distill: what does not fit is refused") {
  Architecture larger = Tiny(1);
  larger.vocabulary_size = 22;
  const ModelFile file = MakeModel(RandomCheckpoint(Tiny(1), 5), Dtype::kF32);
  const ModelFile other = MakeModel(RandomCheckpoint(larger, 5), Dtype::kF32);
  TestTrainer trainer(file, 2, 5), teacher(file, 2, 5), few(file, 1, 5), brief(file, 2, 4);
  TestTrainer unknown(other, 2, 5);
  CHECK(cllm_trainer_distill(trainer, teacher, 1.5f) == CLLM_OPTIMIZER_RANGE);
  CHECK(cllm_trainer_distill(trainer, teacher, std::nanf("")) == CLLM_OPTIMIZER_RANGE);
  CHECK(cllm_trainer_distill(trainer, few, 1) == CLLM_LIMIT_LENGTH);
  CHECK(cllm_trainer_distill(trainer, brief, 1) == CLLM_LIMIT_LENGTH);
  CHECK(cllm_trainer_distill(trainer, unknown, 1) == CLLM_TOKEN_RANGE);
  CHECK(cllm_trainer_distill(nullptr, teacher, 1) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_trainer_distill(trainer, teacher, 1) == CLLM_OK);
}

}  // namespace
}  // namespace cllm::testing
