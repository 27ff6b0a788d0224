// libFuzzer's entry. Built with -DCLLM_FUZZ=ON and clang; small .cllm files are good seeds.
#include "fuzz/open_fuzzer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cllm::testing::OpenAndRead(data, size);
  return 0;
}
