// Room: converter/tokenizer. Unicode's normalization forms and what else needs its tables, by utf8proc. Bytes
// that are no UTF-8 stay as they are, each between texts of their own.
#ifndef CLLM_CONVERTER_TOKENIZER_UNICODE_FORMS_H_
#define CLLM_CONVERTER_TOKENIZER_UNICODE_FORMS_H_

#include <string>
#include <string_view>

namespace cllm {

#ifdef CLLM_HAS_UTF8PROC
inline constexpr bool kHasUnicodeForms = true;
#else
inline constexpr bool kHasUnicodeForms = false;  // the functions give the text back
#endif

// Unicode Standard Annex 15.
enum class Form { kC, kD, kKC, kKD };
std::string ToForm(Form form, std::string_view text);

// Each character by itself, as Unicode's SpecialCasing and UnicodeData have it without regard to context.
std::string ToLower(std::string_view text);

// Without characters of the general category Mn, or of all of M.
std::string WithoutMarks(std::string_view text, bool all);

// BERT's cleaning of a text: without U+0000, U+FFFD and characters of the categories Cc, Cf and Co, and with
// spaces for whitespace, tabulators and line ends among it.
std::string Cleaned(std::string_view text);

// A space on each side of a Chinese ideograph (of the blocks that BERT names).
std::string WithSpacedIdeographs(std::string_view text);

// Without whitespace (the property White_Space) at the ends.
std::string_view Stripped(std::string_view text, bool left, bool right);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_UNICODE_FORMS_H_
