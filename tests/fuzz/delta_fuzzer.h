// What the fuzzer of deltas runs on each input, shared with the deterministic test.
#ifndef CLLM_TESTS_FUZZ_DELTA_FUZZER_H_
#define CLLM_TESTS_FUZZ_DELTA_FUZZER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace cllm::testing {

// Applies a copy that ends where the bytes end. If that succeeds, a session of the changed model draws and
// feeds tokens, which reads all that the delta has; a lie ends in the sanitizer.
Status ApplyAndRun(const uint8_t* data, size_t size);

// A delta that is good.
const std::string& GoodDelta();

}  // namespace cllm::testing

#endif  // CLLM_TESTS_FUZZ_DELTA_FUZZER_H_
