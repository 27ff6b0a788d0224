// SentencePiece's tokenizer.model byte by byte: fields of its messages, as Protocol Buffers write them.
#ifndef CLLM_TESTS_SUPPORT_SENTENCEPIECE_FILE_H_
#define CLLM_TESTS_SUPPORT_SENTENCEPIECE_FILE_H_

#include <cstdint>
#include <cstring>
#include <string>

namespace cllm::testing {

inline std::string StoredVarint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

inline std::string StoredText(uint32_t field, const std::string& text) {
  return StoredVarint(field << 3 | 2) + StoredVarint(text.size()) + text;
}

inline std::string StoredNumber(uint32_t field, uint64_t value) {
  return StoredVarint(field << 3) + StoredVarint(value);
}

inline std::string StoredFloat(uint32_t field, float value) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &value, 4);
  return StoredVarint(field << 3 | 5) + bytes;
}

// kind: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
inline std::string StoredPiece(const std::string& piece, float score, uint64_t kind) {
  return StoredText(1,
                    StoredText(1, piece) + StoredFloat(2, score) + (kind == 1 ? "" : StoredNumber(3, kind)));
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_SUPPORT_SENTENCEPIECE_FILE_H_
