// What the fuzzer of `cllm inspect` runs on each input, shared with the deterministic test.
#ifndef CLLM_TESTS_FUZZ_INSPECT_FUZZER_H_
#define CLLM_TESTS_FUZZ_INSPECT_FUZZER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cllm::testing {

// Says what the bytes are, or what is wrong with them, as `cllm inspect` of a file with them does. Aborts if
// it has no words for it.
std::string InspectBytes(const uint8_t* data, size_t size);

// Good files of every kind that it knows by its first bytes.
const std::vector<std::string>& GoodInspected();

}  // namespace cllm::testing

#endif  // CLLM_TESTS_FUZZ_INSPECT_FUZZER_H_
