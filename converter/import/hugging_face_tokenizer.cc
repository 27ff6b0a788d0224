#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "converter/import/hugging_face.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/sentencepiece.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

constexpr float kNeverMerged = -2e10f;  // the runtime's limit is -1e10

absl::Status Wrong(const std::string& what) { return absl::InvalidArgumentError(what); }

std::string WithSpaces(const std::string& piece) { return absl::StrReplaceAll(piece, {{kSpacePiece, " "}}); }

// "a b", or ["a", "b"] in newer files.
bool SplitMerge(const Json& merge, std::pair<std::string, std::string>* halves) {
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

absl::Status TakeId(const Json& token, uint32_t vocabulary_size,
                    const std::unordered_map<std::string, uint32_t>& ids, uint32_t* id) {
  const Json& text = token.is_object() && token.contains("content") ? token["content"] : token;
  if (!text.is_string()) return absl::OkStatus();
  const auto found = ids.find(text.get<std::string>());
  if (found == ids.end() || found->second >= vocabulary_size)
    return Wrong(absl::StrCat("the special token ", JsonText(text), " is not in the vocabulary"));
  *id = found->second;
  return absl::OkStatus();
}

class Reader {
 public:
  Reader(uint32_t vocabulary_size, TokenizerTables* tables) : size_(vocabulary_size), tables_(tables) {}

  absl::Status Vocabulary(const Json& vocabulary, const Json& added) {
    tables_->pieces.assign(size_, "");
    tables_->scores.assign(size_, kNeverMerged);
    if (!vocabulary.is_object()) return Wrong("model.vocab is no object");
    for (const auto& [piece, id] : vocabulary.items()) {
      if (absl::Status status = Piece(piece, id); !status.ok()) return status;
    }
    for (const Json& token : added) {
      if (!token.is_object() || !token.contains("content") || !token["content"].is_string() ||
          !token.contains("id"))
        return Wrong("an added token has no content or id");
      if (absl::Status status = Piece(token["content"], token["id"]); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // The earlier a merge, the higher its result's score. That is the same order only if all the merges that
  // make one piece stand together, as they do in vocabularies that come from SentencePiece.
  absl::Status Merges(const Json& merges) {
    uint32_t rank = 0;
    std::string previous;
    for (const Json& merge : merges) {
      std::pair<std::string, std::string> halves;
      if (!SplitMerge(merge, &halves)) return Wrong(absl::StrCat("merge ", rank, " is not two pieces"));
      const std::string result = halves.first + halves.second;
      const auto found = ids_.find(result);
      if (found == ids_.end())
        return Wrong(absl::StrCat("merge ", rank, " makes '", result, "', which is no piece"));
      float& score = tables_->scores[found->second];
      if (result != previous) {
        if (score != kNeverMerged)
          return Wrong(absl::StrCat("merges that make '", result,
                                    "' do not stand together; such a tokenizer is not supported"));
        score = -static_cast<float>(rank);
      }
      previous = result;
      ++rank;
    }
    return absl::OkStatus();
  }

  absl::Status Bytes() {
    const auto first = ids_.find("<0x00>");
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const auto found = ids_.find(BytePiece(byte));
      if (found == ids_.end() || found->second != first->second + byte)
        return Wrong("the vocabulary has no bytes <0x00> to <0xFF> in a row");
    }
    tables_->byte_token_base = first->second;
    return absl::OkStatus();
  }

  absl::Status Special(const Json& token, uint32_t* id) { return TakeId(token, size_, ids_, id); }

 private:
  absl::Status Piece(const std::string& piece, const Json& id) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= size_)
      return Wrong(
          absl::StrCat("'", piece, "' has the id ", JsonText(id), "; the model's vocabulary is ", size_));
    const auto number = id.get<uint32_t>();
    if (const auto [at, is_new] = ids_.emplace(piece, number); !is_new && at->second != number)
      return Wrong(absl::StrCat("'", piece, "' has two ids"));
    tables_->pieces[number] = WithSpaces(piece);
    return absl::OkStatus();
  }

  uint32_t size_;
  TokenizerTables* tables_;
  std::unordered_map<std::string, uint32_t> ids_;  // of pieces as the file spells them
};

// The step of this type among a part's steps: the part itself, or one of its sequence. nullptr if there is
// none.
const Json* FindStep(const Json& tokenizer, const char* part, const char* list, const char* type) {
  const auto step = tokenizer.find(part);
  if (step == tokenizer.end() || !step->is_object()) return nullptr;
  if (step->value("type", Json()) == type) return &*step;
  const auto steps = step->find(list);
  if (steps == step->end()) return nullptr;
  for (const Json& each : *steps) {
    if (each.is_object() && each.value("type", Json()) == type) return &each;
  }
  return nullptr;
}

// Whether a space goes before the text: a normalizer that prepends it, or a pre-tokenizer that does.
bool PrependsSpace(const Json& tokenizer) {
  if (FindStep(tokenizer, "normalizer", "normalizers", "Prepend") != nullptr) return true;
  const Json* metaspace = FindStep(tokenizer, "pre_tokenizer", "pretokenizers", "Metaspace");
  return metaspace != nullptr && metaspace->value("prepend_scheme", Json("always")) != "never" &&
         metaspace->value("add_prefix_space", Json(true)) != false;
}

}  // namespace

absl::StatusOr<TokenizerTables> ImportHuggingFaceTokenizer(const Json& tokenizer,
                                                           const Json& tokenizer_config,
                                                           uint32_t vocabulary_size) {
  TokenizerTables tables;
  const Json model = tokenizer.value("model", Json());
  if (!model.is_object() || model.value("type", Json("BPE")) != "BPE" ||
      model.value("byte_fallback", Json()) != true)
    return tables;  // another kind
  tables.kind = TokenizerKind::kScoredMerges;
  tables.prefix_space = PrependsSpace(tokenizer);
  Reader reader(vocabulary_size, &tables);
  const Json added = tokenizer.value("added_tokens", Json::array());
  if (absl::Status s = reader.Vocabulary(model.value("vocab", Json()), added); !s.ok()) return s;
  if (absl::Status s = reader.Merges(model.value("merges", Json::array())); !s.ok()) return s;
  if (absl::Status s = reader.Bytes(); !s.ok()) return s;
  if (absl::Status s = reader.Special(model.value("unk_token", Json()), &tables.unknown_token); !s.ok())
    return s;
  if (!tokenizer_config.is_object()) return tables;
  if (tokenizer_config.value("add_bos_token", Json(true)) != false) {
    absl::Status s = reader.Special(tokenizer_config.value("bos_token", Json()), &tables.begin_token);
    if (!s.ok()) return s;
  }
  if (absl::Status s = reader.Special(tokenizer_config.value("eos_token", Json()), &tables.end_token);
      !s.ok())
    return s;
  return tables;
}

}  // namespace cllm
