#include "converter/tokenizer/normalizer.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/charsmap.h"
#include "converter/tokenizer/sentencepiece.h"
#include "converter/tokenizer/unicode_forms.h"
#include "tokens/unicode.h"

namespace cllm {
namespace {

using Json = nlohmann::json;
using Step = std::function<std::string(std::string_view)>;

constexpr size_t kMostGrowth = 64;  // also the longest text in place of a character
constexpr char kSpacesRegex[] = " {2,}", kWhitespaceRegex[] = "\\s+";

bool Says(const Json& step, const char* key, bool fallback) {
  const auto found = step.find(key);
  return found != step.end() && found->is_boolean() ? found->get<bool>() : fallback;
}

absl::Status NotSupported(const Json& step, std::string_view why) {
  std::string text = JsonText(step);
  if (text.size() > 200) text = text.substr(0, 200) + "...";
  return absl::UnimplementedError(absl::StrCat("its normalizer ", text, " ", std::string(why)));
}

Step OfForm(Form form) {
  return [form](std::string_view text) { return ToForm(form, text); };
}

// Of two and more spaces in a row one `content`.
std::string ReplaceSpaces(std::string_view text, const std::string& content) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && text[end] == ' ') ++end;
    if (end - i >= 2) {
      result += content;
      i = end;
    } else {
      result += text[i++];
    }
  }
  return result;
}

std::string ReplaceWhitespace(std::string_view text, const std::string& content) {
  std::string result;
  for (bool after = false; !text.empty();) {
    const Character character = CharacterAt(text.data(), text.size());
    const bool space = character.kind == CharacterClass::kWhitespace;
    if (!space) result += text.substr(0, character.size);
    if (space && !after) result += content;
    after = space;
    text.remove_prefix(character.size);
  }
  return result;
}

// SentencePiece's remove_extra_whitespaces: of spaces in a row the first, and none at the ends. U+2581 is one
// at the end only.
std::string Squeezed(std::string_view text) {
  const std::string single =
      ReplaceSpaces(text.substr(std::min(text.find_first_not_of(' '), text.size())), " ");
  absl::string_view rest = single;
  while (absl::ConsumeSuffix(&rest, " ") || absl::ConsumeSuffix(&rest, kSpacePiece)) {
  }
  return std::string(rest);
}

absl::StatusOr<Step> OfReplace(const Json& step) {
  const auto pattern = step.find("pattern");
  const auto content = step.find("content");
  if (pattern == step.end() || !pattern->is_object() || content == step.end() || !content->is_string())
    return NotSupported(step, "has no pattern or content");
  const auto to = content->get<std::string>();
  if (to.size() > kMostGrowth) return NotSupported(step, "replaces by more than 64 bytes");
  const auto regex = pattern->find("Regex"), string = pattern->find("String");
  if (regex != pattern->end() && *regex == kSpacesRegex)
    return Step([to](std::string_view text) { return ReplaceSpaces(text, to); });
  if (regex != pattern->end() && *regex == kWhitespaceRegex)
    return Step([to](std::string_view text) { return ReplaceWhitespace(text, to); });
  if (string == pattern->end() || !string->is_string() || *string == "")
    return NotSupported(step, "replaces by a pattern that is not known");
  const auto from = string->get<std::string>();
  return Step([from, to](std::string_view text) {
    return absl::StrReplaceAll(std::string(text), {{from, to}});
  });
}

absl::StatusOr<Step> OfCharsMap(const Json& step) {
  const auto stored = step.find("precompiled_charsmap");
  std::string map;
  if (stored == step.end() || !stored->is_string() || !absl::Base64Unescape(stored->get<std::string>(), &map))
    return absl::InvalidArgumentError("its normalizer's precompiled_charsmap is no text in base 64");
  std::vector<std::string> kept;
  for (const Json& each : step.value("kept", Json::array())) {
    if (each.is_string() && each != "") kept.push_back(each.get<std::string>());
  }
  absl::StatusOr<CharsMap> read = CharsMap::Read(std::move(map), std::move(kept));
  if (!read.ok()) return read.status();
  const auto shared = std::make_shared<const CharsMap>(*std::move(read));
  return Step([shared](std::string_view text) { return shared->Apply(text); });
}

// Devlin et al., arXiv 1810.04805, as its code cleans texts; accents go with capitals unless it says
// otherwise.
Step OfBert(const Json& step) {
  const bool clean = Says(step, "clean_text", true), chinese = Says(step, "handle_chinese_chars", true),
             lower = Says(step, "lowercase", true), strip = Says(step, "strip_accents", lower);
  return [=](std::string_view text) {
    std::string result(text);
    if (clean) result = Cleaned(result);
    if (chinese) result = WithSpacedIdeographs(result);
    if (strip) result = WithoutMarks(ToForm(Form::kD, result), false);
    if (lower) result = ToLower(result);
    return result;
  };
}

// nullopt: the type is none of these.
std::optional<Step> OfForms(std::string_view type, const Json& step) {
  if (type == "NFC") return OfForm(Form::kC);
  if (type == "NFD") return OfForm(Form::kD);
  if (type == "NFKC") return OfForm(Form::kKC);
  if (type == "NFKD") return OfForm(Form::kKD);
  if (type == "Lowercase") return ToLower;
  if (type == "StripAccents") return [](std::string_view text) { return WithoutMarks(text, true); };
  if (type == "BertNormalizer") return OfBert(step);
  return std::nullopt;
}

absl::StatusOr<Step> OfStep(const Json& step) {
  const auto type_at = step.find("type");
  if (type_at == step.end() || !type_at->is_string()) return NotSupported(step, "has no type");
  const auto type = type_at->get<std::string>();
  if (std::optional<Step> forms = OfForms(type, step)) {
    if (!kHasUnicodeForms)
      return NotSupported(step,
                          "needs utf8proc, which this program was built without: run toolchains/setup and "
                          "build again");
    return *std::move(forms);
  }
  if (type == "Replace") return OfReplace(step);
  if (type == "Precompiled") return OfCharsMap(step);
  if (type == "Squeeze") return Step(Squeezed);
  if (type == "Strip") {
    const bool left = Says(step, "strip_left", true), right = Says(step, "strip_right", true);
    return Step([left, right](std::string_view text) { return std::string(Stripped(text, left, right)); });
  }
  return NotSupported(step, "is not known");
}

bool KeepsAscii(const Json& step) {
  const std::string type = step.value("type", "");
  return type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD" || type == "StripAccents";
}

}  // namespace

absl::StatusOr<Normalizer> Normalizer::FromSteps(const Json& steps) {
  Normalizer result;
  if (steps.is_object()) return FromSteps(Json(1, steps));
  if (!steps.is_array()) return absl::InvalidArgumentError("its normalizer is no list of steps");
  for (const Json& step : steps) {
    if (!step.is_object()) return NotSupported(step, "is no step");
    absl::StatusOr<Step> made = OfStep(step);
    if (!made.ok()) return made.status();
    result.steps_.push_back(*std::move(made));
    result.keeps_ascii_ = result.keeps_ascii_ && KeepsAscii(step);
  }
  return result;
}

absl::StatusOr<Normalizer> Normalizer::FromText(std::string_view json) {
  if (json.empty()) return Normalizer();
  return FromSteps(ParseJson(json));
}

absl::StatusOr<std::string> Normalizer::Apply(std::string_view text) const {
  std::string result(text);
  for (const Step& step : steps_) {
    result = step(result);
    if (result.size() > kMostGrowth * (text.size() + 1))
      return absl::OutOfRangeError("The tokenizer's normalizer makes the text over 64 times as long.");
  }
  return result;
}

TextForm TextFormOf(const Json& steps) {
  if (steps.empty()) return TextForm::kAny;
  return steps.size() == 1 && steps[0].value("type", "") == "NFC" ? TextForm::kNfc : TextForm::kSteps;
}

}  // namespace cllm
