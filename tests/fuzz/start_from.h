// libFuzzer's mutations of inputs that are good: most of what it makes up itself ends at the first check.
#ifndef CLLM_TESTS_FUZZ_START_FROM_H_
#define CLLM_TESTS_FUZZ_START_FROM_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace cllm::testing {

// To be called by LLVMFuzzerCustomMutator: short inputs become the good one first, three times of four.
inline size_t MutateFrom(const std::string& good, uint8_t* data, size_t size, size_t most, unsigned seed) {
  if (size < 128 && most >= good.size() && seed % 4 != 0) {
    std::copy(good.begin(), good.end(), data);
    size = good.size();
  }
  return LLVMFuzzerMutate(data, size, most);
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_FUZZ_START_FROM_H_
