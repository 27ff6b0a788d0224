// What the fuzzer of patches runs on each input, shared with the deterministic tests.
#ifndef CLLM_TESTS_FUZZ_PATCH_FUZZER_H_
#define CLLM_TESTS_FUZZ_PATCH_FUZZER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace cllm::testing {

// Applies a patch to the file that GoodPatch is for, which ends where its bytes end, in pieces. What it makes
// is the file that its head promised, or it fails. CLLM_STORE_RANGE for new files of over 1 MB.
Status ApplyToOld(const uint8_t* data, size_t size);

// A patch that is good.
const std::string& GoodPatch();

}  // namespace cllm::testing

#endif  // CLLM_TESTS_FUZZ_PATCH_FUZZER_H_
