#include "converter/export/hugging_face_tokenizer.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"
#include "converter/tokenizer/byte_alphabet.h"
#include "converter/tokenizer/pretokenizer_regex.h"
#include "converter/tokenizer/sentencepiece.h"
#include "converter/tokenizer/utf8.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

constexpr float kLeastScore = -1e10f;  // not over it: never merged

bool IsSpecial(const TokenizerTables& t, uint32_t token) {
  return token == t.begin_token || token == t.end_token || token == t.unknown_token ||
         t.added.contains(token);
}

bool IsByte(const TokenizerTables& t, uint32_t token) {
  return t.byte_token_base != CLLM_NO_TOKEN && token >= t.byte_token_base && token - t.byte_token_base < 256;
}

// A special token under its own name if that is one, such as "<bos>", else the usual one.
std::string SpecialName(const TokenizerTables& t, uint32_t token) {
  const std::string& piece = t.pieces[token];
  if (t.added.contains(token)) return piece;
  const bool named = piece.size() > 2 && piece.front() == '<' && piece.back() == '>' &&
                     InvalidUtf8At(piece) == std::string_view::npos;
  if (named) return piece;
  return token == t.begin_token ? "<s>" : token == t.end_token ? "</s>" : "<unk>";
}

// The spelling of a token in the vocabulary; "" for one that no text leads to.
std::string Spelling(const TokenizerTables& t, uint32_t token) {
  if (IsSpecial(t, token)) return SpecialName(t, token);
  const std::string& piece = t.pieces[token];
  if (piece.empty()) return "";
  if (t.kind == TokenizerKind::kByteBpe) return Gpt2Characters(piece);
  if (t.kind == TokenizerKind::kScoredMerges && IsByte(t, token)) return BytePiece(token - t.byte_token_base);
  if (InvalidUtf8At(piece) != std::string_view::npos) return "";
  return t.kind == TokenizerKind::kScoredMerges ? absl::StrReplaceAll(piece, {{" ", kSpacePiece}}) : piece;
}

// Of tokens with one spelling special ones come first, then the lowest.
std::unordered_map<std::string, uint32_t> Vocabulary(const TokenizerTables& t) {
  std::unordered_map<std::string, uint32_t> ids;
  for (const bool special : {true, false}) {
    for (uint32_t token = 0; token < t.pieces.size(); ++token) {
      if (IsSpecial(t, token) != special) continue;
      const std::string spelling = Spelling(t, token);
      if (!spelling.empty()) ids.emplace(spelling, token);
    }
  }
  return ids;
}

// Pieces from the highest score down, each with all the pairs that make it.
Json MergesOfScores(const TokenizerTables& t, const std::unordered_map<std::string, uint32_t>& ids) {
  std::vector<std::pair<uint32_t, std::string>> results;
  for (const auto& [spelling, token] : ids) {
    if (!IsSpecial(t, token) && !IsByte(t, token) && t.scores[token] > kLeastScore)
      results.emplace_back(token, spelling);
  }
  std::sort(results.begin(), results.end(), [&](const auto& a, const auto& b) {
    return std::make_pair(-t.scores[a.first], a.first) < std::make_pair(-t.scores[b.first], b.first);
  });
  const auto is_piece = [&](const std::string& text) {
    const auto found = ids.find(text);
    return found != ids.end() && !IsSpecial(t, found->second);
  };
  Json merges = Json::array();
  for (const auto& [token, spelling] : results) {
    for (size_t cut = 1; cut < spelling.size(); ++cut) {
      const std::string left = spelling.substr(0, cut), right = spelling.substr(cut);
      if (is_piece(left) && is_piece(right)) merges.push_back({left, right});
    }
  }
  return merges;
}

Json MergesByRank(const TokenizerTables& t) {
  Json merges = Json::array();
  for (const TokenizerTables::Merge& merge : t.merges)
    merges.push_back({Spelling(t, merge.left), Spelling(t, merge.right)});
  return merges;
}

Json BpeModel(const TokenizerTables& t) {
  const std::unordered_map<std::string, uint32_t> ids = Vocabulary(t);
  const bool scored = t.kind == TokenizerKind::kScoredMerges;
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", t.unknown_token != CLLM_NO_TOKEN ? Json(SpecialName(t, t.unknown_token)) : Json()},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", scored},
          {"byte_fallback", scored},
          {"vocab", ids},
          {"merges", scored ? MergesOfScores(t, ids) : MergesByRank(t)}};
}

Json Sequence(const char* list, std::initializer_list<Json> steps) {
  return {{"type", "Sequence"}, {list, Json::array_t(steps)}};
}

Json Replace(const char* from, const char* to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

void SetScoredMerges(const TokenizerTables& t, Json* json) {
  const Json spaces = Replace(" ", kSpacePiece), words = Replace(kSpacePiece, " ");
  const Json bytes = {{"type", "ByteFallback"}}, fuse = {{"type", "Fuse"}};
  const Json prepend = {{"type", "Prepend"}, {"prepend", kSpacePiece}};
  const Json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  // A prefix of conditions is Metaspace's to put.
  const bool plain = t.prefix_space && !t.prefix_once && !t.prefix_unless_space;
  (*json)["normalizer"] = plain ? Sequence("normalizers", {prepend, spaces}) : spaces;
  if (t.prefix_space && !plain) {
    (*json)["normalizer"] = nullptr;
    (*json)["pre_tokenizer"] = {{"type", "Metaspace"},
                                {"replacement", kSpacePiece},
                                {"prepend_scheme", t.prefix_once ? "first" : "always"},
                                {"split", false}};
  }
  (*json)["decoder"] = t.prefix_space ? Sequence("decoders", {words, bytes, fuse, strip})
                                      : Sequence("decoders", {words, bytes, fuse});
}

// The steps before the merges, and whether bytes become characters with GPT-2's pattern.
Json PreTokenizer(const TokenizerTables& t) {
  const auto bytes = [](bool gpt2) {
    return Json{
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", gpt2}};
  };
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  if (t.pretokenizer == Pretokenizer::kGpt2) return bytes(true);
  if (t.pretokenizer == Pretokenizer::kDigits) return Sequence("pretokenizers", {digits, bytes(true)});
  const char* regex = RegexOf(t.pretokenizer);
  if (regex == nullptr) return bytes(false);
  const Json split = {
      {"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
  return Sequence("pretokenizers", {split, bytes(false)});
}

void SetByteBpe(const TokenizerTables& t, Json* json) {
  (*json)["decoder"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  (*json)["pre_tokenizer"] = PreTokenizer(t);
  if (!t.words.empty()) (*json)["model"]["ignore_merges"] = true;
}

// The begin token before each text.
Json Template(const TokenizerTables& t) {
  const std::string name = SpecialName(t, t.begin_token);
  const auto special = [&](int text) { return Json{{"SpecialToken", {{"id", name}, {"type_id", text}}}}; };
  const auto text = [](const char* id, int number) {
    return Json{{"Sequence", {{"id", id}, {"type_id", number}}}};
  };
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({special(0), text("A", 0)})},
          {"pair", Json::array({special(0), text("A", 0), special(1), text("B", 1)})},
          {"special_tokens",
           {{name, {{"id", name}, {"ids", Json::array({t.begin_token})}, {"tokens", Json::array({name})}}}}}};
}

Json AddedTokenList(const TokenizerTables& t) {
  Json added = Json::array();
  for (uint32_t token = 0; token < t.pieces.size(); ++token) {
    if (!IsSpecial(t, token)) continue;
    const auto found = t.added.find(token);
    const uint32_t flags = found != t.added.end() ? found->second : AddedToken::kControl;
    added.push_back({{"id", token},
                     {"content", SpecialName(t, token)},
                     {"single_word", false},
                     {"lstrip", (flags & AddedToken::kStripLeft) != 0},
                     {"rstrip", (flags & AddedToken::kStripRight) != 0},
                     {"normalized", (flags & AddedToken::kLate) != 0},
                     {"special", (flags & AddedToken::kControl) != 0}});
  }
  return added;
}

}  // namespace

bool HasHuggingFaceTokenizer(const TokenizerTables& t) {
  if (t.kind == TokenizerKind::kCharacters || t.kind == TokenizerKind::kByteBpe) return true;
  return t.kind == TokenizerKind::kScoredMerges && t.byte_token_base != CLLM_NO_TOKEN &&
         t.pretokenizer == Pretokenizer::kWhole;
}

Json HuggingFaceTokenizer(const TokenizerTables& t) {
  Json json = {{"version", "1.0"},
               {"truncation", nullptr},
               {"padding", nullptr},
               {"added_tokens", AddedTokenList(t)},
               {"normalizer", nullptr},
               {"pre_tokenizer", nullptr},
               {"post_processor", t.begin_token != CLLM_NO_TOKEN ? Template(t) : Json()},
               {"decoder", {{"type", "Fuse"}}},
               {"model", BpeModel(t)}};
  if (t.kind == TokenizerKind::kScoredMerges) SetScoredMerges(t, &json);
  if (t.kind == TokenizerKind::kByteBpe) SetByteBpe(t, &json);
  return json;
}

Json HuggingFaceTokenizerConfig(const TokenizerTables& t, uint32_t context) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false},
                 {"model_max_length", context},
                 {"add_bos_token", t.begin_token != CLLM_NO_TOKEN},
                 {"add_eos_token", false}};
  const std::pair<const char*, uint32_t> specials[] = {
      {"bos_token", t.begin_token}, {"eos_token", t.end_token}, {"unk_token", t.unknown_token}};
  for (const auto& [key, token] : specials) {
    if (token != CLLM_NO_TOKEN) config[key] = SpecialName(t, token);
  }
  if (!t.chat_template.empty()) config["chat_template"] = t.chat_template;
  return config;
}

}  // namespace cllm
