#include "converter/tokenizer/text_encoder.h"

#include <algorithm>
#include <cstring>

#include "base/layout.h"
#include "tokens/encode.h"
#include "tokens/split.h"

namespace cllm {
namespace {

constexpr size_t kKnownWords = 1 << 14;  // 1 MiB: a second-level cache's worth

// Of at most 16 bytes.
size_t Slot(std::string_view word) {
  uint64_t low = 0, high = 0;
  std::memcpy(&low, word.data(), std::min<size_t>(word.size(), 8));
  if (word.size() > 8) std::memcpy(&high, word.data() + 8, word.size() - 8);
  const uint64_t mixed = (low ^ (high * 0x9E3779B97F4A7C15u) ^ word.size()) * 0xD6E8FEB86659FD93u;
  return static_cast<size_t>(mixed >> 50);
}
static_assert(kKnownWords == size_t{1} << (64 - 50));

}  // namespace

TextEncoder::TextEncoder(const TokenizerView& tokenizer)
    : tokenizer_(tokenizer),
      by_words_(tokenizer.pretokenizer == Pretokenizer::kWords &&
                (tokenizer.kind == TokenizerKind::kByteBpe || tokenizer.kind == TokenizerKind::kWordPiece ||
                 tokenizer.kind == TokenizerKind::kWords)) {
  static_assert(sizeof(KnownWord) == 64);
}

Status TextEncoder::Append(std::string_view text, std::vector<uint32_t>* tokens) {
  if (!by_words_) return AppendWhole(text, tokens);
  if (known_.empty()) known_.resize(kKnownWords);
  while (!text.empty()) {
    const std::string_view word = text.substr(0, WordBytes(text.data(), text.size()));
    text.remove_prefix(word.size());
    if (word.size() > kMostBytes) {
      CLLM_RETURN_IF_ERROR(AppendWhole(word, tokens));
      continue;
    }
    KnownWord& known = known_[Slot(word)];
    if (known.size != word.size() || std::memcmp(known.bytes, word.data(), word.size()) != 0) {
      const size_t before = tokens->size();
      CLLM_RETURN_IF_ERROR(AppendWhole(word, tokens));
      const size_t count = tokens->size() - before;
      if (count > kMostTokens) continue;
      known.size = static_cast<uint8_t>(word.size());
      known.count = static_cast<uint8_t>(count);
      std::memcpy(known.bytes, word.data(), word.size());
      std::copy_n(tokens->begin() + static_cast<ptrdiff_t>(before), count, known.tokens);
      continue;
    }
    tokens->insert(tokens->end(), known.tokens, known.tokens + known.count);
  }
  return CLLM_OK;
}

Status TextEncoder::AppendWhole(std::string_view text, std::vector<uint32_t>* tokens) {
  if (text.size() > kMaxTextBytes) return CLLM_TEXT_NOT_ENCODABLE;
  const uint64_t bytes = EncodeScratchBytes(tokenizer_, text.size());
  scratch_.resize(std::max<size_t>(scratch_.size(), (bytes + kAlignment) / sizeof(uint64_t) + 1));
  const uintptr_t start = reinterpret_cast<uintptr_t>(scratch_.data());
  void* scratch = reinterpret_cast<uint8_t*>(scratch_.data()) + (RoundUp(start, kAlignment) - start);
  const size_t before = tokens->size(), capacity = text.size() + 1;
  uint64_t count = 0;
  tokens->resize(before + capacity);
  const Status status =
      Encode(tokenizer_, text.data(), text.size(), scratch, tokens->data() + before, capacity, &count);
  tokens->resize(before + (status == CLLM_OK ? count : 0));
  return status;
}

}  // namespace cllm
