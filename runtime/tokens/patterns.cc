#include "tokens/patterns.h"

#include "tokens/unicode.h"

namespace cllm {
namespace {

using Class = CharacterClass;

struct Text {
  const char* begin;
  uint64_t bytes;

  Character At(uint64_t at) const { return CharacterAt(begin + at, bytes - at); }
  bool IsNewlineAt(uint64_t at) const { return begin[at] == '\n' || begin[at] == '\r'; }

  // The end of a run of one class, or at least of its first `most` characters.
  uint64_t EndOfRun(uint64_t at, Class kind, uint64_t most = ~uint64_t{0}) const {
    for (; at < bytes && most > 0; --most) {
      const Character character = At(at);
      if (character.kind != kind) break;
      at += character.size;
    }
    return at;
  }
};

// Bytes of one of 's 't 'm 'd 'll 've 're at the start; 0: there is none. Of any case with any_case, where
// U+017F is a small s.
uint64_t ContractionBytes(const Text& text, bool any_case) {
  if (text.bytes < 2 || text.begin[0] != '\'') return 0;
  const uint8_t fold = any_case ? 0x20 : 0;
  const auto letter = [&](uint64_t at) { return static_cast<char>(text.begin[at] | fold); };
  const char first = letter(1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (text.bytes < 3) return 0;
  if (any_case && text.begin[1] == '\xC5' && text.begin[2] == '\xBF') return 3;
  const char second = letter(2);
  const bool two = (first == 'l' && second == 'l') || (second == 'e' && (first == 'v' || first == 'r'));
  return two ? 3 : 0;
}

// \s+(?!\S)|\s+ : a run of whitespace leaves its last character to what follows, unless it has but one.
uint64_t WhitespaceBytes(const Text& text, bool digits_end_text) {
  uint64_t last = 0, end = 0;
  while (end < text.bytes) {
    const Character character = text.At(end);
    if (character.kind == Class::kNumber && digits_end_text) return end;
    if (character.kind != Class::kWhitespace) return last > 0 ? last : end;
    last = end;
    end += character.size;
  }
  return end;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ ; with single_digits numbers
// were cut out first, each by itself.
uint64_t Gpt2WordBytes(const Text& text, bool single_digits) {
  if (const uint64_t bytes = ContractionBytes(text, false); bytes > 0) return bytes;
  const uint64_t start = text.begin[0] == ' ' && text.bytes > 1 ? 1 : 0;
  const Class kind = text.At(start).kind;
  if (kind == Class::kWhitespace) return WhitespaceBytes(text, single_digits);
  if (kind != Class::kNumber || !single_digits) return text.EndOfRun(start, kind);
  return start == 1 ? 1 : text.At(0).size;
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|
// \s*[\r\n]+|\s+(?!\S)|\s+
uint64_t Llama3WordBytes(const Text& text, uint64_t digits) {
  if (const uint64_t bytes = ContractionBytes(text, true); bytes > 0) return bytes;
  const Character first = text.At(0);
  if (first.kind == Class::kLetter) return text.EndOfRun(0, Class::kLetter);
  if (first.kind == Class::kNumber) return text.EndOfRun(0, Class::kNumber, digits);
  if (!text.IsNewlineAt(0) && first.size < text.bytes && text.At(first.size).kind == Class::kLetter) {
    return text.EndOfRun(first.size, Class::kLetter);
  }
  const uint64_t start = text.begin[0] == ' ' && text.bytes > 1 ? 1 : 0;
  if (text.At(start).kind == Class::kOther) {
    uint64_t end = text.EndOfRun(start, Class::kOther);
    while (end < text.bytes && text.IsNewlineAt(end)) ++end;
    return end;
  }
  for (uint64_t end = text.EndOfRun(0, Class::kWhitespace); end > 0; --end) {
    if (text.IsNewlineAt(end - 1)) return end;
  }
  return WhitespaceBytes(text, false);
}

// Each space begins a word.
uint64_t SpacedWordBytes(const Text& text) {
  uint64_t end = 1;
  while (end < text.bytes && text.begin[end] != ' ') ++end;
  return end;
}

// A run of whitespace, one mark of punctuation, or what lies between these.
uint64_t BertWordBytes(const Text& text) {
  const auto is_mark = [](const Character& c) { return IsPunctuation(c.code); };
  const Character first = text.At(0);
  if (first.kind == Class::kWhitespace) return text.EndOfRun(0, Class::kWhitespace);
  uint64_t end = first.size;
  if (is_mark(first)) return end;
  while (end < text.bytes) {
    const Character character = text.At(end);
    if (character.kind == Class::kWhitespace || is_mark(character)) break;
    end += character.size;
  }
  return end;
}

}  // namespace

uint64_t PatternWordBytes(Pretokenizer pretokenizer, const char* text, uint64_t bytes) {
  switch (pretokenizer) {
    case Pretokenizer::kGpt2: return Gpt2WordBytes({text, bytes}, false);
    case Pretokenizer::kDigits: return Gpt2WordBytes({text, bytes}, true);
    case Pretokenizer::kLlama3: return Llama3WordBytes({text, bytes}, 3);
    case Pretokenizer::kQwen2: return Llama3WordBytes({text, bytes}, 1);
    case Pretokenizer::kSpaces: return SpacedWordBytes({text, bytes});
    case Pretokenizer::kBert: return BertWordBytes({text, bytes});
    case Pretokenizer::kWhole:
    case Pretokenizer::kWords: break;  // not patterns
  }
  return bytes;
}

}  // namespace cllm
