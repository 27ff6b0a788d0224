// libFuzzer's entry for saved states. Mutations start from good ones, so that it takes no corpus.
#include "fuzz/start_from.h"
#include "fuzz/state_fuzzer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cllm::testing::RestoreAndRun(data, size);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  const std::string& good = cllm::testing::GoodState(static_cast<uint8_t>(seed % 8));
  return cllm::testing::MutateFrom(good, data, size, most, seed / 8);
}
