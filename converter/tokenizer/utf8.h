// Room: converter/tokenizer. What is UTF-8 and what is not (Unicode 15, table 3-7).
#ifndef CLLM_CONVERTER_TOKENIZER_UTF8_H_
#define CLLM_CONVERTER_TOKENIZER_UTF8_H_

#include <cstddef>
#include <string_view>

namespace cllm {

// The first byte that is not part of a character of UTF-8 (overlong forms and surrogates are none); npos if
// there is none.
size_t InvalidUtf8At(std::string_view text);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_UTF8_H_
