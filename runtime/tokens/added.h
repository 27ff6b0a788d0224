// Room: tokens. Tokens that are found in a text as they are spelled, before it is cut into words: special
// ones, and those that others added to their vocabularies. Reads the text and the verified tables only.
#ifndef CLLM_TOKENS_ADDED_H_
#define CLLM_TOKENS_ADDED_H_

#include <cstdint>

#include "base/status.h"
#include "model/model.h"

namespace cllm {

// Whether the spelling of a control token in a text is that token, or text like any other.
enum class Specials : bool { kAsText = false, kParsed = true };

// What a token took of a text; token is CLLM_NO_TOKEN, and begin and end the text's, where there is none.
struct AddedMatch {
  uint64_t begin;
  uint64_t end;
  uint32_t token;
};

// The first added token of text[bytes] at or behind `from`, with kLate or without; of several that begin at
// one place the longest. A control token that is not asked for is passed over.
AddedMatch FindAdded(const TokenizerView& tokenizer, const char* text, uint64_t bytes, uint64_t from,
                     bool late, Specials specials);

// Calls stretch(text, bytes, is_start) for what lies between added tokens, and token(id) for them, in order,
// until one gives an error.
template <class Stretch, class Token>
Status ForEachStretch(const TokenizerView& tokenizer, const char* text, uint64_t bytes, Specials specials,
                      const Stretch& stretch, const Token& token) {
  for (uint64_t at = 0; at < bytes;) {
    const AddedMatch early = FindAdded(tokenizer, text, bytes, at, false, specials);
    while (at < early.begin) {
      const AddedMatch late = FindAdded(tokenizer, text, early.begin, at, true, specials);
      if (at < late.begin) CLLM_RETURN_IF_ERROR(stretch(text + at, late.begin - at, at == 0));
      if (late.token != CLLM_NO_TOKEN) token(late.token);
      at = late.end;
    }
    if (early.token != CLLM_NO_TOKEN) token(early.token);
    at = early.end;
  }
  return CLLM_OK;
}

// Whether any added token may be found: without, the text is one stretch.
bool HasAdded(const TokenizerView& tokenizer, Specials specials);

// Flags of an added token; 0 for any other.
uint32_t AddedFlags(const TokenizerView& tokenizer, uint32_t token);

}  // namespace cllm

#endif  // CLLM_TOKENS_ADDED_H_
