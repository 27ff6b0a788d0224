// What the tuner's tests share: a tuner in its own guarded room, and its delta.
#ifndef CLLM_TESTS_TRAINER_TUNER_FIXTURE_H_
#define CLLM_TESTS_TRAINER_TUNER_FIXTURE_H_

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "cllm/cllm.h"
#include "tests/trainer/fixture.h"

namespace cllm::testing {

constexpr uint32_t kFourMatrices =
    CLLM_TUNE_QUERY_KEY_VALUE | CLLM_TUNE_ATTENTION_OUTPUT | CLLM_TUNE_GATE_UP | CLLM_TUNE_DOWN;

inline cllm_tuner_limits TunerLimits(uint32_t length, uint32_t adapted = kFourMatrices, uint32_t rank = 2,
                                     uint32_t trained = 0) {
  cllm_tuner_limits limits = {};
  limits.struct_size = sizeof(limits);
  limits.length = length;
  limits.adapted = adapted;
  limits.rank = rank;
  limits.trained = trained;
  limits.seed = 3;
  return limits;
}

inline cllm_tuner_info MeasureTuner(const ModelFile& file, const cllm_tuner_limits& limits,
                                    cllm_status expected = CLLM_OK) {
  cllm_tuner_info info = {};
  info.struct_size = sizeof(info);
  if (cllm_tuner_measure(file.handle(), &limits, &info) != expected) throw std::runtime_error("no measure");
  return info;
}

class TestTuner {
 public:
  TestTuner(const ModelFile& file, const cllm_tuner_limits& limits, const cllm_workers* workers = nullptr)
      : info_(MeasureTuner(file, limits)), room_(info_.room_bytes) {
    if (cllm_tuner_create(file.handle(), &limits, workers, room_.data(), room_.bytes(), &tuner_) != CLLM_OK) {
      throw std::runtime_error("no tuner");
    }
  }
  operator cllm_tuner*() { return tuner_; }  // NOLINT: reads as the C API does
  const cllm_tuner_info& info() const { return info_; }
  bool GuardsIntact() const { return room_.GuardsIntact(); }

  float Accumulate(const std::vector<uint32_t>& inputs, const std::vector<uint32_t>& targets, float weight) {
    float loss = 0;
    if (cllm_tuner_accumulate(tuner_, inputs.data(), targets.data(), static_cast<uint32_t>(inputs.size()),
                              weight, &loss) != CLLM_OK) {
      throw std::runtime_error("no gradient");
    }
    return loss;
  }
  float Evaluate(const std::vector<uint32_t>& inputs, const std::vector<uint32_t>& targets) {
    float loss = 0;
    if (cllm_tuner_evaluate(tuner_, inputs.data(), targets.data(), static_cast<uint32_t>(inputs.size()),
                            &loss) != CLLM_OK) {
      throw std::runtime_error("no loss");
    }
    return loss;
  }
  std::string Delta() {
    std::string delta(info_.delta_bytes, '\0');
    if (cllm_tuner_export(tuner_, 0, delta.data(), delta.size()) != CLLM_OK)
      throw std::runtime_error("no delta");
    return delta;
  }
  std::string State() {
    const void* state = nullptr;
    cllm_tuner_state(tuner_, &state);
    return {static_cast<const char*>(state), info_.state_bytes};
  }
  // The gradient: it follows head and parameters in the state.
  std::vector<float> Gradient() {
    std::vector<float> gradient(info_.parameters);
    const std::string state = State();
    std::memcpy(gradient.data(), state.data() + 64 + info_.parameters * 4, info_.parameters * 4);
    return gradient;
  }

 private:
  cllm_tuner_info info_;
  GuardedRoom room_;
  cllm_tuner* tuner_ = nullptr;
};

}  // namespace cllm::testing

#endif  // CLLM_TESTS_TRAINER_TUNER_FIXTURE_H_
