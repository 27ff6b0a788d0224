#include "converter/tokenizer/tokenizer_file.h"

#include <algorithm>
#include <array>
#include <exception>
#include <stdexcept>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "converter/import/hugging_face.h"
#include "converter/import/mapped_file.h"
#include "converter/import/model_file.h"
#include "converter/import/provenance.h"
#include "converter/import/sentencepiece_model.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/segments.h"
#include "converter/tokenizer/utf8.h"
#include "nlohmann/json.hpp"

namespace cllm {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kFormat[] = "cllm tokenizer";
constexpr int kVersion = 1;
constexpr uint64_t kMostTokens = 1u << 24;
constexpr std::array kKinds = {TokenizerKind::kNone,         TokenizerKind::kByteBpe,
                               TokenizerKind::kScoredMerges, TokenizerKind::kCharacters,
                               TokenizerKind::kWordPiece,    TokenizerKind::kWords,
                               TokenizerKind::kUnigram};
constexpr std::array kTextForms = {"any", "nfc", "steps"};  // in the order of TextForm
constexpr std::array kPretokenizers = {"whole", "words",  "gpt2",   "llama3",
                                       "qwen2", "digits", "spaces", "bert"};  // in the order of Pretokenizer

struct Switch {
  const char* name;
  bool TokenizerTables::*on;
};
constexpr Switch kSwitches[] = {{"prefix_space", &TokenizerTables::prefix_space},
                                {"prefix_once", &TokenizerTables::prefix_once},
                                {"prefix_unless_space", &TokenizerTables::prefix_unless_space},
                                {"block_is_space", &TokenizerTables::block_is_space},
                                {"squeeze_spaces", &TokenizerTables::squeeze_spaces},
                                {"float_sums", &TokenizerTables::float_sums}};

struct SpecialToken {
  const char* name;
  uint32_t TokenizerTables::*id;
};
constexpr SpecialToken kSpecialTokens[] = {{"begin_token", &TokenizerTables::begin_token},
                                           {"end_token", &TokenizerTables::end_token},
                                           {"unknown_token", &TokenizerTables::unknown_token},
                                           {"byte_token_base", &TokenizerTables::byte_token_base}};

Json PieceToJson(const std::string& piece) {
  if (InvalidUtf8At(piece) == std::string_view::npos) return piece;
  return {{"bytes", absl::BytesToHexString(piece)}};
}

std::string PieceFromJson(const Json& piece) {
  return piece.is_string() ? piece.get<std::string>()
                           : absl::HexStringToBytes(piece.at("bytes").get<std::string>());
}

// Negative numbers and fractions would be converted silently.
uint32_t Id(const Json& json) {
  if (!json.is_number_unsigned() || json.get<uint64_t>() >= CLLM_NO_TOKEN) {
    throw std::invalid_argument(JsonText(json) + " is no token id");
  }
  return json.get<uint32_t>();
}

absl::Status NotATokenizer(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("is no tokenizer: ", why, ". Make one with 'cllm tokenizer train', or give a .cllm file"));
}

TokenizerTables Parse(const Json& json) {
  TokenizerTables tables;
  const std::string kind = json.at("kind"), pretokenizer = json.at("pretokenizer");
  for (const TokenizerKind known : kKinds) {
    if (kind == TokenizerKindName(known)) tables.kind = known;
  }
  for (size_t i = 0; i < kPretokenizers.size(); ++i) {
    if (pretokenizer == kPretokenizers[i]) tables.pretokenizer = static_cast<Pretokenizer>(i);
  }
  for (const Switch& each : kSwitches) tables.*each.on = json.value(each.name, false);
  tables.chat_template = json.value("chat_template", "");
  tables.normalizer = json.value("normalizer", "");
  const std::string form = json.value("text_form", "any");
  for (size_t i = 0; i < kTextForms.size(); ++i) {
    if (form == kTextForms[i]) tables.text_form = static_cast<TextForm>(i);
  }
  for (const SpecialToken& special : kSpecialTokens) {
    if (json.contains(special.name)) tables.*special.id = Id(json.at(special.name));
  }
  for (const Json& piece : json.at("pieces")) tables.pieces.push_back(PieceFromJson(piece));
  if (json.contains("scores")) json.at("scores").get_to(tables.scores);
  if (json.contains("log_probabilities")) json.at("log_probabilities").get_to(tables.log_probabilities);
  // -1 for a byte without a token.
  for (const Json& token : json.value("byte_tokens", Json::array()))
    tables.byte_tokens.push_back(token == -1 ? CLLM_NO_TOKEN : Id(token));
  for (const Json& token : json.value("words", Json::array())) tables.words.push_back(Id(token));
  for (const Json& row : json.value("added", Json::array())) tables.added[Id(row.at(0))] = Id(row.at(1));
  if (!json.contains("merges")) return tables;
  for (const Json& merge : json.at("merges")) {
    tables.merges.push_back({Id(merge.at(0)), Id(merge.at(1)), Id(merge.at(2))});
  }
  return tables;
}

// Hugging Face's tokenizer.json; its neighbour tokenizer_config.json tells of special tokens, where it is
// there.
absl::StatusOr<TokenizerTables> ReadHuggingFace(const nlohmann::json& json, const std::string& path) {
  nlohmann::json config;
  const std::string beside = path.substr(0, path.rfind('/') + 1) + "tokenizer_config.json";
  if (absl::StatusOr<MappedFile> bytes = MappedFile::Open(beside, "JSON"); bytes.ok())
    config = ParseJson(bytes->bytes());
  uint64_t size = 0;
  const auto count = [&size](const nlohmann::json& id) {
    if (id.is_number_unsigned()) size = std::max(size, id.get<uint64_t>() + 1);
  };
  const auto& model = json.at("model");
  if (model.is_object() && model.contains("vocab") && model["vocab"].is_object()) {
    for (const nlohmann::json& id : model["vocab"]) count(id);
  }
  if (model.is_object() && model.contains("vocab") && model["vocab"].is_array()) size = model["vocab"].size();
  const auto added = json.find("added_tokens");
  for (const nlohmann::json& token : added != json.end() ? *added : nlohmann::json::array()) {
    if (token.is_object() && token.contains("id")) count(token["id"]);
  }
  if (size > kMostTokens)
    return absl::InvalidArgumentError(
        absl::StrCat("its largest id is ", size - 1, ", and at most ", kMostTokens, " tokens are possible"));
  return ImportHuggingFaceTokenizer(json, config, static_cast<uint32_t>(size));
}

absl::StatusOr<TokenizerTables> ReadJson(std::string_view bytes, const std::string& path) {
  const nlohmann::json json = ParseJson(bytes);
  if (json.is_object() && json.contains("model") && !json.contains("format"))
    return ReadHuggingFace(json, path);
  return TokenizerFromJson(bytes);
}

bool LooksLikeJson(std::string_view bytes) {
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && bytes[first] == '{';
}

// The first field of the first piece.
bool LooksLikeSentencePiece(std::string_view bytes) {
  return bytes.size() > 4 && bytes[0] == '\n' && bytes[2] == '\n';
}

}  // namespace

const char* TokenizerKindName(TokenizerKind kind) {
  switch (kind) {
    case TokenizerKind::kNone: return "none";
    case TokenizerKind::kByteBpe: return "byte_bpe";
    case TokenizerKind::kScoredMerges: return "scored_merges";
    case TokenizerKind::kCharacters: return "characters";
    case TokenizerKind::kWordPiece: return "word_piece";
    case TokenizerKind::kWords: return "words";
    case TokenizerKind::kUnigram: return "unigram";
  }
  return "unknown";
}

std::string TokenizerToJson(const TokenizerTables& tables) {
  Json json = {{"format", kFormat},
               {"version", kVersion},
               {"kind", TokenizerKindName(tables.kind)},
               {"pretokenizer", kPretokenizers[static_cast<size_t>(tables.pretokenizer)]}};
  for (const Switch& each : kSwitches) {
    if (tables.*each.on) json[each.name] = true;
  }
  for (const SpecialToken& special : kSpecialTokens) {
    if (tables.*special.id != CLLM_NO_TOKEN) json[special.name] = tables.*special.id;
  }
  if (!tables.chat_template.empty()) json["chat_template"] = tables.chat_template;
  if (tables.text_form != TextForm::kAny)
    json["text_form"] = kTextForms[static_cast<size_t>(tables.text_form)];
  if (!tables.normalizer.empty()) json["normalizer"] = tables.normalizer;
  // One entry a line.
  std::string text = JsonText(json, 1);
  text.resize(text.rfind('\n'));
  const auto append = [&text](const char* name, size_t count, const auto& entry) {
    if (count == 0) return;
    absl::StrAppend(&text, ",\n \"", name, "\": [");
    for (size_t i = 0; i < count; ++i) absl::StrAppend(&text, i == 0 ? "\n  " : ",\n  ", JsonText(entry(i)));
    absl::StrAppend(&text, "\n ]");
  };
  append("pieces", tables.pieces.size(), [&](size_t i) { return PieceToJson(tables.pieces[i]); });
  append("scores", tables.scores.size(), [&](size_t i) { return Json(tables.scores[i]); });
  append("log_probabilities", tables.log_probabilities.size(),
         [&](size_t i) { return Json(tables.log_probabilities[i]); });
  append("merges", tables.merges.size(), [&](size_t i) {
    return Json({tables.merges[i].left, tables.merges[i].right, tables.merges[i].result});
  });
  append("byte_tokens", tables.byte_tokens.size(), [&](size_t i) {
    return tables.byte_tokens[i] == CLLM_NO_TOKEN ? Json(-1) : Json(tables.byte_tokens[i]);
  });
  append("words", tables.words.size(), [&](size_t i) { return Json(tables.words[i]); });
  const std::vector<std::pair<uint32_t, uint32_t>> added(tables.added.begin(), tables.added.end());
  append("added", added.size(), [&](size_t i) { return Json({added[i].first, added[i].second}); });
  return text + "\n}\n";
}

absl::StatusOr<TokenizerTables> TokenizerFromJson(std::string_view text) {
  TokenizerTables tables;
  try {
    const Json json = Json::parse(text);
    if (json.at("format") != kFormat) return NotATokenizer("it is JSON of another format");
    if (json.at("version") != kVersion) return NotATokenizer("it is of a newer version");
    tables = Parse(json);
  } catch (const std::exception& error) {
    return NotATokenizer(error.what());
  }
  if (tables.kind == TokenizerKind::kNone) return NotATokenizer("its kind is unknown");
  if (absl::Status status = PackTokenizer(tables).status(); !status.ok()) return status;
  return tables;
}

absl::StatusOr<TokenizerTables> ReadTokenizerFile(const std::string& path) {
  absl::StatusOr<MappedFile> bytes = MappedFile::Open(path, "a tokenizer or a .cllm file");
  if (!bytes.ok()) return bytes.status();
  if (LooksLikeJson(bytes->bytes())) {
    absl::StatusOr<TokenizerTables> tables = ReadJson(bytes->bytes(), path);
    if (tables.ok()) return tables;
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", tables.status().message()));
  }
  absl::StatusOr<ModelFile> file = ModelFile::Open(path);
  if (!file.ok() && LooksLikeSentencePiece(bytes->bytes())) {
    absl::StatusOr<TokenizerTables> tables = ImportSentencePieceModel(bytes->bytes(), 0);
    if (tables.ok()) return tables;
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", tables.status().message()));
  }
  if (!file.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path,
                     ": is no tokenizer: it is neither JSON nor a .cllm file. Make one with 'cllm tokenizer "
                     "train'. (",
                     file.status().message(), ")"));
  }
  if (file->model().tokenizer.kind == TokenizerKind::kNone) {
    return absl::InvalidArgumentError(path + ": this model has no tokenizer");
  }
  TokenizerTables tables = UnpackTokenizer(file->model().tokenizer);
  tables.chat_template = ReadChatTemplate(file->model());
  return tables;
}

}  // namespace cllm
