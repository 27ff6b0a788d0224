// Dropout and label smoothing: gradients against complex-step differentiation of a plain model with the same
// masks, drawn here a second time.
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "doctest/doctest.h"
#include "tests/support/reference_model.h"
#include "tests/trainer/fixture.h"

namespace cllm::testing {
namespace {

constexpr float kDropout = 0.3f, kSmoothing = 0.2f;
constexpr uint64_t kSeed = 77, kFirst = 1000003;
constexpr uint32_t kSequences = 4, kLength = 7;

Architecture Tiny() {
  Architecture a;
  a.vocabulary_size = 21;
  a.context = 9;
  a.width = 13;
  a.layers = 2;
  a.heads = 2;
  a.kv_heads = 1;
  a.head_size = 6;
  a.hidden = 19;
  return a;
}

cllm_regularization Regularization(float dropout, float smoothing, uint64_t sequence = kFirst) {
  return {sizeof(cllm_regularization), dropout, smoothing, 0, kSeed, sequence};
}

struct Keep {
  uint64_t sequence;
  double operator()(size_t place, size_t position, size_t column) const {
    const uint64_t token = sequence * 9 + position;
    const uint64_t draw = Random(kSeed, 5, (token * 5 + place) * 4 + column / 4);
    const uint32_t threshold = 19661;  // 0.3 of 65536
    return (draw >> (column % 4 * 16) & 0xFFFF) < threshold ? 0.0 : 65536.0 / (65536 - threshold);
  }
};

struct Batch {
  std::vector<uint32_t> inputs = RandomTokens(21, kSequences* kLength, 3);
  std::vector<uint32_t> targets = RandomTokens(21, kSequences* kLength, 4);
};

template <class T>
T Objective(const Architecture& a, const reference::Weights<T>& w, const Batch& batch) {
  T sum(0);
  for (uint32_t s = 0; s < kSequences; ++s) {
    const auto begin = batch.inputs.begin() + s * kLength;
    const auto logits =
        reference::Logits(a, w, std::vector<uint32_t>(begin, begin + kLength), Keep{kFirst + s});
    for (uint32_t t = 0; t < kLength; ++t) {
      T total(0), mean(0);
      for (const T& x : logits[t]) total += std::exp(x), mean += x / 21.0;
      const T log_total = std::log(total);
      sum += (1.0 - kSmoothing) * (log_total - logits[t][batch.targets[s * kLength + t]]);
      sum += static_cast<double>(kSmoothing) * (log_total - mean);
    }
  }
  return sum / static_cast<double>(kSequences * kLength);
}

std::vector<float> Gradient(const ModelFile& file, const Batch& batch, uint32_t at_once,
                            const cllm_workers* workers = nullptr) {
  TestTrainer trainer(file, at_once, kLength, workers);
  const cllm_regularization regularization = Regularization(kDropout, kSmoothing);
  REQUIRE(cllm_trainer_regularize(trainer, &regularization) == CLLM_OK);
  for (uint32_t s = 0; s < kSequences; s += at_once) {
    float loss = 0;
    const size_t at = s * kLength;
    REQUIRE(cllm_trainer_accumulate(trainer, &batch.inputs[at], &batch.targets[at], at_once, kLength,
                                    static_cast<float>(at_once) / kSequences, &loss) == CLLM_OK);
  }
  CHECK(trainer.GuardsIntact());
  return trainer.All(CLLM_TRAINER_GRADIENT);
}

TEST_CASE("regularize: the gradient with dropout and label smoothing") {
  using Complex = std::complex<double>;
  const Checkpoint checkpoint = RandomCheckpoint(Tiny(), 5);
  const ModelFile file = MakeModel(checkpoint, Dtype::kF32);
  const Batch batch;
  const std::vector<float> found = Gradient(file, batch, kSequences);
  auto weights = reference::Convert<Complex>(checkpoint);
  size_t at = 0;
  TestTrainer layout(file, 1, 1);
  for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
    const TableEntry entry = TensorAt(file.model(), i);
    const TensorKey key{entry.role, entry.layer};
    const std::string name = TensorName(key);
    CAPTURE(name);
    const FloatTensor& tensor = checkpoint.tensors.at(key);
    double worst = 0, largest = 0;
    for (size_t k = 0; k < tensor.values.size(); ++k) {
      Complex& weight = weights.at(key).values[k];
      weight += Complex(0, 1e-100);
      const double truth = Objective(Tiny(), weights, batch).imag() / 1e-100;
      weight = weight.real();
      const size_t stored = StoredIndex(key.first, tensor, k / tensor.columns, k % tensor.columns);
      worst = std::max(worst, std::abs(found[at + stored] - truth));
      largest = std::max(largest, std::abs(truth));
    }
    CHECK(largest > 0);
    CHECK(worst < 1e-5 * largest);
    at += layout.Stored(i, CLLM_TRAINER_WEIGHT).size();
  }
}

TEST_CASE("regularize: the same bits for any number of workers, the same masks for any batch") {
  Architecture a = Tiny();
  a.vocabulary_size = 21;
  a.width = 72;
  a.hidden = 200;
  a.context = 9;
  const ModelFile file = MakeModel(RandomCheckpoint(a, 5), Dtype::kF32);
  const Batch batch;
  const std::vector<float> alone = Gradient(file, batch, kSequences);
  for (const uint32_t count : {2u, 3u, 5u}) {
    const PlainWorkers workers(count);
    const std::vector<float> other = Gradient(file, batch, kSequences, workers.get());
    CHECK(std::memcmp(other.data(), alone.data(), alone.size() * sizeof(float)) == 0);
  }
  for (const uint32_t at_once : {1u, 2u}) {
    const std::vector<float> parts = Gradient(file, batch, at_once);
    float worst = 0, largest = 0;
    for (size_t i = 0; i < alone.size(); ++i) {
      worst = std::max(worst, std::abs(parts[i] - alone[i]));
      largest = std::max(largest, std::abs(alone[i]));
    }
    CHECK(worst < 1e-5f * largest);
  }
}

TEST_CASE("regularize: losses are not smoothed, evaluations drop nothing, zero turns both off") {
  const ModelFile file = MakeModel(RandomCheckpoint(Tiny(), 5), Dtype::kF32);
  const Batch batch;
  TestTrainer plain(file, kSequences, kLength), other(file, kSequences, kLength);
  float loss = 0, same = 0, smoothed = 0, dropped = 0;
  const auto run = [&](TestTrainer& trainer, float* out) {
    return cllm_trainer_accumulate(trainer, batch.inputs.data(), batch.targets.data(), kSequences, kLength, 1,
                                   out);
  };
  REQUIRE(run(plain, &loss) == CLLM_OK);
  cllm_regularization regularization = Regularization(0, kSmoothing);
  REQUIRE(cllm_trainer_regularize(other, &regularization) == CLLM_OK);
  REQUIRE(run(other, &smoothed) == CLLM_OK);
  CHECK(smoothed == loss);
  CHECK(other.All(CLLM_TRAINER_GRADIENT) != plain.All(CLLM_TRAINER_GRADIENT));
  regularization = Regularization(kDropout, 0);
  REQUIRE(cllm_trainer_regularize(other, &regularization) == CLLM_OK);
  REQUIRE(run(other, &dropped) == CLLM_OK);
  CHECK(dropped != loss);
  REQUIRE(cllm_trainer_evaluate(other, batch.inputs.data(), batch.targets.data(), kSequences, kLength,
                                &same) == CLLM_OK);
  CHECK(same == loss);
  // The next sequences have other masks.
  REQUIRE(run(other, &same) == CLLM_OK);
  CHECK(same != dropped);
  regularization = Regularization(0, 0);
  REQUIRE(cllm_trainer_regularize(other, &regularization) == CLLM_OK);
  for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
    std::memset(other.Data(i, CLLM_TRAINER_GRADIENT), 0,
                other.Stored(i, CLLM_TRAINER_GRADIENT).size() * sizeof(float));
  }
  REQUIRE(run(other, &same) == CLLM_OK);
  CHECK(other.All(CLLM_TRAINER_GRADIENT) == plain.All(CLLM_TRAINER_GRADIENT));
}

TEST_CASE("regularize: what is out of range is refused") {
  const ModelFile file = MakeModel(RandomCheckpoint(Tiny(), 5), Dtype::kF32);
  TestTrainer trainer(file, 1, 1);
  for (const float bad : {-0.1f, 1.0f, std::nanf("")}) {
    const cllm_regularization dropout = Regularization(bad, 0), smoothing = Regularization(0, bad);
    CHECK(cllm_trainer_regularize(trainer, &dropout) == CLLM_OPTIMIZER_RANGE);
    CHECK(cllm_trainer_regularize(trainer, &smoothing) == CLLM_OPTIMIZER_RANGE);
  }
  cllm_regularization old = Regularization(0.1f, 0);
  old.struct_size = 8;
  CHECK(cllm_trainer_regularize(trainer, &old) == CLLM_STRUCT_SIZE);
  CHECK(cllm_trainer_regularize(nullptr, &old) == CLLM_NULL_ARGUMENT);
}

}  // namespace
}  // namespace cllm::testing
