// libFuzzer's entry for model files. Mutations start from good ones, so that it takes no corpus.
#include "fuzz/open_fuzzer.h"
#include "fuzz/start_from.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cllm::testing::OpenAndRun(data, size);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  return cllm::testing::MutateFrom(cllm::testing::GoodModel(seed), data, size, most, seed / 8);
}
