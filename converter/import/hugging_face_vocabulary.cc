#include "converter/import/hugging_face_vocabulary.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "converter/import/hugging_face_json.h"
#include "converter/import/wrong.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/sentencepiece.h"

namespace cllm {

using Json = nlohmann::json;

bool SplitHuggingFaceMerge(const Json& merge, std::pair<std::string, std::string>* halves) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    *halves = {merge[0].get<std::string>(), merge[1].get<std::string>()};
    return true;
  }
  if (!merge.is_string()) return false;
  const auto text = merge.get<std::string>();
  const size_t space = text.find(' ');
  if (space == std::string::npos) return false;
  *halves = {text.substr(0, space), text.substr(space + 1)};
  return true;
}

absl::Status HuggingFaceVocabulary::Place(const std::string& piece, const Json& id, const Spelling& bytes_of,
                                          TokenizerTables* tables) {
  const size_t size = tables->pieces.size();
  if (!id.is_number_unsigned() || id.get<uint64_t>() >= size)
    return Wrong("'", piece, "' has the id ", JsonText(id), "; the model's vocabulary is ", size);
  const auto number = id.get<uint32_t>();
  if (const auto [at, is_new] = ids_.emplace(piece, number); !is_new && at->second != number)
    return Wrong("'", piece, "' has two ids");
  tables->pieces[number] = bytes_of(piece);
  return absl::OkStatus();
}

absl::Status HuggingFaceVocabulary::Read(const Json& vocabulary, uint32_t vocabulary_size,
                                         const Spelling& bytes_of, TokenizerTables* tables) {
  tables->pieces.assign(vocabulary_size, "");
  if (!vocabulary.is_object()) return Wrong("model.vocab is no object");
  for (const auto& [piece, id] : vocabulary.items()) {
    if (absl::Status status = Place(piece, id, bytes_of, tables); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status HuggingFaceVocabulary::ReadAdded(const Json& added, const Spelling& bytes_of,
                                              TokenizerTables* tables) {
  if (added.is_null()) return absl::OkStatus();
  if (!added.is_array()) return Wrong("added_tokens is no list");
  for (const Json& token : added) {
    if (!token.is_object() || !JsonAt(token, "content").is_string() || !token.contains("id"))
      return Wrong("an added token has no content or id");
    const auto content = token["content"].get<std::string>();
    const Json& id = token["id"];
    if (id.is_number_unsigned() && id.get<uint64_t>() >= tables->pieces.size()) continue;
    if (absl::Status status = Place(content, id, bytes_of, tables); !status.ok()) return status;
    if (IsJsonTrue(token, "single_word"))
      return OtherTokenizer("its added token '", content, "' is found as a single word only");
    const std::pair<const char*, uint32_t> flags[] = {{"special", AddedToken::kControl},
                                                      {"lstrip", AddedToken::kStripLeft},
                                                      {"rstrip", AddedToken::kStripRight},
                                                      {"normalized", AddedToken::kLate}};
    uint32_t all = 0;
    for (const auto& [key, flag] : flags) all |= IsJsonTrue(token, key) ? flag : 0;
    // One that is spelled with U+2581 is found in a text that has that character, and not in one with spaces,
    // which it stands for in a vocabulary of SentencePiece's kind: merging leads to it.
    const bool spaces = bytes_of(content) != content && (all & AddedToken::kControl) == 0;
    if (!content.empty() && !spaces) tables->added[id.get<uint32_t>()] = all;
  }
  return absl::OkStatus();
}

uint32_t HuggingFaceVocabulary::Find(const std::string& piece) const {
  const auto found = ids_.find(piece);
  return found == ids_.end() ? CLLM_NO_TOKEN : found->second;
}

absl::Status HuggingFaceVocabulary::TakeSpecial(const Json& token, uint32_t* id) const {
  const Json& text = token.is_object() ? JsonAt(token, "content") : token;
  if (!text.is_string()) return absl::OkStatus();
  *id = Find(text.get<std::string>());
  if (*id == CLLM_NO_TOKEN) return Wrong("the special token ", JsonText(text), " is not in the vocabulary");
  return absl::OkStatus();
}

}  // namespace cllm
