// Random texts and token ids through the fuzzer's target.
#include <random>
#include <string>

#include "doctest/doctest.h"
#include "fuzz/text_fuzzer.h"

namespace cllm {
namespace {

TEST_CASE("random bytes, letters that merge, and broken UTF-8, by every kind of tokenizer") {
  std::mt19937 random(4);
  for (int trial = 0; trial < 2000; ++trial) {
    std::string input(1 + random() % 200, static_cast<char>(random()));
    for (size_t at = 1; at < input.size(); ++at) {
      const uint32_t draw = random();
      input[at] = static_cast<char>(trial % 3 == 0   ? draw
                                    : trial % 3 == 1 ? 'a' + draw % 7
                                                     : 0xC0 | draw % 64);
    }
    testing::EncodeAndDecode(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  }
}

}  // namespace
}  // namespace cllm
