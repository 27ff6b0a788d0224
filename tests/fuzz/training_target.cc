// libFuzzer's entry for checkpoints of training. Mutations start from good ones, so that it takes no corpus.
#include "fuzz/start_from.h"
#include "fuzz/training_fuzzer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)cllm::testing::ReadTraining(data, size);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  return cllm::testing::MutateFrom(cllm::testing::GoodTraining(seed % 4 != 0), data, size, most, seed / 4);
}
