// Gradients of adapters and of tensors trained whole: against complex-step differentiation of a plain model
// into which the adapters are merged, for float weights; for narrower ones against float weights that stand
// for the same numbers.
#include <cmath>
#include <complex>
#include <random>
#include <vector>

#include "converter/import/read_model.h"
#include "doctest/doctest.h"
#include "support/delta_file.h"
#include "tests/support/reference_model.h"
#include "tests/trainer/tuner_fixture.h"

namespace cllm::testing {
namespace {

using Complex = std::complex<double>;
constexpr double kStep = 1e-100;

Architecture Tiny(bool tied) {
  Architecture a = TinyArchitecture();
  a.tied_head = tied;
  return a;
}

struct Sequences {
  std::vector<std::vector<uint32_t>> inputs, targets;
  size_t counted = 0;
  explicit Sequences(uint32_t vocabulary) {
    for (const uint32_t length : {7u, 4u}) {
      inputs.push_back(RandomTokens(vocabulary, length, 50 + length));
      targets.push_back(RandomTokens(vocabulary, length, 90 + length));
      inputs.back()[length - 1] = inputs.back()[0];
      targets.back()[1] = CLLM_NO_TOKEN;
      counted += length - 1;
    }
  }
};

float AccumulateAll(TestTuner& tuner, const Sequences& data) {
  float sum = 0;
  for (size_t s = 0; s < data.inputs.size(); ++s) {
    sum += tuner.Accumulate(data.inputs[s], data.targets[s], 1.0f / static_cast<float>(data.counted));
  }
  return sum / static_cast<float>(data.counted);
}

// Row `source` of the unpadded tensor lies in stored row...
size_t StoredRow(Role role, const FloatTensor& tensor, size_t row) {
  return StoredIndex(role, tensor, row, 0) / (tensor.columns * 16) * 16 +
         StoredIndex(role, tensor, row, 0) % 16;
}

struct Errors {
  double worst = 0, largest = 0;
  void Add(double found, double truth) {
    worst = std::max(worst, std::abs(found - truth));
    largest = std::max(largest, std::abs(truth));
  }
};

class Truth {
 public:
  Truth(const Checkpoint& merged, const Sequences& data)
      : checkpoint_(merged), data_(data), weights_(reference::Convert<Complex>(merged)) {}
  reference::Matrix<Complex>& at(const TensorKey& key) { return weights_.at(key); }
  double Slope() {
    return reference::Loss(checkpoint_.architecture, weights_, data_.inputs, data_.targets).imag() / kStep;
  }
  double Loss() {
    return reference::Loss(checkpoint_.architecture, weights_, data_.inputs, data_.targets).real();
  }

 private:
  const Checkpoint& checkpoint_;
  const Sequences& data_;
  reference::Weights<Complex> weights_;
};

// d loss / d inner[i][k], with W = base + scale outer^T inner; and of outer.
Errors AdapterErrors(Truth& truth, const TensorKey& key, const FloatTensor& shape, const Adapter& stored,
                     size_t stored_rows, const float* gradient) {
  Errors errors;
  auto& matrix = truth.at(key);
  const size_t inner_stride = PaddedRow(shape.columns);
  const auto real = matrix.values;
  for (size_t i = 0; i < stored.rank; ++i) {
    const float* outer = stored.outer(shape.columns) + i * stored_rows;
    const float* inner = stored.inner() + i * inner_stride;
    for (size_t k = 0; k < shape.columns; ++k) {
      for (size_t n = 0; n < shape.rows; ++n) {
        const double factor = double{stored.scale} * outer[StoredRow(key.first, shape, n)];
        matrix.row(n)[k] += Complex(0, kStep * factor);
      }
      errors.Add(gradient[i * inner_stride + k], truth.Slope());
      matrix.values = real;
    }
    for (size_t n = 0; n < shape.rows; ++n) {
      for (size_t k = 0; k < shape.columns; ++k) {
        matrix.row(n)[k] += Complex(0, kStep * double{stored.scale} * inner[k]);
      }
      const size_t at = stored.rank * inner_stride + i * stored_rows + StoredRow(key.first, shape, n);
      errors.Add(gradient[at], truth.Slope());
      matrix.values = real;
    }
  }
  return errors;
}

Errors WholeErrors(Truth& truth, const TensorKey& key, const FloatTensor& shape, const float* gradient) {
  Errors errors;
  auto& matrix = truth.at(key);
  for (size_t i = 0; i < shape.values.size(); ++i) {
    matrix.values[i] += Complex(0, kStep);
    errors.Add(gradient[StoredIndex(key.first, shape, i / shape.columns, i % shape.columns)], truth.Slope());
    matrix.values[i] = matrix.values[i].real();
  }
  return errors;
}

void CheckGradients(const Architecture& architecture, uint32_t adapted, uint32_t trained,
                    uint32_t first_layer) {
  const Checkpoint checkpoint = RandomCheckpoint(architecture, 5);
  ModelFile file = MakeModel(checkpoint, Dtype::kF32);
  cllm_tuner_limits limits = TunerLimits(8, adapted, adapted != 0 ? 2 : 0, trained);
  limits.first_layer = first_layer;
  limits.alpha = adapted != 0 ? 1.0f : 0.0f;
  // With outer factors that are not zero.
  std::vector<DeltaChange> changes;
  for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
    const TableEntry entry = TensorAt(file.model(), i);
    const uint32_t bit = entry.role == Role::kQueryKeyValue     ? CLLM_TUNE_QUERY_KEY_VALUE
                         : entry.role == Role::kAttentionOutput ? CLLM_TUNE_ATTENTION_OUTPUT
                         : entry.role == Role::kGateUp          ? CLLM_TUNE_GATE_UP
                         : entry.role == Role::kDown            ? CLLM_TUNE_DOWN
                                                                : 0u;
    if ((adapted & bit) != 0 && entry.layer >= first_layer) changes.push_back({entry.role, entry.layer, 2});
  }
  REQUIRE(file.ApplyBytes(RandomDelta(file.model(), changes, 8).Build(), "a delta").ok());
  const Checkpoint merged = ToCheckpoint(file);
  const Sequences data(architecture.vocabulary_size);
  Truth truth(merged, data);
  TestTuner tuner(file, limits);
  CHECK(std::abs(AccumulateAll(tuner, data) - truth.Loss()) < 3e-6 * truth.Loss());
  CHECK(tuner.GuardsIntact());

  ModelFile tuned_file = MakeModel(checkpoint, Dtype::kF32);
  REQUIRE(tuned_file.ApplyBytes(tuner.Delta(), "the tuner's").ok());
  const std::vector<float> gradient = tuner.Gradient();
  const float* at = gradient.data();
  uint32_t tuned = 0;
  for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
    const TableEntry entry = TensorAt(tuned_file.model(), i);
    const TensorKey key{entry.role, entry.layer};
    const FloatTensor& shape = checkpoint.tensors.at(key);
    const std::string name = TensorName(key);
    CAPTURE(name);
    const size_t stored_rows = StoredRows(file.model().config, entry.role);
    const bool whole = entry.adapter.rank == 0 &&
                       reinterpret_cast<uintptr_t>(entry.tensor.data) >=
                           reinterpret_cast<uintptr_t>(tuned_file.model().delta_bytes) &&
                       static_cast<const uint8_t*>(entry.tensor.data) <
                           tuned_file.model().delta_bytes + tuner.info().delta_bytes;
    Errors errors;
    if (entry.adapter.rank != 0) {
      errors = AdapterErrors(truth, key, shape, entry.adapter, stored_rows, at);
      at += AdapterFloats(entry.adapter.rank, shape.columns, stored_rows);
    } else if (whole) {
      errors = WholeErrors(truth, key, shape, at);
      at += entry.bytes / 4;
    } else {
      continue;
    }
    ++tuned;
    CHECK(errors.largest > 0);
    CHECK(errors.worst < 2e-5 * errors.largest);
  }
  CHECK(tuned == tuner.info().tensors);
  CHECK(at == gradient.data() + gradient.size());
}

TEST_CASE("gradients of adapters on all matrices") { CheckGradients(Tiny(true), kFourMatrices, 0, 0); }

TEST_CASE("gradients of adapters on two matrices of the last layer, of norms and an untied head") {
  CheckGradients(Tiny(false), CLLM_TUNE_QUERY_KEY_VALUE | CLLM_TUNE_DOWN, CLLM_TUNE_NORMS | CLLM_TUNE_HEAD,
                 1);
}

TEST_CASE("gradients of whole tensors: tied embedding, output and feed-forward matrices") {
  CheckGradients(Tiny(true), CLLM_TUNE_QUERY_KEY_VALUE,
                 CLLM_TUNE_EMBEDDING | CLLM_TUNE_ATTENTION_OUTPUT | CLLM_TUNE_GATE_UP | CLLM_TUNE_DOWN, 0);
}

// Activations are rounded to integers on the way, so that gradients can only be near.
TEST_CASE("gradients beside narrow weights are near those beside the floats that they stand for") {
  for (const WeightFormats& format : EveryFormat()) {
    Architecture a = Tiny(true);
    a.width = 48;
    a.head_size = 12;
    a.hidden = 70;
    const ModelFile narrow = MakeModel(RandomCheckpoint(a, 6), format);
    const ModelFile wide = MakeModel(ToCheckpoint(narrow), Dtype::kF32);
    const Sequences data(a.vocabulary_size);
    const cllm_tuner_limits limits = TunerLimits(8, kFourMatrices, 4, CLLM_TUNE_NORMS | CLLM_TUNE_EMBEDDING);
    TestTuner one(narrow, limits), other(wide, limits);
    const float loss = AccumulateAll(one, data), expected = AccumulateAll(other, data);
    CHECK(std::abs(loss - expected) < 0.02f * expected);
    const std::vector<float> x = one.Gradient(), y = other.Gradient();
    REQUIRE(x.size() == y.size());
    double difference = 0, size = 0;
    for (size_t i = 0; i < x.size(); ++i) difference += std::pow(x[i] - y[i], 2), size += std::pow(y[i], 2);
    CHECK(size > 0);
    CHECK(std::sqrt(difference / size) < (IsInteger(narrow.model().config.weights) ? 0.06 : 1e-6));
  }
}

}  // namespace
}  // namespace cllm::testing
