#include "converter/tokenizer/word_counts.h"

#include "tokens/split.h"

namespace cllm {
namespace {

constexpr uint64_t kNodeBytes = 72;  // of the map, beside a word's own

uint64_t BytesOf(std::string_view word) { return kNodeBytes + word.size(); }

}  // namespace

void WordCounts::Add(std::string_view text) {
  while (!text.empty()) {
    const std::string_view word = text.substr(0, WordBytes(text.data(), text.size()));
    text.remove_prefix(word.size());
    if (const auto found = words_.find(word); found != words_.end()) {
      ++found->second;
      continue;
    }
    words_.emplace(word, 1);
    bytes_ += BytesOf(word);
    if (bytes_ > limit_bytes_) Forget();
  }
}

void WordCounts::Forget() {
  for (; bytes_ > limit_bytes_ / 2; ++rarest_) {
    for (auto i = words_.begin(); i != words_.end();) {
      if (i->second > rarest_) {
        ++i;
        continue;
      }
      bytes_ -= BytesOf(i->first);
      i = words_.erase(i);
    }
  }
}

}  // namespace cllm
