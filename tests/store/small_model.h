// What a device learns with in the tests of power cuts: a model that takes no time.
#ifndef CLLM_TESTS_STORE_SMALL_MODEL_H_
#define CLLM_TESTS_STORE_SMALL_MODEL_H_

#include "tests/support/random_model.h"

namespace cllm::testing {

inline Architecture StoredArchitecture() {
  Architecture a;
  a.vocabulary_size = 11;
  a.context = 8;
  a.width = 6;
  a.layers = 1;
  a.heads = a.kv_heads = 1;
  a.head_size = 4;
  a.hidden = 5;
  return a;
}

inline ModelFile SmallModel(Dtype format) {
  return MakeModel(RandomCheckpoint(StoredArchitecture(), 3), format);
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_STORE_SMALL_MODEL_H_
