// libFuzzer's entry for `cllm inspect`. Mutations start from good files, so that it takes no corpus.
#include "fuzz/inspect_fuzzer.h"
#include "fuzz/start_from.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)cllm::testing::InspectBytes(data, size);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  const auto& good = cllm::testing::GoodInspected();
  return cllm::testing::MutateFrom(good[seed % good.size()], data, size, most, seed / 8);
}
