// Room: converter/tokenizer. How byte-level vocabularies since GPT-2 spell bytes.
#ifndef CLLM_CONVERTER_TOKENIZER_BYTE_ALPHABET_H_
#define CLLM_CONVERTER_TOKENIZER_BYTE_ALPHABET_H_

#include <optional>
#include <string>
#include <string_view>

namespace cllm {

// Each byte one printable character, as UTF-8.
std::string Gpt2Characters(std::string_view bytes);

// The bytes of such characters; nothing if one is of another kind.
std::optional<std::string> Gpt2Bytes(std::string_view characters);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_BYTE_ALPHABET_H_
