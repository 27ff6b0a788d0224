// What the fuzzer runs on each input, shared with the deterministic test.
#ifndef CLLM_TESTS_FUZZ_OPEN_FUZZER_H_
#define CLLM_TESTS_FUZZ_OPEN_FUZZER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace cllm::testing {

// Opens a copy that ends where the bytes end. If open takes it, reads every byte that the view promises: all
// tensors, scales, RoPE turns and tokenizer tables; a lie ends in the sanitizer. Aborts if the view breaks a
// promise of model.h.
Status OpenAndRead(const uint8_t* data, size_t size);

// And then checks all blocks of one with a seal, and runs: a token is fed, and the next one drawn.
Status OpenAndRun(const uint8_t* data, size_t size);

// Files that are good, of several formats and tokenizers, the last one signed.
inline constexpr unsigned kGoodModels = 7;
const std::string& GoodModel(unsigned number);

}  // namespace cllm::testing

#endif  // CLLM_TESTS_FUZZ_OPEN_FUZZER_H_
