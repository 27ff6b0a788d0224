#include "converter/import/hugging_face_steps.h"

#include "converter/import/hugging_face_json.h"
#include "converter/import/hugging_face_vocabulary.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/normalizer.h"
#include "converter/tokenizer/pretokenizer_regex.h"
#include "converter/tokenizer/sentencepiece.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

bool HasType(const Json& step, const char* type) { return JsonAt(step, "type") == type; }

// A key that counts as true where it is missing.
bool IsTrueByDefault(const Json& step, const char* key) { return JsonAt(step, key) != false; }

absl::StatusOr<Pretokenizer> OfSplit(const Json& split) {
  const Json& pattern = JsonAt(split, "pattern");
  const bool kept = IsJsonTrue(split, "invert") || (JsonAt(split, "behavior") != "Isolated");
  for (const auto& [pretokenizer, regex] : kPretokenizerRegexes) {
    if (!kept && pattern.is_object() && JsonAt(pattern, "Regex") == regex) return pretokenizer;
  }
  return OtherTokenizer("its pre-tokenizer splits by ", JsonText(pattern),
                        ", which is none of the known patterns");
}

// Whether the runtime does it by itself: a space before the text, and U+2581 for spaces.
bool IsSpaceStep(const Json& step) {
  const Json& pattern = JsonAt(step, "pattern");
  if (HasType(step, "Prepend")) return JsonAt(step, "prepend") == kSpacePiece;
  return HasType(step, "Replace") && pattern.is_object() && JsonAt(pattern, "String") == " " &&
         JsonAt(step, "content") == kSpacePiece;
}

// Words between whitespace, each with a space before it: whitespace that becomes spaces, which are squeezed.
absl::Status TakeWhitespaceSplit(const Json& metaspace, TokenizerTables* tables) {
  const Json& scheme = JsonAt(metaspace, "prepend_scheme");
  if (!scheme.is_null() ? scheme != "always" : !IsTrueByDefault(metaspace, "add_prefix_space"))
    return OtherTokenizer("its pre-tokenizer WhitespaceSplit does not put a space before each word");
  Json steps = tables->normalizer.empty() ? Json::array() : ParseJson(tables->normalizer);
  steps.push_back({{"type", "Replace"}, {"pattern", {{"Regex", "\\s+"}}}, {"content", " "}});
  tables->normalizer = JsonText(steps);
  tables->text_form = TextForm::kSteps;
  tables->squeeze_spaces = true;
  tables->pretokenizer = Pretokenizer::kSpaces;
  return absl::OkStatus();
}

}  // namespace

std::vector<Json> HuggingFaceSteps(const Json& tokenizer, const char* part) {
  const Json& step = JsonAt(tokenizer, part);
  if (!step.is_object()) return {};
  if (!HasType(step, "Sequence")) return {step};
  for (const char* list : {"normalizers", "pretokenizers", "processors"}) {
    const Json& steps = JsonAt(step, list);
    if (!steps.is_array()) continue;
    std::vector<Json> objects;
    for (const Json& each : steps) {
      if (each.is_object()) objects.push_back(each);
    }
    return objects;
  }
  return {};
}

absl::StatusOr<Pretokenizer> HuggingFacePretokenizer(const Json& tokenizer) {
  std::vector<Json> steps = HuggingFaceSteps(tokenizer, "pre_tokenizer");
  if (steps.empty() || !HasType(steps.back(), "ByteLevel"))
    return OtherTokenizer("its pre-tokenizer does not end in bytes");
  const Json bytes = steps.back();
  steps.pop_back();
  if (IsTrueByDefault(bytes, "add_prefix_space"))
    return OtherTokenizer("its pre-tokenizer puts a space before the text (add_prefix_space)");
  const bool gpt2 = IsTrueByDefault(bytes, "use_regex");
  if (steps.empty()) return gpt2 ? Pretokenizer::kGpt2 : Pretokenizer::kWhole;
  if (steps.size() == 1 && gpt2 && HasType(steps[0], "Digits") && IsJsonTrue(steps[0], "individual_digits"))
    return Pretokenizer::kDigits;
  if (steps.size() == 1 && !gpt2 && HasType(steps[0], "Split")) return OfSplit(steps[0]);
  return OtherTokenizer("its pre-tokenizer has steps that are not known together: ",
                        JsonText(JsonAt(tokenizer, "pre_tokenizer")));
}

absl::Status TakeHuggingFaceNormalizer(const Json& tokenizer, TokenizerTables* tables) {
  Json steps = Json::array();
  bool spaces = false;
  for (const Json& step : HuggingFaceSteps(tokenizer, "normalizer")) {
    if (tables->block_is_space && IsSpaceStep(step)) {
      spaces = true;
      tables->prefix_space = tables->prefix_space || HasType(step, "Prepend");
    } else if (spaces) {
      return OtherTokenizer("its normalizer ", JsonText(step), " stands behind what marks spaces");
    } else {
      steps.push_back(step);
    }
  }
  if (steps.empty()) return absl::OkStatus();
  const absl::StatusOr<Normalizer> normalizer = Normalizer::FromSteps(steps);
  if (!normalizer.ok()) return normalizer.status();
  tables->normalizer = JsonText(steps);
  tables->text_form = TextFormOf(steps);
  return absl::OkStatus();
}

absl::Status TakeHuggingFaceSpaces(const Json& tokenizer, TokenizerTables* tables) {
  tables->block_is_space = true;
  if (absl::Status status = TakeHuggingFaceNormalizer(tokenizer, tables); !status.ok()) return status;
  std::vector<Json> pre = HuggingFaceSteps(tokenizer, "pre_tokenizer");
  if (pre.size() == 2 && HasType(pre[0], "WhitespaceSplit") && HasType(pre[1], "Metaspace") &&
      tables->kind == TokenizerKind::kUnigram) {
    if (absl::Status status = TakeWhitespaceSplit(pre[1], tables); !status.ok()) return status;
    pre.erase(pre.begin());
  }
  for (const Json& step : pre) {
    if (HasType(step, "Metaspace")) {
      if (const Json& mark = JsonAt(step, "replacement"); !mark.is_null() && mark != kSpacePiece)
        return OtherTokenizer("its Metaspace writes ", JsonText(mark), " for spaces, not U+2581");
      const Json& scheme = JsonAt(step, "prepend_scheme");
      const bool prepends = scheme.is_null() ? IsTrueByDefault(step, "add_prefix_space") : scheme != "never";
      tables->prefix_space = tables->prefix_space || prepends;
      tables->prefix_unless_space = prepends;
      tables->prefix_once = scheme == "first";
      if (IsTrueByDefault(step, "split")) tables->pretokenizer = Pretokenizer::kSpaces;
    } else if (!HasType(step, "Split") || JsonAt(step, "pattern") != Json({{"String", " "}})) {
      return OtherTokenizer("its pre-tokenizer ", JsonText(step), " is not supported");
    }
  }
  return absl::OkStatus();
}

std::string HuggingFaceTemplateBegin(const Json& tokenizer) {
  for (const Json& step : HuggingFaceSteps(tokenizer, "post_processor")) {
    if (!HasType(step, "TemplateProcessing")) continue;
    const Json& single = JsonAt(step, "single");
    if (!single.is_array() || single.empty() || !single[0].is_object()) continue;
    const Json& special = JsonAt(single[0], "SpecialToken");
    if (special.is_object() && JsonAt(special, "id").is_string()) return special["id"].get<std::string>();
  }
  return "";
}

}  // namespace cllm
