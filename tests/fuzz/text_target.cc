// libFuzzer's entry for encoding and decoding; any bytes are a good start.
#include "fuzz/text_fuzzer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cllm::testing::EncodeAndDecode(data, size);
  return 0;
}
