// libFuzzer's entry for deltas. Mutations start from a good one, so that it takes no corpus.
#include "fuzz/delta_fuzzer.h"
#include "fuzz/start_from.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cllm::testing::ApplyAndRun(data, size);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  return cllm::testing::MutateFrom(cllm::testing::GoodDelta(), data, size, most, seed);
}
