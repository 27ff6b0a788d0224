// libFuzzer's entry for deltas. Mutations start from a good one, so that it takes no corpus.
#include <algorithm>

#include "fuzz/delta_fuzzer.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cllm::testing::ApplyAndRun(data, size);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  const std::string& good = cllm::testing::GoodDelta();
  if (size < 128 && most >= good.size() && seed % 4 != 0) {
    std::copy(good.begin(), good.end(), data);
    size = good.size();
  }
  return LLVMFuzzerMutate(data, size, most);
}
