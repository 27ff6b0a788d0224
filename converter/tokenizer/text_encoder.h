// Room: converter/tokenizer. Encoding of much text: the runtime's encoder behind a memory of frequent words.
#ifndef CLLM_CONVERTER_TOKENIZER_TEXT_ENCODER_H_
#define CLLM_CONVERTER_TOKENIZER_TEXT_ENCODER_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/status.h"
#include "converter/tokenizer/normalizer.h"
#include "model/model.h"
#include "tokens/added.h"

namespace cllm {

// Gives what Encode of runtime/tokens gives of a text that the tokenizer's normalizer has gone over. Where
// words are encoded by themselves, the tokens of those met lately are kept, so that a text costs little more
// than to cut it into words.
class TextEncoder {
 public:
  // The view's tables must outlive it.
  explicit TextEncoder(const TokenizerView& tokenizer);
  TextEncoder(const TextEncoder&) = delete;
  TextEncoder& operator=(const TextEncoder&) = delete;

  // Appends the tokens of a text. Errors are those of Encode, and CLLM_UNSUPPORTED_TOKENIZER where the
  // normalizer cannot be had, as unsupported() says; then *tokens has those of a part of the text.
  Status Append(std::string_view text, std::vector<uint32_t>* tokens, Specials specials = Specials::kAsText);

  const absl::Status& unsupported() const { return unsupported_; }

  // Whether a text's words are encoded one by one, so that it may be cut between any two. Those that are cut
  // from a text as it stands need not be those of its normal form.
  bool by_words() const { return encodes_words_ && normalizer_.empty(); }

 private:
  static constexpr uint32_t kMostBytes = 14, kMostTokens = 12;
  struct KnownWord {  // one cache line
    char bytes[kMostBytes];
    uint8_t size;   // 0: nothing is known
    uint8_t count;  // of tokens
    uint32_t tokens[kMostTokens];
  };

  Status AppendNormalized(std::string_view stretch, bool is_start, std::vector<uint32_t>* tokens,
                          Specials specials);
  Status AppendStretches(const TokenizerView& view, std::string_view text, bool is_start,
                         std::vector<uint32_t>* tokens, Specials specials);
  Status AppendWords(std::string_view text, std::vector<uint32_t>* tokens);
  Status AppendWhole(const TokenizerView& view, std::string_view text, std::vector<uint32_t>* tokens,
                     Specials specials);

  TokenizerView tokenizer_;
  bool encodes_words_;
  Normalizer normalizer_;
  absl::Status unsupported_;
  std::vector<uint32_t> late_added_;  // the table of added tokens, with only those that a normal form has
  TokenizerView late_;                // the tokenizer for what the normalizer gives
  TokenizerView word_;                // the tokenizer for one of its words
  std::vector<KnownWord> known_;      // by hash
  std::vector<uint64_t> scratch_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_TEXT_ENCODER_H_
