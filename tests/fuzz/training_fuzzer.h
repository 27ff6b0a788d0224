// What the fuzzer of training checkpoints runs on each input, shared with the deterministic test.
#ifndef CLLM_TESTS_FUZZ_TRAINING_FUZZER_H_
#define CLLM_TESTS_FUZZ_TRAINING_FUZZER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace cllm::testing {

// Reads the bytes as a checkpoint of a training run, with its digest made right if the first byte is odd, as
// a forger would; the rest is the checkpoint. One that is taken is written again, and read again as the same.
absl::Status ReadTraining(const uint8_t* data, size_t size);

// With such a first byte.
const std::string& GoodTraining(bool sealed);

}  // namespace cllm::testing

#endif  // CLLM_TESTS_FUZZ_TRAINING_FUZZER_H_
