// What the fuzzer of encoding and decoding runs on each input, shared with the deterministic test.
#ifndef CLLM_TESTS_FUZZ_TEXT_FUZZER_H_
#define CLLM_TESTS_FUZZ_TEXT_FUZZER_H_

#include <cstddef>
#include <cstdint>

namespace cllm::testing {

// The first byte chooses the kind of tokenizer; the rest is encoded as text and decoded again, and is decoded
// as token ids, good or not. Aborts if a token is out of range, or a text does not come back from a tokenizer
// that can express every byte.
void EncodeAndDecode(const uint8_t* data, size_t size);

}  // namespace cllm::testing

#endif  // CLLM_TESTS_FUZZ_TEXT_FUZZER_H_
