// What the trainer's tests share: a trainer in its own guarded room, its parts as unpadded tensors, workers.
#ifndef CLLM_TESTS_TRAINER_FIXTURE_H_
#define CLLM_TESTS_TRAINER_FIXTURE_H_

#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include "cllm/cllm.h"
#include "model/model.h"
#include "model/tensors.h"
#include "tests/support/random_model.h"

namespace cllm::testing {

// As many threads as `count`, started afresh for each fork: slow and plain.
class PlainWorkers {
 public:
  explicit PlainWorkers(uint32_t count) : workers_{count, this, Run, nullptr} {}
  const cllm_workers* get() const { return &workers_; }

 private:
  static void Run(void* self, void (*task)(void*, uint32_t), void* context, uint32_t tasks) {
    const uint32_t count = static_cast<PlainWorkers*>(self)->workers_.count;
    std::vector<std::thread> threads;
    for (uint32_t worker = 0; worker < count; ++worker) {
      threads.emplace_back([=] {
        for (uint32_t i = tasks; i-- > 0;) {
          if (i % count == worker) task(context, i);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  cllm_workers workers_;
};

// One rate for all tensors, one decay for all but norms.
inline cllm_optimizer Optimizer(float rate, float beta1, float beta2, float epsilon, float decay,
                                float clip = 1.0f) {
  return {sizeof(cllm_optimizer), clip,          beta1,       beta2, epsilon, 0.9f,
          {rate, decay},          {rate, decay}, {rate, 0.0f}};
}

class TestTrainer {
 public:
  TestTrainer(const ModelFile& file, uint32_t sequences, uint32_t length,
              const cllm_workers* workers = nullptr, cllm_method method = CLLM_ADAMW,
              cllm_precision precision = CLLM_FLOAT32)
      : file_(file), room_(Measure(file, sequences, length, method, precision)) {
    const cllm_trainer_limits limits = {sizeof(limits), sequences, length, method, precision};
    if (cllm_trainer_create(file.handle(), &limits, workers, room_.data(), room_.bytes(), &trainer_) !=
        CLLM_OK) {
      throw std::runtime_error("no trainer");
    }
  }
  operator cllm_trainer*() { return trainer_; }  // NOLINT: reads as the C API does
  bool GuardsIntact() const { return room_.GuardsIntact(); }

  // A part of tensor `index` as it lies in the room.
  std::vector<float> Stored(uint32_t index, cllm_trainer_part part) {
    float* data = nullptr;
    uint64_t count = 0;
    if (cllm_trainer_tensor(trainer_, index, part, &data, &count) != CLLM_OK) {
      throw std::runtime_error("no tensor");
    }
    return std::vector<float>(data, data + count);
  }
  float* Data(uint32_t index, cllm_trainer_part part) {
    float* data = nullptr;
    uint64_t count = 0;
    return cllm_trainer_tensor(trainer_, index, part, &data, &count) == CLLM_OK ? data : nullptr;
  }
  std::vector<float> All(cllm_trainer_part part) {
    std::vector<float> all;
    for (uint32_t i = 0; i < file_.model().tensor_count; ++i) {
      const std::vector<float> one = Stored(i, part);
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  }

 private:
  static uint64_t Measure(const ModelFile& file, uint32_t sequences, uint32_t length, cllm_method method,
                          cllm_precision precision) {
    const cllm_trainer_limits limits = {sizeof(limits), sequences, length, method, precision};
    uint64_t bytes = 0;
    if (cllm_trainer_measure(file.handle(), &limits, &bytes) != CLLM_OK)
      throw std::runtime_error("no measure");
    return bytes;
  }
  const ModelFile& file_;
  GuardedRoom room_;
  cllm_trainer* trainer_ = nullptr;
};

// Where element (row, column) of an unpadded tensor lies in its panels; written out here a second time, so
// that a mistake in the converter's layout shows.
inline size_t StoredIndex(Role role, const FloatTensor& tensor, size_t row, size_t column,
                          const Variant& variant = {}) {
  if (role == Role::kGateUpBias) {
    const size_t inputs = variant.gated ? 2 : 1, hidden = tensor.columns / inputs, unit = column % hidden;
    return (unit / 16 * inputs + column / hidden) * 16 + unit % 16;
  }
  if (IsVector(role)) return row * ((tensor.columns + 15) / 16 * 16) + column;
  size_t panel = row / 16, lane = row % 16;
  if (role == Role::kGateUp && variant.gated) {
    const size_t hidden = tensor.rows / 2, unit = row % hidden;
    panel = unit / 16 * 2 + row / hidden;
    lane = unit % 16;
  }
  return (panel * tensor.columns + column) * 16 + lane;
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_TRAINER_FIXTURE_H_
