#include "converter/tokenizer/text_encoder.h"

#include <algorithm>
#include <cstring>

#include "base/layout.h"
#include "tokens/encode.h"
#include "tokens/patterns.h"

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

// One word of the tokenizer's is encoded without looking for words in it.
TokenizerView ForOneWord(TokenizerView view) {
  view.pretokenizer = Pretokenizer::kWhole;
  view.added = nullptr;
  view.added_count = 0;
  return view;
}

}  // namespace

TextEncoder::TextEncoder(const TokenizerView& tokenizer)
    : tokenizer_(tokenizer),
      by_words_(tokenizer.pretokenizer != Pretokenizer::kWhole &&
                (tokenizer.kind == TokenizerKind::kByteBpe || tokenizer.kind == TokenizerKind::kWordPiece ||
                 tokenizer.kind == TokenizerKind::kWords)),
      word_(ForOneWord(tokenizer)) {
  static_assert(sizeof(KnownWord) == 64);
}

Status TextEncoder::Append(std::string_view text, std::vector<uint32_t>* tokens, Specials specials) {
  if (!by_words_) return AppendWhole(tokenizer_, text, tokens, specials);
  if (known_.empty()) known_.resize(kKnownWords);
  const auto stretch = [&](const char* part, uint64_t bytes, bool) {
    return AppendWords(std::string_view(part, bytes), tokens);
  };
  if (tokenizer_.added_count == 0) return stretch(text.data(), text.size(), true);
  return ForEachStretch(tokenizer_, text.data(), text.size(), specials, stretch,
                        [tokens](uint32_t token) { tokens->push_back(token); });
}

Status TextEncoder::AppendWords(std::string_view text, std::vector<uint32_t>* tokens) {
  while (!text.empty()) {
    const std::string_view word = text.substr(0, NextWordBytes(tokenizer_, text.data(), text.size()));
    text.remove_prefix(word.size());
    if (word.size() > kMostBytes) {
      CLLM_RETURN_IF_ERROR(AppendWhole(word_, word, tokens, Specials::kAsText));
      continue;
    }
    KnownWord& known = known_[Slot(word)];
    if (known.size != word.size() || std::memcmp(known.bytes, word.data(), word.size()) != 0) {
      const size_t before = tokens->size();
      CLLM_RETURN_IF_ERROR(AppendWhole(word_, word, tokens, Specials::kAsText));
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

Status TextEncoder::AppendWhole(const TokenizerView& view, std::string_view text,
                                std::vector<uint32_t>* tokens, Specials specials) {
  if (text.size() > kMaxTextBytes) return CLLM_TEXT_NOT_ENCODABLE;
  const uint64_t bytes = EncodeScratchBytes(view, text.size());
  scratch_.resize(std::max<size_t>(scratch_.size(), (bytes + kAlignment) / sizeof(uint64_t) + 1));
  const uintptr_t start = reinterpret_cast<uintptr_t>(scratch_.data());
  void* scratch = reinterpret_cast<uint8_t*>(scratch_.data()) + (RoundUp(start, kAlignment) - start);
  const size_t before = tokens->size();
  Status status = CLLM_BUFFER_TOO_SMALL;
  uint64_t count = text.size() + 1;  // more only where spaces are put behind added tokens
  for (uint64_t capacity = 0; status == CLLM_BUFFER_TOO_SMALL && capacity < count;) {
    capacity = count;
    tokens->resize(before + capacity);
    status =
        Encode(view, text.data(), text.size(), scratch, tokens->data() + before, capacity, &count, specials);
  }
  tokens->resize(before + (status == CLLM_OK ? count : 0));
  return status;
}

}  // namespace cllm
