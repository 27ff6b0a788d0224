// Room: converter/data. A run of tokens in memory or in a mapped file, of 16 or 32 bits each.
#ifndef CLLM_CONVERTER_DATA_TOKEN_SPAN_H_
#define CLLM_CONVERTER_DATA_TOKEN_SPAN_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/types/span.h"

namespace cllm {

// A view; whoever made the tokens owns them.
class TokenSpan {
 public:
  TokenSpan() = default;
  TokenSpan(absl::Span<const uint32_t> tokens)  // NOLINT: a span of 32-bit tokens is one of these
      : bytes_(reinterpret_cast<const char*>(tokens.data())), size_(tokens.size()), width_(4) {}
  TokenSpan(const std::vector<uint32_t>& tokens)  // NOLINT
      : TokenSpan(absl::Span<const uint32_t>(tokens)) {}
  // width: bytes a token, 2 or 4; of any alignment.
  TokenSpan(const char* bytes, size_t size, uint32_t width) : bytes_(bytes), size_(size), width_(width) {}

  size_t size() const { return size_; }
  uint32_t operator[](size_t i) const {
    if (width_ == 2) {
      uint16_t token;
      std::memcpy(&token, bytes_ + 2 * i, sizeof(token));
      return token;
    }
    uint32_t token;
    std::memcpy(&token, bytes_ + 4 * i, sizeof(token));
    return token;
  }
  TokenSpan subspan(size_t begin) const { return subspan(begin, size_ - begin); }
  TokenSpan subspan(size_t begin, size_t count) const { return {bytes_ + begin * width_, count, width_}; }

  // Appends tokens [begin, begin + count).
  void CopyTo(size_t begin, size_t count, std::vector<uint32_t>* tokens) const {
    for (size_t i = begin; i < begin + count; ++i) tokens->push_back((*this)[i]);
  }

 private:
  const char* bytes_ = nullptr;
  size_t size_ = 0;
  uint32_t width_ = 4;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_DATA_TOKEN_SPAN_H_
