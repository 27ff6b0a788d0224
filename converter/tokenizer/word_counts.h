// Room: converter/tokenizer. How often each word of a text occurs: what a vocabulary is learned from.
#ifndef CLLM_CONVERTER_TOKENIZER_WORD_COUNTS_H_
#define CLLM_CONVERTER_TOKENIZER_WORD_COUNTS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace cllm {

// Words as the `words` pretokenizer cuts them (schemas/TOKENIZER.md). Text goes in part by part, and memory
// does not grow with it beyond a limit: then the rarest words are forgotten, as in lossy counting (Manku and
// Motwani, 2002). The same parts in the same order give the same counts.
class WordCounts {
 public:
  static constexpr uint64_t kDefaultLimitBytes = uint64_t{256} << 20;

  explicit WordCounts(uint64_t limit_bytes = kDefaultLimitBytes) : limit_bytes_(limit_bytes) {}

  void Add(std::string_view text);

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view word) const { return std::hash<std::string_view>()(word); }
  };
  using Words = std::unordered_map<std::string, uint64_t, Hash, std::equal_to<>>;
  const Words& words() const { return words_; }

 private:
  void Forget();

  Words words_;
  uint64_t limit_bytes_;
  uint64_t bytes_ = 0;   // about what words_ takes
  uint64_t rarest_ = 1;  // words no more frequent than this are forgotten next
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_WORD_COUNTS_H_
