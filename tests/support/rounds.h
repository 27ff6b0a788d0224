// How often a test of random cases repeats.
#ifndef CLLM_TESTS_SUPPORT_ROUNDS_H_
#define CLLM_TESTS_SUPPORT_ROUNDS_H_

namespace cllm::testing {

// All of them on the machine itself; an emulator, which takes twenty times as long, sees the first fifth.
constexpr int Rounds(int count) {
#if defined(CLLM_TESTS_EMULATED)
  return (count + 4) / 5;
#else
  return count;
#endif
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_SUPPORT_ROUNDS_H_
