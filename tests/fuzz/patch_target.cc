// libFuzzer's entry for patches. Mutations start from a good one, so that it takes no corpus.
#include "fuzz/patch_fuzzer.h"
#include "fuzz/start_from.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cllm::testing::ApplyToOld(data, size);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  return cllm::testing::MutateFrom(cllm::testing::GoodPatch(), data, size, most, seed);
}
