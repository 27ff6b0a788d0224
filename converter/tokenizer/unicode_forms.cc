#include "converter/tokenizer/unicode_forms.h"

#include <cstdint>
#include <cstdlib>

#ifdef CLLM_HAS_UTF8PROC
#include <utf8proc.h>
#endif

#include "converter/tokenizer/utf8.h"
#include "tokens/unicode.h"

namespace cllm {
namespace {

// Calls take(character, its bytes) for each character; one that is no UTF-8 has the code kInvalidCode.
template <class Take>
void ForEachCharacter(std::string_view text, const Take& take) {
  while (!text.empty()) {
    const Character character = CharacterAt(text.data(), text.size());
    take(character, text.substr(0, character.size));
    text.remove_prefix(character.size);
  }
}

#ifdef CLLM_HAS_UTF8PROC

void AppendUtf8(uint32_t code, std::string* out) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes);
  out->append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
}

utf8proc_category_t CategoryOf(const Character& character) {
  return character.code == kInvalidCode ? UTF8PROC_CATEGORY_CN
                                        : utf8proc_category(static_cast<utf8proc_int32_t>(character.code));
}

#endif

}  // namespace

#ifdef CLLM_HAS_UTF8PROC

std::string ToForm(Form form, std::string_view text) {
  const bool composed = form == Form::kC || form == Form::kKC;
  const bool compatible = form == Form::kKC || form == Form::kKD;
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | (composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                                     (compatible ? int{UTF8PROC_COMPAT} : 0));
  std::string result;
  while (!text.empty()) {
    const size_t invalid = InvalidUtf8At(text);
    const std::string_view valid = text.substr(0, invalid);
    utf8proc_uint8_t* mapped = nullptr;
    const utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(valid.data()),
                                               static_cast<utf8proc_ssize_t>(valid.size()), &mapped, options);
    if (size >= 0) result.append(reinterpret_cast<const char*>(mapped), static_cast<size_t>(size));
    std::free(mapped);
    if (invalid == std::string_view::npos) break;
    result += text[invalid];
    text.remove_prefix(invalid + 1);
  }
  return result;
}

std::string ToLower(std::string_view text) {
  std::string result;
  ForEachCharacter(text, [&result](const Character& character, std::string_view bytes) {
    if (character.code == kInvalidCode) {
      result += bytes;
    } else if (character.code == 0x130) {  // the one that becomes two
      result += "i\u0307";
    } else {
      AppendUtf8(static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(character.code))),
                 &result);
    }
  });
  return result;
}

std::string WithoutMarks(std::string_view text, bool all) {
  std::string result;
  ForEachCharacter(text, [&result, all](const Character& character, std::string_view bytes) {
    const utf8proc_category_t category = CategoryOf(character);
    const bool other = category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
    if (category != UTF8PROC_CATEGORY_MN && !(all && other)) result += bytes;
  });
  return result;
}

std::string Cleaned(std::string_view text) {
  std::string result;
  ForEachCharacter(text, [&result](const Character& character, std::string_view bytes) {
    const uint32_t code = character.code;
    const utf8proc_category_t category = CategoryOf(character);
    if (code == '\t' || code == '\n' || code == '\r') {
      result += ' ';
    } else if (code != 0 && code != 0xFFFD && category != UTF8PROC_CATEGORY_CC &&
               category != UTF8PROC_CATEGORY_CF && category != UTF8PROC_CATEGORY_CO) {
      result += character.kind == CharacterClass::kWhitespace ? std::string_view(" ") : bytes;
    }
  });
  return result;
}

#else

std::string ToForm(Form, std::string_view text) { return std::string(text); }
std::string ToLower(std::string_view text) { return std::string(text); }
std::string WithoutMarks(std::string_view text, bool) { return std::string(text); }
std::string Cleaned(std::string_view text) { return std::string(text); }

#endif

std::string WithSpacedIdeographs(std::string_view text) {
  constexpr uint32_t kBlocks[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                     {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF},
                                     {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  std::string result;
  ForEachCharacter(text, [&](const Character& character, std::string_view bytes) {
    bool ideograph = false;
    for (const auto& [first, last] : kBlocks)
      ideograph = ideograph || (character.code >= first && character.code <= last);
    if (ideograph) result += ' ';
    result += bytes;
    if (ideograph) result += ' ';
  });
  return result;
}

std::string_view Stripped(std::string_view text, bool left, bool right) {
  size_t begin = text.size(), end = 0, at = 0;
  ForEachCharacter(text, [&](const Character& character, std::string_view bytes) {
    if (character.kind != CharacterClass::kWhitespace) {
      if (begin == text.size()) begin = at;
      end = at + bytes.size();
    }
    at += bytes.size();
  });
  if (!left) begin = 0;
  if (!right) end = text.size();
  return begin < end ? text.substr(begin, end - begin) : std::string_view();
}

}  // namespace cllm
