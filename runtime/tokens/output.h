// Room: tokens. Where encoders write: the caller's array, which may be too small.
#ifndef CLLM_TOKENS_OUTPUT_H_
#define CLLM_TOKENS_OUTPUT_H_

#include <cstdint>

namespace cllm {

class Output {
 public:
  Output(uint32_t* tokens, uint64_t capacity) : tokens_(tokens), capacity_(capacity) {}

  void Append(uint32_t token) {
    if (count_ < capacity_) tokens_[count_] = token;
    ++count_;
  }
  void Append(const uint32_t* tokens, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) Append(tokens[i]);
  }
  // Takes back what was appended since there were `count`.
  void Rewind(uint64_t count) { count_ = count; }
  uint64_t count() const { return count_; }
  uint64_t capacity() const { return capacity_; }

 private:
  uint32_t* tokens_;
  uint64_t capacity_;
  uint64_t count_ = 0;
};

}  // namespace cllm

#endif  // CLLM_TOKENS_OUTPUT_H_
