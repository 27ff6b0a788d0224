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

bool EncodesWords(const TokenizerView& view) {
  return view.pretokenizer != Pretokenizer::kWhole && view.pretokenizer != Pretokenizer::kBert &&
         (view.kind == TokenizerKind::kByteBpe || view.kind == TokenizerKind::kWordPiece ||
          view.kind == TokenizerKind::kWords);
}

}  // namespace

TextEncoder::TextEncoder(const TokenizerView& tokenizer)
    : tokenizer_(tokenizer),
      encodes_words_(EncodesWords(tokenizer)),
      late_(tokenizer),
      word_(ForOneWord(tokenizer)) {
  static_assert(sizeof(KnownWord) == 64);
  absl::StatusOr<Normalizer> normalizer =
      Normalizer::FromText({tokenizer.normalizer, tokenizer.normalizer_bytes});
  if (normalizer.ok()) {
    normalizer_ = *std::move(normalizer);
  } else {
    unsupported_ = normalizer.status();
  }
  if (tokenizer.added_count == 0) return;
  const auto* rows = reinterpret_cast<const uint32_t*>(tokenizer.added);
  late_added_.assign(rows, rows + 16 + 2 * size_t{tokenizer.added_count});
  std::fill_n(late_added_.begin(), 8, 0);  // first bytes of those that are found in the text as it stands
  late_.added = reinterpret_cast<const AddedTokens*>(late_added_.data());
}

Status TextEncoder::Append(std::string_view text, std::vector<uint32_t>* tokens, Specials specials) {
  if (!unsupported_.ok()) return CLLM_UNSUPPORTED_TOKENIZER;
  if (normalizer_.empty()) return AppendStretches(tokenizer_, text, true, tokens, specials);
  for (size_t at = 0; at < text.size();) {
    AddedMatch match = {text.size(), text.size(), CLLM_NO_TOKEN};
    if (tokenizer_.added_count > 0)
      match = FindAdded(tokenizer_, text.data(), text.size(), at, false, specials);
    const std::string_view stretch = text.substr(at, match.begin - at);
    CLLM_RETURN_IF_ERROR(AppendNormalized(stretch, at == 0, tokens, specials));
    if (match.token != CLLM_NO_TOKEN) tokens->push_back(match.token);
    at = match.end;
  }
  return CLLM_OK;
}

Status TextEncoder::AppendNormalized(std::string_view stretch, bool is_start, std::vector<uint32_t>* tokens,
                                     Specials specials) {
  const auto is_ascii = [](char c) { return static_cast<uint8_t>(c) < 0x80; };
  if (normalizer_.keeps_ascii() && std::all_of(stretch.begin(), stretch.end(), is_ascii))
    return AppendStretches(late_, stretch, is_start, tokens, specials);
  const absl::StatusOr<std::string> text = normalizer_.Apply(stretch);
  if (!text.ok()) return CLLM_TEXT_NOT_ENCODABLE;
  return AppendStretches(late_, *text, is_start, tokens, specials);
}

Status TextEncoder::AppendStretches(const TokenizerView& view, std::string_view text, bool is_start,
                                    std::vector<uint32_t>* tokens, Specials specials) {
  if (!encodes_words_) {
    TokenizerView part = view;
    part.prefix_space = view.prefix_space && (is_start || !view.prefix_once);
    return AppendWhole(part, text, tokens, specials);
  }
  if (known_.empty()) known_.resize(kKnownWords);
  const auto stretch = [&](const char* part, uint64_t bytes, bool) {
    return AppendWords(std::string_view(part, bytes), tokens);
  };
  if (view.added_count == 0) return stretch(text.data(), text.size(), true);
  return ForEachStretch(view, text.data(), text.size(), specials, stretch,
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
