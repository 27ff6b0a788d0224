// What the fuzzer of saved states runs on each input, shared with the deterministic test.
#ifndef CLLM_TESTS_FUZZ_STATE_FUZZER_H_
#define CLLM_TESTS_FUZZ_STATE_FUZZER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace cllm::testing {

// The first byte says what the state is for: bit 0 an int8 cache, bit 1 a model with a delta; with bit 2 the
// state's digest is made right first, as a forger would. The rest is the state. If it is restored the session
// draws and feeds tokens; a lie ends in the sanitizer. CLLM_STATE_TRUNCATED without a first byte.
Status RestoreAndRun(const uint8_t* data, size_t size);

// Such a first byte, and a state that is good.
const std::string& GoodState(uint8_t first);

}  // namespace cllm::testing

#endif  // CLLM_TESTS_FUZZ_STATE_FUZZER_H_
