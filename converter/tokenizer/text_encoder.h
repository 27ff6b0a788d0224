// Room: converter/tokenizer. Encoding of much text: the runtime's encoder behind a memory of frequent words.
#ifndef CLLM_CONVERTER_TOKENIZER_TEXT_ENCODER_H_
#define CLLM_CONVERTER_TOKENIZER_TEXT_ENCODER_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "model/model.h"
#include "tokens/added.h"

namespace cllm {

// Gives what Encode of runtime/tokens gives. Where words are encoded by themselves, the tokens of those met
// lately are kept, so that a text costs little more than to cut it into words.
class TextEncoder {
 public:
  // The view's tables must outlive it.
  explicit TextEncoder(const TokenizerView& tokenizer);

  // Appends the tokens of a text. Errors are those of Encode; then *tokens has those of a part of the text.
  Status Append(std::string_view text, std::vector<uint32_t>* tokens, Specials specials = Specials::kAsText);

  // Whether a text's words are encoded one by one, so that it may be cut between any two.
  bool by_words() const { return by_words_; }

 private:
  static constexpr uint32_t kMostBytes = 14, kMostTokens = 12;
  struct KnownWord {  // one cache line
    char bytes[kMostBytes];
    uint8_t size;   // 0: nothing is known
    uint8_t count;  // of tokens
    uint32_t tokens[kMostTokens];
  };

  Status AppendWords(std::string_view text, std::vector<uint32_t>* tokens);
  Status AppendWhole(const TokenizerView& view, std::string_view text, std::vector<uint32_t>* tokens,
                     Specials specials);

  TokenizerView tokenizer_;
  bool by_words_;
  TokenizerView word_;            // the tokenizer for one of its words
  std::vector<KnownWord> known_;  // by hash
  std::vector<uint64_t> scratch_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_TEXT_ENCODER_H_
