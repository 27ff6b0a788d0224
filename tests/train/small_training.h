// A training run of a fraction of a second, for the tests of training.
#ifndef CLLM_TESTS_TRAIN_SMALL_TRAINING_H_
#define CLLM_TESTS_TRAIN_SMALL_TRAINING_H_

#include <cstdint>
#include <vector>

#include "base/random.h"
#include "converter/train/train.h"

namespace cllm::testing {

inline Architecture Small() {
  Architecture a;
  a.vocabulary_size = 12;
  a.context = 16;
  a.width = 32;
  a.layers = 2;
  a.heads = a.kv_heads = 2;
  a.head_size = 16;
  a.hidden = 48;
  return a;
}

// A text with a rule: counting up and down, with some noise.
inline std::vector<uint32_t> Text() {
  std::vector<uint32_t> tokens;
  for (uint32_t i = 0; i < 1500; ++i) {
    const uint32_t phase = i % 20;
    const bool noise = Random(1, RandomStream::kData, i) % 16 == 0;
    tokens.push_back(noise ? 11 : (phase < 10 ? phase : 20 - phase));
  }
  return tokens;
}

inline TrainOptions Options() {
  TrainOptions options;
  options.recipe.batch = 8;
  options.recipe.length = 16;
  options.recipe.steps = 60;
  options.recipe.warmup_steps = 5;
  options.recipe.learning_rate = 1e-2f;
  options.report_interval = 20;
  return options;
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_TRAIN_SMALL_TRAINING_H_
